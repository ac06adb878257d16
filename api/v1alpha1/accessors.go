// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

// The methods below let one engine and one status writer serve every kind.

// OwnerKind names the kind.
func (s *Site) OwnerKind() string { return "Site" }

// GetConditions gives the conditions to be written.
func (s *Site) GetConditions() *[]metav1.Condition { return &s.Status.Conditions }

// SetObservedGeneration records which generation the status speaks of.
func (s *Site) SetObservedGeneration(generation int64) { s.Status.ObservedGeneration = generation }

// GetSteps gives the ledger.
func (s *Site) GetSteps() []StepStatus { return nil }

// OwnerKind names the kind.
func (u *UpgradePlan) OwnerKind() string { return "UpgradePlan" }

// GetConditions gives the conditions to be written.
func (u *UpgradePlan) GetConditions() *[]metav1.Condition { return &u.Status.Conditions }

// SetObservedGeneration records which generation the status speaks of.
func (u *UpgradePlan) SetObservedGeneration(generation int64) {
	u.Status.ObservedGeneration = generation
}

// GetSteps gives the ledger.
func (u *UpgradePlan) GetSteps() []StepStatus { return u.Status.Steps }

// OwnerKind names the kind.
func (s *SiteBackup) OwnerKind() string { return "SiteBackup" }

// GetConditions gives the conditions to be written.
func (s *SiteBackup) GetConditions() *[]metav1.Condition { return &s.Status.Conditions }

// SetObservedGeneration records which generation the status speaks of.
func (s *SiteBackup) SetObservedGeneration(generation int64) {
	s.Status.ObservedGeneration = generation
}

// GetSteps gives the ledger.
func (s *SiteBackup) GetSteps() []StepStatus { return s.Status.Steps }

// OwnerKind names the kind.
func (t *TrialUpgrade) OwnerKind() string { return "TrialUpgrade" }

// GetConditions gives the conditions to be written.
func (t *TrialUpgrade) GetConditions() *[]metav1.Condition { return &t.Status.Conditions }

// SetObservedGeneration records which generation the status speaks of.
func (t *TrialUpgrade) SetObservedGeneration(generation int64) {
	t.Status.ObservedGeneration = generation
}

// GetSteps gives the ledger.
func (t *TrialUpgrade) GetSteps() []StepStatus { return t.Status.Steps }

// OwnerKind names the kind.
func (s *StagingEnvironment) OwnerKind() string { return "StagingEnvironment" }

// GetConditions gives the conditions to be written.
func (s *StagingEnvironment) GetConditions() *[]metav1.Condition { return &s.Status.Conditions }

// SetObservedGeneration records which generation the status speaks of.
func (s *StagingEnvironment) SetObservedGeneration(generation int64) {
	s.Status.ObservedGeneration = generation
}

// GetSteps gives the ledger.
func (s *StagingEnvironment) GetSteps() []StepStatus { return s.Status.Steps }

// OwnerKind names the kind.
func (g *GoLive) OwnerKind() string { return "GoLive" }

// GetConditions gives the conditions to be written.
func (g *GoLive) GetConditions() *[]metav1.Condition { return &g.Status.Conditions }

// SetObservedGeneration records which generation the status speaks of.
func (g *GoLive) SetObservedGeneration(generation int64) { g.Status.ObservedGeneration = generation }

// GetSteps gives the ledger.
func (g *GoLive) GetSteps() []StepStatus { return g.Status.Steps }

// OwnerKind names the kind.
func (r *Rollback) OwnerKind() string { return "Rollback" }

// GetConditions gives the conditions to be written.
func (r *Rollback) GetConditions() *[]metav1.Condition { return &r.Status.Conditions }

// SetObservedGeneration records which generation the status speaks of.
func (r *Rollback) SetObservedGeneration(generation int64) { r.Status.ObservedGeneration = generation }

// GetSteps gives the ledger.
func (r *Rollback) GetSteps() []StepStatus { return r.Status.Steps }
