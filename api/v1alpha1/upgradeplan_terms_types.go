// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Requirements holds what people decided about what the solver found.
type Requirements struct {
	// dropPlugins that the target does not have. By name, or they block.
	// +optional
	// +listType=map
	// +listMapKey=component
	// +kubebuilder:validation:MaxItems=64
	DropPlugins []DroppedPlugin `json:"dropPlugins,omitempty"`
}

// DroppedPlugin is a plugin whose loss was decided.
type DroppedPlugin struct {
	// component of the plugin, such as block_section_links.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=100
	Component string `json:"component,omitempty"`
	// because says why it may go.
	// +required
	// +kubebuilder:validation:MinLength=3
	// +kubebuilder:validation:MaxLength=512
	Because string `json:"because,omitempty"`
}

// UpgradeTerms says how the hops run.
type UpgradeTerms struct {
	// hopDeadline ends a hop that takes longer. Default 4h.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('8784h')",message="hopDeadline may be a year (8784h) at most"
	// +kubebuilder:validation:XValidation:rule="duration(self) >= duration('1m')",message="hopDeadline is at least 1m; leave it out for 4h"
	HopDeadline *metav1.Duration `json:"hopDeadline,omitempty"`
}

// Rollout says when the site may go live.
type Rollout struct {
	// window in which the whole outage, and the way back, must fit.
	// +optional
	Window *Window `json:"window,omitempty"`
	// marginPercent is added to every measured time. Default 50.
	// +optional
	// +kubebuilder:validation:Minimum=0
	// +kubebuilder:validation:Maximum=400
	MarginPercent *int32 `json:"marginPercent,omitempty"`
}

// Window is a span of wall-clock time in the Site's time zone.
// +kubebuilder:validation:XValidation:rule="self.opens < self.closes",message="opens must be before closes"
type Window struct {
	// opens is a local time without an offset, such as 2026-12-19T20:00.
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:XValidation:rule="timestamp(self + ':00Z').getFullYear() >= 2000",message="opens must be a local time such as 2026-12-19T20:00"
	Opens string `json:"opens,omitempty"`
	// closes is a local time without an offset.
	// +required
	// +kubebuilder:validation:MaxLength=16
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}T\d{2}:\d{2}$`
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:XValidation:rule="timestamp(self + ':00Z').getFullYear() >= 2000",message="closes must be a local time such as 2026-12-19T20:00"
	Closes string `json:"closes,omitempty"`
}

// BackupTerms says how fresh a backup must be.
type BackupTerms struct {
	// maxAge of the newest verified backup at the start of go-live. Default 24h.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('8784h')",message="maxAge may be a year (8784h) at most"
	MaxAge *metav1.Duration `json:"maxAge,omitempty"`
}

// TrialTerms says how trials are kept and how old they may be.
type TrialTerms struct {
	// keepOnFailure keeps a failed copy to look at. Default 48h.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('8784h')",message="keepOnFailure may be a year (8784h) at most"
	KeepOnFailure *metav1.Duration `json:"keepOnFailure,omitempty"`
	// maxAgeDays of the newest passed trial at the start of go-live. Default 21.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=365
	MaxAgeDays int32 `json:"maxAgeDays,omitempty"`
}

// StagingTerms says how long staging stands.
type StagingTerms struct {
	// expires is the day on which staging is deleted, such as 2027-01-18. Default: 30 days after it was made.
	// +optional
	// +kubebuilder:validation:MaxLength=10
	// +kubebuilder:validation:Pattern=`^\d{4}-\d{2}-\d{2}$`
	// +kubebuilder:validation:XValidation:rule="timestamp(self + 'T00:00:00Z').getFullYear() >= 2000",message="expires must be a day such as 2027-01-18"
	Expires string `json:"expires,omitempty"`
}

// Infrastructure is capacity for the days after go-live.
type Infrastructure struct {
	// scale workloads up for go-live and support, and back exactly.
	// +optional
	// +listType=map
	// +listMapKey=workload
	// +kubebuilder:validation:MaxItems=16
	Scale []WorkloadScale `json:"scale,omitempty"`
}

// WorkloadScale is a number of replicas for one workload.
type WorkloadScale struct {
	// workload by the Site's name for it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	Workload string `json:"workload,omitempty"`
	// replicas to run until support ends.
	// +required
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=1000
	Replicas int32 `json:"replicas,omitempty"`
}

// GoLiveTerms says how the site goes live.
type GoLiveTerms struct {
	// onFailure is RollBack or Hold, until users are let in. Default RollBack.
	// +optional
	OnFailure FailurePolicy `json:"onFailure,omitempty"`
}

// SupportTerms says how long the site is watched.
type SupportTerms struct {
	// until is when support ends. Default: 14 days after opening.
	// +optional
	Until SupportUntil `json:"until,omitempty"`
}

// SupportUntil is an end of support.
// +kubebuilder:validation:XValidation:rule="!(has(self.days) && has(self.duration))",message="give days or duration, not both"
type SupportUntil struct {
	// days after opening.
	// +optional
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=365
	Days int32 `json:"days,omitempty"`
	// duration after opening, for spans shorter than a day.
	// +optional
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^([0-9]+(\.[0-9]+)?(ns|us|µs|ms|s|m|h))+$`
	// +kubebuilder:validation:XValidation:rule="duration(self) <= duration('8784h')",message="duration may be a year (8784h) at most"
	Duration *metav1.Duration `json:"duration,omitempty"`
}
