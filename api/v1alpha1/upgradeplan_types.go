// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// UpgradePlanSpec says what is wanted and under which terms. What is left out
// has a default that waits rather than acts.
type UpgradePlanSpec struct {
	// siteRef names the Site.
	// +required
	SiteRef LocalRef `json:"siteRef,omitzero"`
	// target version and what runs at every stop on the way.
	// +required
	Target Target `json:"target,omitzero"`
	// stakeholders who are told. Default: Events on the plan only.
	// +optional
	Stakeholders Stakeholders `json:"stakeholders,omitempty"`
	// changeControl says who must agree.
	// +optional
	ChangeControl ChangeControl `json:"changeControl,omitempty"`
	// requirements hold what people have decided about what the solver found.
	// +optional
	Requirements Requirements `json:"requirements,omitempty"`
	// upgrade says how the hops run.
	// +optional
	Upgrade UpgradeTerms `json:"upgrade,omitempty"`
	// rollout says when. Without a window the plan stops before step 15 and says so.
	// +optional
	Rollout Rollout `json:"rollout,omitempty"`
	// backup says how fresh.
	// +optional
	Backup BackupTerms `json:"backup,omitempty"`
	// trial says how long a failed copy is kept, how old a trial may be.
	// +optional
	Trial TrialTerms `json:"trial,omitempty"`
	// staging says until when.
	// +optional
	Staging StagingTerms `json:"staging,omitempty"`
	// infrastructure is capacity for the days after.
	// +optional
	Infrastructure Infrastructure `json:"infrastructure,omitempty"`
	// goLive says what follows a failure.
	// +optional
	GoLive GoLiveTerms `json:"goLive,omitempty"`
	// support says how long the site is watched afterwards.
	// +optional
	Support SupportTerms `json:"support,omitempty"`
}

// Target is the version wanted, with a release for every stop.
// +kubebuilder:validation:XValidation:rule="self.releases.exists(r, r.version == self.version)",message="releases must hold one for the target version"
type Target struct {
	// version of the LMS that is wanted.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+)*([-+][0-9A-Za-z.]+)?$`
	Version string `json:"version,omitempty"`
	// releases for each stop; the solver picks, and names a stop for which none is given.
	// +required
	// +listType=map
	// +listMapKey=version
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Releases []Release `json:"releases,omitempty"`
}

// Stakeholders who are told what happens.
type Stakeholders struct {
	// channels by name, as the operator's administrator configured them.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=8
	// +kubebuilder:validation:items:MaxLength=63
	Channels []string `json:"channels,omitempty"`
}

// ChangeControl says who must agree to what.
type ChangeControl struct {
	// ticket of the change in the organisation's own tool.
	// +optional
	Ticket Ticket `json:"ticket,omitempty"`
	// requesters may not approve, whoever applies the plan.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	Requesters []string `json:"requesters,omitempty"`
	// approvers is short for one approval of gate GoLive by a member of any of these groups.
	// +optional
	// +listType=set
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=253
	Approvers []string `json:"approvers,omitempty"`
	// gates with what each needs. Default: GoLive, one of approvers, or else
	// one person with the right to approve who is not an author of the plan.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=8
	Gates []GateTerms `json:"gates,omitempty"`
}

// Ticket in the organisation's own tool.
type Ticket struct {
	// id of the ticket.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	ID string `json:"id,omitempty"`
	// url for people to follow; Gradus never opens it.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	URL string `json:"url,omitempty"`
}

// GateTerms says what one gate needs.
type GateTerms struct {
	// name of the gate: CopyData (before the first copy), GoLive (before the
	// first write to production), Open (before users are let in).
	// +required
	// +kubebuilder:validation:Enum=CopyData;GoLive;Open
	Name string `json:"name,omitempty"`
	// approvals that are needed, all of them.
	// +required
	// +listType=map
	// +listMapKey=group
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=8
	Approvals []Quorum `json:"approvals,omitempty"`
	// validDays after which approvals must be given again. Default 14.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=365
	ValidDays int32 `json:"validDays,omitempty"`
	// automation says whether service accounts count as approvers. Default Refuse.
	// +optional
	// +kubebuilder:validation:Enum=Refuse;Allow
	Automation string `json:"automation,omitempty"`
}

// Quorum is a number of approvals by members of one group.
type Quorum struct {
	// group whose members count.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Group string `json:"group,omitempty"`
	// count of different people. Default 1.
	// +optional
	// +default=1
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=16
	Count int32 `json:"count,omitempty"`
}

// UpgradePlan takes one site from the version it runs to a target, in 18 steps.
// A person or a pipeline creates it, per upgrade. Deleting it removes its
// copies; it undoes nothing on production, and backups and evidence stay.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=gradus,shortName=gplan
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.siteRef.name`
// +kubebuilder:printcolumn:name="From",type=string,JSONPath=`.status.summary.from`
// +kubebuilder:printcolumn:name="To",type=string,JSONPath=`.spec.target.version`
// +kubebuilder:printcolumn:name="Step",type=string,JSONPath=`.status.summary.step`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.summary.state`
// +kubebuilder:printcolumn:name="Waits For",type=string,JSONPath=`.status.summary.waitsFor`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Window",type=string,priority=1,JSONPath=`.spec.rollout.window.opens`
// +kubebuilder:printcolumn:name="Outage",type=string,priority=1,JSONPath=`.status.rollout.predictedOutage`
// +kubebuilder:printcolumn:name="Way Back",type=string,priority=1,JSONPath=`.status.rollout.predictedBack`
// +kubebuilder:validation:XValidation:rule="!has(oldSelf.status) || !has(oldSelf.status.started) || self.spec.siteRef == oldSelf.spec.siteRef && self.spec.target.version == oldSelf.spec.target.version",message="siteRef and target.version cannot change once the plan has started; abort it and create a new UpgradePlan"
// +kubebuilder:validation:XValidation:rule="size(self.metadata.name) <= 40",message="the name of a plan may have 40 characters at most: names of its children are made of it"
type UpgradePlan struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec UpgradePlanSpec `json:"spec,omitzero"`
	// status is what Gradus saw and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status UpgradePlanStatus `json:"status,omitempty"`
}

// UpgradePlanList is a list of UpgradePlans.
// +kubebuilder:object:root=true
type UpgradePlanList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []UpgradePlan `json:"items"`
}
