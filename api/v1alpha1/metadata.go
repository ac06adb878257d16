// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

// Labels that Gradus puts on what it makes. Only the service accounts of
// Gradus may set them: an admission policy sees to that.
const (
	// OwnerUIDLabel holds the UID of the object of ours that made this one.
	OwnerUIDLabel = "lms.gradus.dev/owner-uid"
	// OwnerKindLabel holds the kind of the object of ours that made this one.
	OwnerKindLabel = "lms.gradus.dev/owner-kind"
	// StepLabel holds the step for which the object was made.
	StepLabel = "lms.gradus.dev/step"
	// PlanUIDLabel ties what outlives a plan (backups, evidence) to the plan.
	PlanUIDLabel = "lms.gradus.dev/plan-uid"
	// SourceUIDLabel on an alias VolumeSnapshotContent holds the UID of the
	// VolumeSnapshot whose data it opens: the source must outlive its aliases.
	SourceUIDLabel = "lms.gradus.dev/source-uid"
	// PurposeLabel on a namespace says what the copy in it is for.
	PurposeLabel = "lms.gradus.dev/purpose"
	// LockedByLabel on a site's namespace: a go-live holds the workloads.
	LockedByLabel = "lms.gradus.dev/locked-by"
)

// Annotations.
const (
	// OwnerAnnotation holds namespace/name of the owner, so that a watch event
	// in any namespace finds its way back.
	OwnerAnnotation = "lms.gradus.dev/owner"
	// SpecHashAnnotation holds the sha256 of what Gradus asked for, for whoever
	// compares what two versions ask for.
	SpecHashAnnotation = "lms.gradus.dev/spec-hash"
	// RetryAnnotation asks for another attempt of a failed step: "RunTrial@1"
	// retries attempt 1. It has no effect once that attempt is history.
	RetryAnnotation = "lms.gradus.dev/retry"
	// PauseAnnotation ("true") stops a plan from starting anything new.
	PauseAnnotation = "lms.gradus.dev/pause"
	// AbortAnnotation (a reason) ends a plan for good; production is put back
	// if, and only if, nothing irreversible has happened.
	AbortAnnotation = "lms.gradus.dev/abort"
	// AuthorsAnnotation lists, separated by commas, who created the plan or
	// changed its spec. Kept by an admission policy; forging it has no effect.
	AuthorsAnnotation = "lms.gradus.dev/authors"
	// HeldAnnotation on an object of production is the note of a change that
	// is not undone yet: {owner, fence, id, before}.
	HeldAnnotation = "lms.gradus.dev/held"
	// PointAnnotation on the site's Lease: Reversible or Committed.
	PointAnnotation = "lms.gradus.dev/point"
)

// CleanupFinalizer keeps an object until what it made elsewhere is gone.
const CleanupFinalizer = "lms.gradus.dev/cleanup"
