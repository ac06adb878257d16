// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Decision of an approval.
// +kubebuilder:validation:Enum=Approve;Reject;Override
type Decision string

// Decisions.
const (
	DecisionApprove  Decision = "Approve"
	DecisionReject   Decision = "Reject"
	DecisionOverride Decision = "Override"
)

// UpgradeApprovalSpec is one decision by one person.
// +kubebuilder:validation:XValidation:rule="self == oldSelf",message="an approval cannot be changed; delete it and decide again"
// +kubebuilder:validation:XValidation:rule="has(self.planRef) != has(self.rollbackRef)",message="give either planRef or rollbackRef"
// +kubebuilder:validation:XValidation:rule="self.decision != 'Override' || (has(self.comment) && size(self.comment) >= 20)",message="decision Override needs a comment of at least 20 characters: it is read in the review"
// +kubebuilder:validation:XValidation:rule="has(self.rollbackRef) == (self.gate == 'DataLoss')",message="gate DataLoss belongs to a rollback (rollbackRef), every other gate to a plan (planRef)"
type UpgradeApprovalSpec struct {
	// planRef names the plan.
	// +optional
	PlanRef *PlanRef `json:"planRef,omitempty"`
	// rollbackRef names the Rollback whose price is confirmed.
	// +optional
	RollbackRef *LocalRef `json:"rollbackRef,omitempty"`
	// gate that is decided on.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[A-Z][A-Za-z]+$`
	Gate string `json:"gate,omitempty"`
	// digest of the subject as the gate shows it: the decision holds for that and nothing else.
	// +required
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:Pattern=`^sha256:[0-9a-f]{64}$`
	// +kubebuilder:validation:MinLength=1
	Digest string `json:"digest,omitempty"`
	// decision is Approve, Reject or Override.
	// +required
	Decision Decision `json:"decision,omitempty"`
	// comment for those who read the record later.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Comment string `json:"comment,omitempty"`
	// approver is the caller, stamped by the API server: what is written here is replaced.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Approver string `json:"approver,omitempty"`
	// groups of the caller, stamped by the API server.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=1024
	// +kubebuilder:validation:items:MaxLength=253
	Groups []string `json:"groups,omitempty"`
}

// UpgradeApproval is a decision by a person on a gate and a digest.
// A person creates it. It cannot be changed; who deletes it withdraws it, as
// long as the gate has not been used.
//
// +kubebuilder:object:root=true
// +kubebuilder:resource:categories=gradus,shortName=gapproval
// +kubebuilder:printcolumn:name="Plan",type=string,JSONPath=`.spec.planRef.name`
// +kubebuilder:printcolumn:name="Gate",type=string,JSONPath=`.spec.gate`
// +kubebuilder:printcolumn:name="Decision",type=string,JSONPath=`.spec.decision`
// +kubebuilder:printcolumn:name="By",type=string,JSONPath=`.spec.approver`
// +kubebuilder:printcolumn:name="Digest",type=string,JSONPath=`.spec.digest`,priority=1
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
type UpgradeApproval struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec UpgradeApprovalSpec `json:"spec,omitzero"`
}

// UpgradeApprovalList is a list of UpgradeApprovals.
// +kubebuilder:object:root=true
type UpgradeApprovalList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []UpgradeApproval `json:"items"`
}
