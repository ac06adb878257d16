// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// The 18 steps of a plan, in order.
const (
	StepEngageStakeholders    = "EngageStakeholders"
	StepPlanChangeControl     = "PlanChangeControl"
	StepReviewSite            = "ReviewSite"
	StepEstablishRequirements = "EstablishRequirements"
	StepMakeUpgradePlan       = "MakeUpgradePlan"
	StepMakeRolloutPlan       = "MakeRolloutPlan"
	StepBackUp                = "BackUp"
	StepRunTrial              = "RunTrial"
	StepUpgradeStaging        = "UpgradeStaging"
	StepTest                  = "Test"
	StepConfigure             = "Configure"
	StepPrepareDocumentation  = "PrepareDocumentation"
	StepProvideTraining       = "ProvideTraining"
	StepPrepareInfrastructure = "PrepareInfrastructure"
	StepGoLive                = "GoLive"
	StepSupport               = "Support"
	StepReview                = "Review"
	StepCelebrate             = "Celebrate"
)

// Names of gates.
const (
	GateCopyData = "CopyData"
	GateGoLive   = "GoLive"
	GateOpen     = "Open"
	GateDataLoss = "DataLoss"
)

// PlanState is one word for the printer.
// +kubebuilder:validation:Enum=Running;Waiting;Blocked;Paused;RollingBack;Done;RolledBack;Aborted
type PlanState string

// States of a plan.
const (
	PlanRunning     PlanState = "Running"
	PlanWaiting     PlanState = "Waiting"
	PlanBlocked     PlanState = "Blocked"
	PlanPaused      PlanState = "Paused"
	PlanRollingBack PlanState = "RollingBack"
	PlanDone        PlanState = "Done"
	PlanRolledBack  PlanState = "RolledBack"
	PlanAborted     PlanState = "Aborted"
)

// CopyStatus is one copy with data of the site.
type CopyStatus struct {
	// environment that holds the copy.
	// +required
	// +kubebuilder:validation:MaxLength=253
	// +kubebuilder:validation:MinLength=1
	Environment string `json:"environment,omitempty"`
	// purpose of the copy.
	// +required
	Purpose Purpose `json:"purpose,omitempty"`
	// namespace of the copy.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// made is when it was made.
	// +required
	Made metav1.Time `json:"made,omitzero"`
	// expires is when it goes.
	// +optional
	Expires *metav1.Time `json:"expires,omitempty"`
}

// HeldStatus is something that Gradus holds on production.
type HeldStatus struct {
	// kind of hold: Change or Lease.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Kind string `json:"kind,omitempty"`
	// what is held, in words.
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:MinLength=1
	What string `json:"what,omitempty"`
	// onCrash is LetGo or Hold.
	// +required
	// +kubebuilder:validation:Enum=LetGo;Hold
	OnCrash string `json:"onCrash,omitempty"`
}

// PluginStatus is one plugin of the site.
type PluginStatus struct {
	// component name.
	// +required
	// +kubebuilder:validation:MaxLength=100
	// +kubebuilder:validation:MinLength=1
	Component string `json:"component,omitempty"`
	// version in the database.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// source says whether the plugin was added to the product: Bundled or Added.
	// +optional
	// +kubebuilder:validation:Enum=Bundled;Added
	Source string `json:"source,omitempty"`
	// state as the LMS names it: uptodate, missing, upgrade …
	// +optional
	// +kubebuilder:validation:MaxLength=32
	State string `json:"state,omitempty"`
}

// InventoryStatus is what the stocktake found.
type InventoryStatus struct {
	// digest of the inventory's identity: versions, plugins, images; not sizes.
	// +required
	// +kubebuilder:validation:MaxLength=71
	// +kubebuilder:validation:MinLength=1
	Digest string `json:"digest,omitempty"`
	// evidence that holds the inventory in full.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Evidence string `json:"evidence,omitempty"`
	// versions by source: database, http, and disk, that of the code, once a trial has asked it.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=8
	Versions []Count `json:"versions,omitempty"`
	// databaseVersion of the server.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	DatabaseVersion string `json:"databaseVersion,omitempty"`
	// databaseBytes of the database.
	// +optional
	DatabaseBytes int64 `json:"databaseBytes,omitempty"`
	// plugins of the site that were added, or are not up to date.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=128
	Plugins []PluginStatus `json:"plugins,omitempty"`
	// taken is when the stock was taken.
	// +required
	Taken metav1.Time `json:"taken,omitzero"`
}

// PinnedRelease is a release with the images of its containers.
type PinnedRelease struct {
	// version of the release.
	// +required
	// +kubebuilder:validation:MaxLength=32
	// +kubebuilder:validation:MinLength=1
	Version string `json:"version,omitempty"`
	// containers with the images that will run, as the plan names them: a tag stays a tag.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Containers []ContainerImage `json:"containers,omitempty"`
}

// UpgradePlanStatus says where the plan stands, what it waits for and who must act.
type UpgradePlanStatus struct {
	// conditions are Ready, Reconciling, Stalled, Waiting, Complete.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// backup that the plan rests on.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Backup string `json:"backup,omitempty"`
	// copies with data of the site that stand for this plan.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Copies []CopyStatus `json:"copies,omitempty"`
	// digest of the upgrade plan (step 5).
	// +optional
	// +kubebuilder:validation:MaxLength=71
	Digest string `json:"digest,omitempty"`
	// findings that are open.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Findings []Finding `json:"findings,omitempty"`
	// gates with who has agreed and who is missing.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Gates []GateStatus `json:"gates,omitempty"`
	// goLive that the plan ordered.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	GoLive string `json:"goLive,omitempty"`
	// held on production, in words; empty most of the year.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Held []HeldStatus `json:"held,omitempty"`
	// hops of the version path.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Hops []HopResult `json:"hops,omitempty"`
	// inventory of the site.
	// +optional
	Inventory *InventoryStatus `json:"inventory,omitempty"`
	// observedGeneration is the generation that the conditions speak of; -1 before Gradus looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// profileDigest of the profile that the plan was made with.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	ProfileDigest string `json:"profileDigest,omitempty"`
	// releases with the image of each container.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Releases []PinnedRelease `json:"releases,omitempty"`
	// rollout is the prediction and what became of it.
	// +optional
	Rollout *RolloutStatus `json:"rollout,omitempty"`
	// staging environment of the plan.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Staging string `json:"staging,omitempty"`
	// stagingVerdict is the digest of what was seen on staging when step 10 passed. People
	// agree to it, and staging itself may have expired when it is used.
	// +optional
	// +kubebuilder:validation:MaxLength=71
	StagingVerdict string `json:"stagingVerdict,omitempty"`
	// started is when step 3 began; target and site are frozen from then on.
	// +optional
	Started *metav1.Time `json:"started,omitempty"`
	// steps are always the 18, in order.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=18
	Steps []StepStatus `json:"steps,omitempty"`
	// summary is what one line on a screen says.
	// +optional
	Summary PlanSummary `json:"summary,omitempty"`
	// trial that the plan rests on.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Trial string `json:"trial,omitempty"`
	// waitingFor says who must act, with the command to type.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	WaitingFor []WaitingFor `json:"waitingFor,omitempty"`
}
