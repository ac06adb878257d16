// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// SiteBackupSpec asks for one consistent set of copies of a site.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec is immutable; create a new SiteBackup"
type SiteBackupSpec struct {
	// siteRef names the Site.
	// +required
	SiteRef LocalRef `json:"siteRef,omitzero"`
	// planRef names the plan for which the backup is made, if any.
	// +optional
	PlanRef *PlanRef `json:"planRef,omitempty"`
	// locations of the Site to use. Default: all.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=40
	Locations []string `json:"locations,omitempty"`
}

// BackupCopy is one copy in one location.
type BackupCopy struct {
	// location by the Site's name for it.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Location string `json:"location,omitempty"`
	// failureDomain of the location.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:MinLength=1
	FailureDomain string `json:"failureDomain,omitempty"`
	// holds is Database or Files.
	// +required
	Holds BackupContent `json:"holds,omitempty"`
	// volume by the Site's name; "database" for the database's own.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Volume string `json:"volume,omitempty"`
	// snapshot is the VolumeSnapshot, where the copy is one.
	// +optional
	Snapshot *SnapshotRef `json:"snapshot,omitempty"`
	// path on the location's volume, where the copy is a dump (without the
	// ending of its files) or a tree.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Path string `json:"path,omitempty"`
	// base is the path of the append-only parts of a tree, which all backups of
	// the site share: path and base together are the volume.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Base string `json:"base,omitempty"`
	// digest is sha256:<hex> of the dump, or of the tree's manifest.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`
	// bytes of the copy.
	// +optional
	Bytes int64 `json:"bytes,omitempty"`
	// consistency is Crash (recovered like after a power cut), Application or Logical.
	// +required
	// +kubebuilder:validation:Enum=Crash;Application;Logical
	Consistency string `json:"consistency,omitempty"`
	// taken is the instant of the copy.
	// +required
	Taken metav1.Time `json:"taken,omitzero"`
	// verified is when the copy was restored and compared; unset until then.
	// +optional
	Verified *metav1.Time `json:"verified,omitempty"`
	// tookRestore is how long the proof by restoring took.
	// +optional
	TookRestore *metav1.Duration `json:"tookRestore,omitempty"`
}

// SnapshotRef pins a VolumeSnapshot with what is needed to open it elsewhere.
type SnapshotRef struct {
	// name of the VolumeSnapshot in the Site's namespace.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// uid of the VolumeSnapshot.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:MinLength=1
	UID string `json:"uid,omitempty"`
	// claimName of the source.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	ClaimName string `json:"claimName,omitempty"`
	// storageClassName of the source claim.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	StorageClassName string `json:"storageClassName,omitempty"`
	// capacity of the source claim's volume, such as 8Gi.
	// +required
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:MinLength=1
	Capacity string `json:"capacity,omitempty"`
}

// SiteBackupStatus says what was copied and what was proven.
type SiteBackupStatus struct {
	// conditions are Ready (over), Reconciling, Stalled, Verified (restored and compared).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// copies in their locations.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Copies []BackupCopy `json:"copies,omitempty"`
	// counts of the database at the dump's instant, as the profile asks for them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Counts []Count `json:"counts,omitempty"`
	// databaseVersion of the server that was backed up.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	DatabaseVersion string `json:"databaseVersion,omitempty"`
	// version of the LMS in this backup.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// observedGeneration is the generation that the conditions speak of; -1 before Gradus looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// steps of the backup.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []StepStatus `json:"steps,omitempty"`
	// taken is the instant of the oldest copy in the set.
	// +optional
	Taken *metav1.Time `json:"taken,omitempty"`
}

// SiteBackup is one consistent set of copies of a site, proven by restoring.
// A plan, a person or a schedule creates it; it outlives its plan. Deleting it
// deletes nothing that it keeps: snapshots and dumps stay for a person to remove.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=gradus,shortName=gbackup
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.siteRef.name`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Verified",type=string,JSONPath=`.status.conditions[?(@.type=="Verified")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Taken",type=date,JSONPath=`.status.taken`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type SiteBackup struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec SiteBackupSpec `json:"spec,omitzero"`
	// status is what Gradus saw and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status SiteBackupStatus `json:"status,omitempty"`
}

// SiteBackupList is a list of SiteBackups.
// +kubebuilder:object:root=true
type SiteBackupList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []SiteBackup `json:"items"`
}
