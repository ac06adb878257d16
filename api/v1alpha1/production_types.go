// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// ChangeField is a field of production that Gradus may change. The list is closed.
// +kubebuilder:validation:Enum=Replicas;Template;Selector;ClaimName;ClaimRef;ReclaimPolicy;Suspend;MinReplicas;Label
type ChangeField string

// Fields of production that Gradus may change.
const (
	// FieldReplicas is spec.replicas of a Deployment or StatefulSet.
	FieldReplicas ChangeField = "Replicas"
	// FieldTemplate is the images and environment of a workload's containers, as one value.
	FieldTemplate ChangeField = "Template"
	// FieldSelector is spec.selector of the Service that is the door.
	FieldSelector ChangeField = "Selector"
	// FieldClaimName is the claim of one volume of a Deployment.
	FieldClaimName ChangeField = "ClaimName"
	// FieldClaimRef is spec.claimRef of a PersistentVolume.
	FieldClaimRef ChangeField = "ClaimRef"
	// FieldReclaimPolicy is spec.persistentVolumeReclaimPolicy of a PersistentVolume.
	FieldReclaimPolicy ChangeField = "ReclaimPolicy"
	// FieldSuspend is spec.suspend of a CronJob.
	FieldSuspend ChangeField = "Suspend"
	// FieldMinReplicas is spec.minReplicas of a HorizontalPodAutoscaler.
	FieldMinReplicas ChangeField = "MinReplicas"
	// FieldLabel is the lock label of the site's namespace.
	FieldLabel ChangeField = "Label"
)

// UndoWhen says until when a change is undone by itself.
// +kubebuilder:validation:Enum=UntilCommit;Always;Never
type UndoWhen string

// When a change is undone.
const (
	// UndoUntilCommit is undone by itself while the lease is Reversible.
	UndoUntilCommit UndoWhen = "UntilCommit"
	// UndoAlways is undone at the end in any case, such as extra replicas.
	UndoAlways UndoWhen = "Always"
	// UndoNever stays, such as the images of the new version.
	UndoNever UndoWhen = "Never"
)

// ChangeState says where a change stands.
// +kubebuilder:validation:Enum=Intended;Applied;Undoing;Undone;Foreign
type ChangeState string

// States of a change.
const (
	// ChangeIntended is persisted, and not known to be applied.
	ChangeIntended ChangeState = "Intended"
	// ChangeApplied was seen on the live object.
	ChangeApplied ChangeState = "Applied"
	// ChangeUndoing is to be put back; persisted before it is.
	ChangeUndoing ChangeState = "Undoing"
	// ChangeUndone was put back.
	ChangeUndone ChangeState = "Undone"
	// ChangeForeign has a value that is neither before nor after: somebody
	// else writes the field. It is never forced.
	ChangeForeign ChangeState = "Foreign"
)

// ChangeTarget is the live object that a change writes.
type ChangeTarget struct {
	// kind of the object: Deployment, StatefulSet, Service, CronJob,
	// HorizontalPodAutoscaler, PersistentVolume or Namespace.
	// +required
	// +kubebuilder:validation:Enum=Deployment;StatefulSet;Service;CronJob;HorizontalPodAutoscaler;PersistentVolume;Namespace
	Kind string `json:"kind,omitempty"`
	// name of the object.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// uid of the object; set with the intent.
	// +optional
	UID types.UID `json:"uid,omitempty"`
}

// Change is one recorded write to production.
type Change struct {
	// id is unique in its journal.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:MinLength=1
	ID string `json:"id,omitempty"`
	// step that asked for the change.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Step string `json:"step,omitempty"`
	// target is the live object.
	// +required
	Target ChangeTarget `json:"target,omitzero"`
	// field that is written.
	// +required
	Field ChangeField `json:"field,omitempty"`
	// key within the field, such as the name of the volume for ClaimName.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Key string `json:"key,omitempty"`
	// before is the value that was found, as JSON.
	// +optional
	Before *apiextensionsv1.JSON `json:"before,omitempty"`
	// after is the value that is wanted, as JSON.
	// +optional
	After *apiextensionsv1.JSON `json:"after,omitempty"`
	// undo says until when the change is undone by itself.
	// +required
	Undo UndoWhen `json:"undo,omitempty"`
	// state is Intended, Applied, Undoing, Undone or Foreign.
	// +required
	State ChangeState `json:"state,omitempty"`
	// at is when the state last changed.
	// +optional
	At *metav1.Time `json:"at,omitempty"`
	// foreign names the field manager that wrote a third value. Of a change that
	// is Undoing it says why it cannot be put back.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Foreign string `json:"foreign,omitempty"`
}

// LeasePoint says what a crash leads to.
// +kubebuilder:validation:Enum=Reversible;Committed
type LeasePoint string

// Points of a lease.
const (
	// PointReversible: nothing irreversible has happened; a crash opens the site again.
	PointReversible LeasePoint = "Reversible"
	// PointCommitted: the database may be half-migrated; a crash leaves the site closed.
	PointCommitted LeasePoint = "Committed"
)

// HeldLease says which lease a run holds on the site.
type HeldLease struct {
	// name of the Lease in the Site's namespace.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// fence is the lease's transition count when it was taken.
	// +optional
	Fence int32 `json:"fence,omitempty"`
	// point is Reversible or Committed.
	// +required
	Point LeasePoint `json:"point,omitempty"`
}

// Standing gives the changes that outlive the run that made them and are
// undone later, such as extra pods.
func Standing(changes []Change) []Change {
	var out []Change
	for _, c := range changes {
		if c.Undo == UndoAlways && c.State != ChangeUndone && c.State != ChangeForeign {
			out = append(out, c)
		}
	}
	return out
}
