// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// PlanSummary holds what one line on a screen says.
type PlanSummary struct {
	// from is the version that the site runs.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	From string `json:"from,omitempty"`
	// production says whether the live site is open and what of it was changed.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Production string `json:"production,omitempty"`
	// state is one word.
	// +optional
	State PlanState `json:"state,omitempty"`
	// step is the one that matters now, such as 8/18 RunTrial.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Step string `json:"step,omitempty"`
	// to is the target version.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	To string `json:"to,omitempty"`
	// waitsFor is "who: what".
	// +optional
	// +kubebuilder:validation:MaxLength=256
	WaitsFor string `json:"waitsFor,omitempty"`
}

// WaitKind says what kind of thing is awaited.
// +kubebuilder:validation:Enum=Approval;Issue;Window;Prerequisite;Git;Person
type WaitKind string

// WaitingFor is one thing that a plan waits for, with the command that mends it.
type WaitingFor struct {
	// kind of what is awaited.
	// +required
	Kind WaitKind `json:"kind,omitempty"`
	// name of it: a gate, an issue, a window.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// who must act.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Who string `json:"who,omitempty"`
	// since when.
	// +optional
	Since *metav1.Time `json:"since,omitempty"`
	// command to type.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Command string `json:"command,omitempty"`
}
