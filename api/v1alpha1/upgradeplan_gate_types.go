// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GateState says where a gate stands.
// +kubebuilder:validation:Enum=Closed;Waiting;Open;Rejected
type GateState string

// States of a gate.
const (
	GateClosed   GateState = "Closed"
	GateWaiting  GateState = "Waiting"
	GateOpened   GateState = "Open"
	GateRejected GateState = "Rejected"
)

// GateStatus explains one gate.
type GateStatus struct {
	// name of the gate.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// before is the step that the gate guards.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Before string `json:"before,omitempty"`
	// state is Closed (its subject is not complete), Waiting, Open or Rejected.
	// +required
	State GateState `json:"state,omitempty"`
	// digest of the subject: what an approval binds to.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`
	// summary of the subject, for those who decide.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=10
	// +kubebuilder:validation:items:MaxLength=256
	Summary []string `json:"summary,omitempty"`
	// counted approvals.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Counted []CountedApproval `json:"counted,omitempty"`
	// notCounted approvals, with the reason.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	NotCounted []UncountedApproval `json:"notCounted,omitempty"`
	// missing approvals, such as "moodle-owners (1)".
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=300
	Missing []string `json:"missing,omitempty"`
	// objections to asking anybody, such as releases that no trial has seen.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:items:MaxLength=512
	Objections []string `json:"objections,omitempty"`
	// validUntil is when the approvals expire.
	// +optional
	ValidUntil *metav1.Time `json:"validUntil,omitempty"`
}

// CountedApproval is an approval that counts.
type CountedApproval struct {
	// name of the UpgradeApproval.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// approver as the API server knew them.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Approver string `json:"approver,omitempty"`
	// for is the group whose quorum it fills.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	For string `json:"for,omitempty"`
	// at is when it was given.
	// +required
	At metav1.Time `json:"at,omitzero"`
}

// UncountedApproval is an approval that does not count.
type UncountedApproval struct {
	// who gave it.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Who string `json:"who,omitempty"`
	// why it does not count.
	// +required
	// +kubebuilder:validation:MaxLength=256
	// +kubebuilder:validation:MinLength=1
	Why string `json:"why,omitempty"`
}

// RolloutStatus is the prediction and what became of it.
type RolloutStatus struct {
	// opens is the start of the window, in UTC.
	// +optional
	Opens *metav1.Time `json:"opens,omitempty"`
	// closes in UTC.
	// +optional
	Closes *metav1.Time `json:"closes,omitempty"`
	// parts of the outage.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Parts []TimedPart `json:"parts,omitempty"`
	// predictedOutage with margin.
	// +optional
	PredictedOutage *metav1.Duration `json:"predictedOutage,omitempty"`
	// predictedBack is the way back with margin.
	// +optional
	PredictedBack *metav1.Duration `json:"predictedBack,omitempty"`
	// latestStart is the last moment to begin: begun later, the outage does not fit.
	// +optional
	LatestStart *metav1.Time `json:"latestStart,omitempty"`
	// lastMomentBack is the last moment to turn: decided later, the way back does not fit.
	// +optional
	LastMomentBack *metav1.Time `json:"lastMomentBack,omitempty"`
	// samples is how many passed trials the prediction rests on.
	// +optional
	Samples int32 `json:"samples,omitempty"`
	// confidence is High, Medium or Low.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Confidence string `json:"confidence,omitempty"`
	// actualOutage as users saw it.
	// +optional
	ActualOutage *metav1.Duration `json:"actualOutage,omitempty"`
}
