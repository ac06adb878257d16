// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/types"
)

// LocalRef names an object in the same namespace.
type LocalRef struct {
	// name of the object.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
}

// KeyRef names one key of a Secret or ConfigMap in the same namespace.
type KeyRef struct {
	// name of the Secret or ConfigMap.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// key in it.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[-._a-zA-Z0-9]+$`
	Key string `json:"key,omitempty"`
}

// PlanRef names a plan and pins it by UID: a plan deleted and applied again is
// another plan.
type PlanRef struct {
	// name of the UpgradePlan.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9.]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// uid of the UpgradePlan. Left out by people; Gradus always sets it.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9]([-A-Za-z0-9]*[A-Za-z0-9])?$`
	UID types.UID `json:"uid,omitempty"`
}

// StepState says where a step stands.
// +kubebuilder:validation:Enum=Pending;Running;Waiting;Passed;Skipped;Failed
type StepState string

const (
	// StepPending has unmet needs.
	StepPending StepState = "Pending"
	// StepRunning is worked on by machines.
	StepRunning StepState = "Running"
	// StepWaiting awaits a person or the calendar.
	StepWaiting StepState = "Waiting"
	// StepPassed is done; it is believed from then on.
	StepPassed StepState = "Passed"
	// StepSkipped had nothing to do, and says why.
	StepSkipped StepState = "Skipped"
	// StepFailed is settled until somebody asks for a retry.
	StepFailed StepState = "Failed"
)

// StepStatus is one entry of a ledger.
type StepStatus struct {
	// name of the step; part of the API.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// key of the part, where a step works on several things (volumes, hops).
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Key string `json:"key,omitempty"`
	// state is one of Pending, Running, Waiting, Passed, Skipped, Failed.
	// +required
	State StepState `json:"state,omitempty"`
	// reason is one CamelCase word for machines.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Reason string `json:"reason,omitempty"`
	// message is one line for people.
	// +optional
	// +kubebuilder:validation:MaxLength=1024
	Message string `json:"message,omitempty"`
	// attempt counts from 1; a retry is a new attempt with new children.
	// +optional
	// +kubebuilder:validation:Minimum=1
	Attempt int32 `json:"attempt,omitempty"`
	// started is when the step began to work.
	// +optional
	Started *metav1.Time `json:"started,omitempty"`
	// finished is when the step was settled.
	// +optional
	Finished *metav1.Time `json:"finished,omitempty"`
	// hindered is since when no request of the step gets through; empty when the
	// last ones did.
	// +optional
	Hindered *metav1.Time `json:"hindered,omitempty"`
	// refused is since when each of them is refused (for want of rights, by a
	// policy or a quota, as invalid); empty when the last one failed otherwise.
	// +optional
	Refused *metav1.Time `json:"refused,omitempty"`
	// children that Gradus made for this attempt, by UID.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Children []ChildRef `json:"children,omitempty"`
	// evidence that was kept of this attempt.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Evidence []Evidence `json:"evidence,omitempty"`
}

// ChildRef pins an object that Gradus made.
type ChildRef struct {
	// kind of the object.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:MinLength=1
	Kind string `json:"kind,omitempty"`
	// namespace of the object; empty in the owner's own.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// name of the object.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// uid that our Create returned.
	// +required
	UID types.UID `json:"uid,omitempty"`
}

// Evidence names a document that was kept, with its digest.
type Evidence struct {
	// name of the document.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Name string `json:"name,omitempty"`
	// configMap that holds it.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	ConfigMap string `json:"configMap,omitempty"`
	// digest is sha256:<hex> of the document.
	// +required
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:MinLength=1
	Digest string `json:"digest,omitempty"`
	// size in bytes.
	// +optional
	Size int64 `json:"size,omitempty"`
}

// Severity of a finding.
// +kubebuilder:validation:Enum=Critical;Major;Minor;Info
type Severity string

// Severities, worst first.
const (
	SeverityCritical Severity = "Critical"
	SeverityMajor    Severity = "Major"
	SeverityMinor    Severity = "Minor"
	SeverityInfo     Severity = "Info"
)

// MaxFindings of a status.
const MaxFindings = 64

// Finding is something that a check saw.
type Finding struct {
	// severity is Critical, Major, Minor or Info. Critical and Major block.
	// +required
	Severity Severity `json:"severity,omitempty"`
	// code is one CamelCase word, the same for the same cause.
	// +required
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:MinLength=1
	Code string `json:"code,omitempty"`
	// component names the plugin, table, page or object concerned.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Component string `json:"component,omitempty"`
	// message is one sentence: what was seen and what to do.
	// +required
	// +kubebuilder:validation:MaxLength=1024
	// +kubebuilder:validation:MinLength=1
	Message string `json:"message,omitempty"`
}

// ContainerImage gives the image of one container.
type ContainerImage struct {
	// name of the container in the workload's pod template.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	Name string `json:"name,omitempty"`
	// image by tag or digest.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// env that changes with this release. Literal values only.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=32
	Env []EnvValue `json:"env,omitempty"`
}

// EnvValue is one environment variable with a literal value.
type EnvValue struct {
	// name of the variable.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:Pattern=`^[A-Za-z_][A-Za-z0-9_]*$`
	Name string `json:"name,omitempty"`
	// value of the variable, taken literally.
	// +optional
	// +kubebuilder:validation:MaxLength=4096
	Value string `json:"value,omitempty"`
}

// Release gives what runs at one stop of the version path.
// +kubebuilder:validation:XValidation:rule="has(self.image) != has(self.containers)",message="give either image (short for the application container of every workload) or containers"
type Release struct {
	// version of the LMS in these images.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:Pattern=`^[0-9]+(\.[0-9]+)*([-+][0-9A-Za-z.]+)?$`
	Version string `json:"version,omitempty"`
	// image is short for the application container of every workload.
	// +optional
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=512
	Image string `json:"image,omitempty"`
	// containers gives the image, and the environment that changes, of each container by name.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	Containers []ContainerImage `json:"containers,omitempty"`
}
