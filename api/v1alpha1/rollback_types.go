// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// FilesWay says what a rollback does with the site's files.
// +kubebuilder:validation:Enum=KeepInPlace;Restore
type FilesWay string

// Ways for files.
const (
	// KeepInPlace leaves append-only files where they are and looks every needed one up.
	KeepInPlace FilesWay = "KeepInPlace"
	// RestoreFiles puts a volume made from the backup in the place of the live one.
	RestoreFiles FilesWay = "Restore"
)

// SourceDoors says what became of the doors since the state to go back to.
// +kubebuilder:validation:Enum=StayedClosed;Opened
type SourceDoors string

// What became of the doors.
const (
	// DoorsStayedClosed says that nobody wrote.
	DoorsStayedClosed SourceDoors = "StayedClosed"
	// DoorsOpened says that users may have written.
	DoorsOpened SourceDoors = "Opened"
)

// RollbackSpec asks for one way back.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec is immutable; create a new Rollback"
type RollbackSpec struct {
	// siteRef names the Site.
	// +required
	SiteRef LocalRef `json:"siteRef,omitzero"`
	// to is the state to go back to.
	// +required
	To RollbackTarget `json:"to,omitzero"`
	// files is KeepInPlace (default) or Restore.
	// +optional
	// +default="KeepInPlace"
	Files FilesWay `json:"files,omitempty"`
	// maxDataLoss that needs no confirmation. Only who may approve gate DataLoss sets it.
	// +optional
	MaxDataLoss DataLoss `json:"maxDataLoss,omitempty"`
}

// RollbackTarget is the state to go back to.
// +kubebuilder:validation:XValidation:rule="has(self.goLiveRef) != has(self.backupRef)",message="give either goLiveRef (the state it saved) or backupRef"
type RollbackTarget struct {
	// goLiveRef names the GoLive whose fix point is restored.
	// +optional
	GoLiveRef *LocalRef `json:"goLiveRef,omitempty"`
	// backupRef names the SiteBackup to restore.
	// +optional
	BackupRef *LocalRef `json:"backupRef,omitempty"`
}

// DataLoss is an amount of rows written since the state to go back to.
type DataLoss struct {
	// rows that may be lost without asking. Default 0.
	// +optional
	// +kubebuilder:validation:Minimum=0
	Rows int64 `json:"rows,omitempty"`
}

// RollbackLoss is what is lost, counted in the live database.
type RollbackLoss struct {
	// lost rows by figure, written since the state to go back to.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Lost []Count `json:"lost,omitempty"`
	// rows lost in all, of the figures that could be compared.
	// +optional
	Rows int64 `json:"rows"`
	// unknown says what could not be counted; empty when all was. A loss that is
	// not known in full is never taken without asking.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Unknown string `json:"unknown,omitempty"`
	// counted is when the rows were counted.
	// +required
	Counted metav1.Time `json:"counted,omitzero"`
}

// RollbackPrice is what the way back costs.
type RollbackPrice struct {
	RollbackLoss `json:",inline"`
	// digest of this price; a confirmation binds to it.
	// +required
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:MinLength=1
	Digest string `json:"digest,omitempty"`
	// closed is the loss counted again with the site closed, right before the
	// switch: more than was confirmed ends the rollback.
	// +optional
	Closed *RollbackLoss `json:"closed,omitempty"`
	// outage expected: how long users are shut out. The sum of parts; unset when
	// no go-live of the site was timed.
	// +optional
	Outage *metav1.Duration `json:"outage,omitempty"`
	// parts of the outage, and where each was measured.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Parts []OutagePart `json:"parts,omitempty"`
}

// OutagePart is one part of a predicted outage.
type OutagePart struct {
	// name of the part.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// took is how long it took where it was measured.
	// +required
	Took metav1.Duration `json:"took,omitzero"`
	// source says where it was measured.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Source string `json:"source,omitempty"`
}

// RollbackSource is the state to go back to as it was found. What comes after
// the point of no return needs neither the SiteBackup nor the GoLive.
type RollbackSource struct {
	// backup names the SiteBackup.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Backup string `json:"backup,omitempty"`
	// uid of the SiteBackup.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:MinLength=1
	UID string `json:"uid,omitempty"`
	// version of the LMS in it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// counts of the database in it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Counts []Count `json:"counts,omitempty"`
	// dump that is restored.
	// +optional
	Dump *BackupCopy `json:"dump,omitempty"`
	// goLive names the GoLive that is gone back from, if there is one.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	GoLive string `json:"goLive,omitempty"`
	// doors is StayedClosed when the GoLive failed with the doors closed and they
	// have been closed since: nobody wrote. Otherwise Opened, also when somebody
	// else led users past the holding page.
	// +optional
	Doors SourceDoors `json:"doors,omitempty"`
	// images are the GoLive's changes of images, with what ran before.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Images []Change `json:"images,omitempty"`
}

// RollbackStatus says what the way back costs, holds and did.
type RollbackStatus struct {
	// conditions are Ready (over), Reconciling, Stalled, Waiting (for the confirmation), Succeeded.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// after are the counts of the database that serves now.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	After []Count `json:"after,omitempty"`
	// changes to production, in the order of their intents.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Changes []Change `json:"changes,omitempty"`
	// closed is when users were shut out.
	// +optional
	Closed *metav1.Time `json:"closed,omitempty"`
	// lease held on the site; unset when nothing is held.
	// +optional
	Lease *HeldLease `json:"lease,omitempty"`
	// observedGeneration is the generation that the conditions speak of; -1 before Gradus looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// opened is when users were let in again.
	// +optional
	Opened *metav1.Time `json:"opened,omitempty"`
	// price of the way back; set before anything is touched.
	// +optional
	Price *RollbackPrice `json:"price,omitempty"`
	// replaced says where the side that was switched away is kept.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	Replaced []string `json:"replaced,omitempty"`
	// source is the state to go back to, as it was found.
	// +optional
	Source *RollbackSource `json:"source,omitempty"`
	// steps of the rollback.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []StepStatus `json:"steps,omitempty"`
	// version that the site serves.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
}

// Rollback is one way back of a live site, priced before it begins.
// A person creates it, or a failed go-live by policy. It tells its price and
// waits until somebody confirms it. Deleting it stops it only before it closed
// the site.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=gradus,shortName=grollback
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.siteRef.name`
// +kubebuilder:printcolumn:name="Rows Lost",type=integer,JSONPath=`.status.price.rows`
// +kubebuilder:printcolumn:name="Point",type=string,JSONPath=`.status.lease.point`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Succeeded",type=string,JSONPath=`.status.conditions[?(@.type=="Succeeded")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Rollback struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec RollbackSpec `json:"spec,omitzero"`
	// status is what Gradus saw and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status RollbackStatus `json:"status,omitempty"`
}

// RollbackList is a list of Rollbacks.
// +kubebuilder:object:root=true
type RollbackList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Rollback `json:"items"`
}
