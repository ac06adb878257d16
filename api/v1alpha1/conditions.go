// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Condition types. Of Ready=True, Reconciling=True and Stalled=True exactly
// one holds on every object that Gradus has seen.
const (
	// ReadyCondition: service-like kinds (Site, StagingEnvironment) are usable;
	// runs are over; a plan is accepted, in order, with nothing to repair.
	ReadyCondition = "Ready"
	// ReconcilingCondition: Gradus works or waits on a machine.
	ReconcilingCondition = "Reconciling"
	// StalledCondition: nothing moves until a person repairs something.
	StalledCondition = "Stalled"
	// WaitingCondition (plan, rollback): a person or the calendar is awaited;
	// the message says who.
	WaitingCondition = "Waiting"
	// CompleteCondition (plan): step 18 is done or the plan was aborted.
	CompleteCondition = "Complete"
	// PassedCondition: the verdict of a trial. A trial that finds a broken
	// plugin is Ready=True, Passed=False.
	PassedCondition = "Passed"
	// VerifiedCondition: a backup was restored and compared.
	VerifiedCondition = "Verified"
	// SucceededCondition: how a go-live or rollback ended.
	SucceededCondition = "Succeeded"
)

// Reasons shared between kinds. A reason that belongs to one step is a literal
// in that step's file.
const (
	// WorkingReason surfaces when machines work.
	WorkingReason = "Working"
	// WaitingForApprovalReason surfaces when a gate lacks approvals.
	WaitingForApprovalReason = "WaitingForApproval"
	// WaitingForWindowReason surfaces when the calendar is awaited.
	WaitingForWindowReason = "WaitingForWindow"
	// PausedReason surfaces when a person paused the plan.
	PausedReason = "Paused"
	// AbortedReason surfaces when a person aborted the plan.
	AbortedReason = "Aborted"
	// CompleteReason surfaces when every step is settled.
	CompleteReason = "Complete"
	// SiteNotFoundReason surfaces when the named Site does not exist (yet).
	SiteNotFoundReason = "SiteNotFound"
	// SiteNotReadyReason surfaces when the Site names something missing.
	SiteNotReadyReason = "SiteNotReady"
	// SiteBusyReason surfaces when another plan holds the site.
	SiteBusyReason = "SiteBusy"
	// NameConflictReason surfaces when an object that Gradus did not make has
	// the name of one that it must make.
	NameConflictReason = "NameConflict"
	// TimedOutReason surfaces when a step passed its deadline.
	TimedOutReason = "TimedOut"
	// JobLostReason surfaces when nobody knows how a Job ended: the container runtime or the
	// node was gone in that moment.
	JobLostReason = "JobLost"
	// UnknownStepReason surfaces when the ledger names a step that this
	// version of the operator does not know.
	UnknownStepReason = "UnknownStep"
	// ProgressingWithRetryReason surfaces when a request failed and is retried.
	ProgressingWithRetryReason = "ProgressingWithRetry"
	// TerminalErrorReason surfaces when retrying cannot help.
	TerminalErrorReason = "TerminalError"
	// LeaseLostReason surfaces when somebody else took the site's lease.
	LeaseLostReason = "LeaseLost"
	// ConflictingWriterReason surfaces when a field of production changed
	// under our hands.
	ConflictingWriterReason = "ConflictingWriter"
)
