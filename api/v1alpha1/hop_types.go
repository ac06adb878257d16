// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Hop is one version jump.
type Hop struct {
	// from is the version before.
	// +required
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:MinLength=1
	From string `json:"from,omitempty"`
	// to is the version after.
	// +required
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:MinLength=1
	To string `json:"to,omitempty"`
	// reason says why the path takes this stop.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Reason string `json:"reason,omitempty"`
}

// HopResult is what one hop did, measured.
type HopResult struct {
	Hop `json:",inline"`
	// verdict is Passed or Failed; empty while it runs.
	// +optional
	// +kubebuilder:validation:MaxLength=16
	Verdict string `json:"verdict,omitempty"`
	// took is the wall time of the upgrade command and the required tasks.
	// +optional
	Took *metav1.Duration `json:"took,omitempty"`
	// stoppedAt names the component and savepoint where a failed hop stands.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	StoppedAt string `json:"stoppedAt,omitempty"`
	// version that the database and the site themselves named afterwards.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
}

// Count is one figure of the site, such as the number of posts.
type Count struct {
	// name of the figure, from the profile.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// value as the database gave it.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Value string `json:"value,omitempty"`
}

// TimedPart is one part of a prediction or a measurement.
type TimedPart struct {
	// name of the part.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// measured time of this part in the latest trial.
	// +optional
	Measured *metav1.Duration `json:"measured,omitempty"`
	// withMargin is measured plus the plan's margin.
	// +optional
	WithMargin *metav1.Duration `json:"withMargin,omitempty"`
	// actual time on the day.
	// +optional
	Actual *metav1.Duration `json:"actual,omitempty"`
}
