// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UpgradeSpec is what a trial, an environment and a go-live run: the releases
// and hops, copied from the plan at birth, so that a child never reads its parent.
type UpgradeSpec struct {
	// from is the version before the first hop.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	From string `json:"from,omitempty"`
	// hops in order.
	// +required
	// +listType=atomic
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Hops []Hop `json:"hops,omitempty"`
	// releases hold one for the target version of every hop.
	// +required
	// +listType=map
	// +listMapKey=version
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Releases []Release `json:"releases,omitempty"`
	// hopDeadline ends a hop that takes longer. Default 4h.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('8784h')",message="hopDeadline may be a year (8784h) at most"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="hopDeadline is at least 1m; leave it out for 4h"
	HopDeadline *metav1.Duration `json:"hopDeadline,omitempty"`
}

// GetHopDeadline gives what ends a hop, with its default.
func (u UpgradeSpec) GetHopDeadline() time.Duration {
	if u.HopDeadline == nil {
		return 4 * time.Hour
	}
	return u.HopDeadline.Duration
}

// TrialUpgradeSpec asks for one rehearsal.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="spec is immutable; create a new TrialUpgrade"
type TrialUpgradeSpec struct {
	// siteRef names the Site.
	// +required
	SiteRef LocalRef `json:"siteRef,omitzero"`
	// planRef names the plan for which the trial runs, if any.
	// +optional
	PlanRef *PlanRef `json:"planRef,omitempty"`
	// backupRef names the verified SiteBackup from which the copy is made.
	// +required
	BackupRef LocalRef `json:"backupRef,omitzero"`
	// upgrade to rehearse.
	// +required
	Upgrade UpgradeSpec `json:"upgrade,omitzero"`
	// keepOnFailure keeps a failed copy for people to look at, with nobody let
	// in. Default 0s: gone at once.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('8784h')",message="keepOnFailure may be a year (8784h) at most"
	KeepOnFailure *metav1.Duration `json:"keepOnFailure,omitempty"`
}

// TrialUpgradeStatus is the trial's report.
type TrialUpgradeStatus struct {
	// conditions are Ready (over), Reconciling, Stalled, Passed (the verdict).
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// after are the counts of the copy's database after the last hop.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	After []Count `json:"after,omitempty"`
	// before are the counts of the copy's database before the first hop.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Before []Count `json:"before,omitempty"`
	// codeVersion is what the code in the live images says of itself, asked on the
	// copy before the first hop; empty where it does not tell.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CodeVersion string `json:"codeVersion,omitempty"`
	// environment that held the copy.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Environment string `json:"environment,omitempty"`
	// findings of the trial.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Findings []Finding `json:"findings,omitempty"`
	// hops with what they took.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Hops []HopResult `json:"hops,omitempty"`
	// keptUntil is when a failed copy, kept for people to look at, goes.
	// +optional
	KeptUntil *metav1.Time `json:"keptUntil,omitempty"`
	// observedGeneration is the generation that the conditions speak of; -1 before Gradus looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// parts of the way forward and back with their measured times.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Parts []TimedPart `json:"parts,omitempty"`
	// reportDigest is sha256:<hex> over verdict, hops, findings and counts; times
	// are left out, so that two trials with the same outcome have the same digest.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	ReportDigest string `json:"reportDigest,omitempty"`
	// steps of the trial.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []StepStatus `json:"steps,omitempty"`
}

// TrialUpgrade is one rehearsal of an upgrade on a throw-away copy.
// A plan, a person or a schedule creates it. Deleting it deletes its copy.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=gradus,shortName=gtrial
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.siteRef.name`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.spec.upgrade.from`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.spec.upgrade.hops[-1:].to`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Passed",type=string,JSONPath=`.status.conditions[?(@.type=="Passed")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Kept Until",type=string,JSONPath=`.status.keptUntil`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type TrialUpgrade struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec TrialUpgradeSpec `json:"spec,omitzero"`
	// status is what Gradus saw and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status TrialUpgradeStatus `json:"status,omitempty"`
}

// TrialUpgradeList is a list of TrialUpgrades.
// +kubebuilder:object:root=true
type TrialUpgradeList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []TrialUpgrade `json:"items"`
}
