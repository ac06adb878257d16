// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FailurePolicy says what follows when a go-live fails before users are let in.
// +kubebuilder:validation:Enum=RollBack;Hold
type FailurePolicy string

// Failure policies.
const (
	// OnFailureRollBack goes back by itself, until users write.
	OnFailureRollBack FailurePolicy = "RollBack"
	// OnFailureHold leaves the site closed until a person decides.
	OnFailureHold FailurePolicy = "Hold"
)

// GoLiveSpec is the order to take the live site to the target.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec is immutable; a plan makes a new GoLive for a new attempt"
type GoLiveSpec struct {
	// siteRef names the Site.
	// +required
	SiteRef LocalRef `json:"siteRef,omitzero"`
	// planRef names the plan that orders the go-live.
	// +required
	PlanRef PlanRef `json:"planRef,omitzero"`
	// digest of the subject that was approved; computed again from live objects before anything is written.
	// +required
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=1
	Digest string `json:"digest,omitempty"`
	// backupRef names the verified backup that is the way back until the fix point of this run.
	// +required
	BackupRef LocalRef `json:"backupRef,omitzero"`
	// upgrade to make.
	// +required
	Upgrade UpgradeSpec `json:"upgrade,omitzero"`
	// strategy is InPlace.
	// +optional
	// +default="InPlace"
	// +kubebuilder:validation:Enum=InPlace
	Strategy string `json:"strategy,omitempty"`
	// closes is the end of the window: past it no step that closes the site begins.
	// +optional
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self.getFullYear() >= 2000",message="closes must be a moment such as 2027-01-18T20:00:00Z"
	Closes *metav1.Time `json:"closes,omitempty"`
	// maxBackupAge that the backup may have when the site is closed. Default 24h.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('8784h')",message="maxBackupAge may be a year (8784h) at most"
	MaxBackupAge *metav1.Duration `json:"maxBackupAge,omitempty"`
	// onFailure is RollBack (default) or Hold.
	// +optional
	// +default="RollBack"
	OnFailure FailurePolicy `json:"onFailure,omitempty"`
	// scale workloads before the site opens. Undone exactly, as every change with
	// undo Always, when step Support of the plan is settled.
	// +optional
	// +listType=map
	// +listMapKey=workload
	// +kubebuilder:validation:MaxItems=16
	Scale []WorkloadScale `json:"scale,omitempty"`
	// look holds the upgraded site closed for users until gate Open is approved. Default Skip.
	// +optional
	// +default="Skip"
	// +kubebuilder:validation:Enum=Skip;Approve
	Look string `json:"look,omitempty"`
}

// GoLiveStatus is the timeline of the cutover and what it holds.
type GoLiveStatus struct {
	// conditions are Ready (over), Reconciling, Stalled, Succeeded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// after are the counts of the database after the upgrade.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	After []Count `json:"after,omitempty"`
	// aftercare are the steps after the run's end: what was scaled up goes back when support ends.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Aftercare []StepStatus `json:"aftercare,omitempty"`
	// before are the counts of the database at the fix point.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Before []Count `json:"before,omitempty"`
	// changes to production, in the order of their intents.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Changes []Change `json:"changes,omitempty"`
	// closed is when users were first shut out.
	// +optional
	Closed *metav1.Time `json:"closed,omitempty"`
	// findings of the verification.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Findings []Finding `json:"findings,omitempty"`
	// bypassed is when somebody else led users past the holding page, while the application ran
	// and the site was past the point of no return. What they wrote is counted before anything
	// goes back.
	// +optional
	Bypassed *metav1.Time `json:"bypassed,omitempty"`
	// fixPoint names the SiteBackup taken with the site closed: what a rollback goes back to.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	FixPoint string `json:"fixPoint,omitempty"`
	// hops with what they took.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Hops []HopResult `json:"hops,omitempty"`
	// lease held on the site; unset when nothing is held.
	// +optional
	Lease *HeldLease `json:"lease,omitempty"`
	// observedGeneration is the generation that the conditions speak of; -1 before Gradus looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// opened is when users were let in again.
	// +optional
	Opened *metav1.Time `json:"opened,omitempty"`
	// parts of the outage with their times.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Parts []TimedPart `json:"parts,omitempty"`
	// steps of the go-live.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []StepStatus `json:"steps,omitempty"`
	// version that the site serves.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
}

// GoLive is the cutover of the live site. With Rollback it is the only writer
// of production. Only a plan creates it (admission sees to that). Deleting it
// while it holds the site puts the site back if, and only if, nothing
// irreversible has happened; otherwise it waits for a person.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=gradus,shortName=ggolive
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.siteRef.name`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.spec.upgrade.hops[-1:].to`
// +kubebuilder:printcolumn:name="Point",type=string,JSONPath=`.status.lease.point`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Succeeded",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Closed",type=date,JSONPath=`.status.closed`
// +kubebuilder:printcolumn:name="Opened",type=date,JSONPath=`.status.opened`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type GoLive struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec GoLiveSpec `json:"spec,omitzero"`
	// status is what Gradus saw and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status GoLiveStatus `json:"status,omitempty"`
}

// GoLiveList is a list of GoLives.
// +kubebuilder:object:root=true
type GoLiveList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []GoLive `json:"items"`
}
