// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package status is the only writer of Ready, Reconciling and Stalled, and the
// one place from which status is written.
package status

import (
	"context"
	"errors"
	"time"

	"k8s.io/apimachinery/pkg/api/equality"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// Object is a custom resource whose status follows the kstatus conventions.
type Object interface {
	client.Object
	OwnerKind() string
	GetConditions() *[]metav1.Condition
	SetObservedGeneration(int64)
	GetSteps() []v1alpha1.StepStatus
}

// inTheWay is how often we look whether an object that has our name is gone.
const inTheWay = 10 * time.Second

// Settler ends every reconcile.
type Settler struct {
	Client client.Client
	Events Events
}

// Settle concludes the conditions, writes the status once, emits what changed
// as Events, and only then hands the reconcile's error to controller-runtime.
// The write's error comes first, for a joined terminal error would stop the
// retry that the write still needs.
func (s Settler) Settle(
	ctx context.Context, before, after Object, v pipeline.Verdict, err error, now time.Time,
) (ctrl.Result, error) {
	after.SetObservedGeneration(after.GetGeneration())
	if errors.Is(err, pipeline.ErrNameConflict) {
		// Nobody tells us when an object of somebody else goes away.
		v, err = pipeline.Fail(v1alpha1.NameConflictReason, "%s; remove or rename it", err).By(now.Add(inTheWay)), nil
	}
	Conclude(after.GetConditions(), after.GetGeneration(), v, err)
	if changed(before, after) {
		patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
		werr := s.Client.Status().Patch(ctx, after, patch)
		switch {
		case apierrors.IsConflict(werr):
			return ctrl.Result{RequeueAfter: time.Second}, nil
		case apierrors.IsInvalid(werr):
			return ctrl.Result{}, errors.Join(werr, s.tellRefused(ctx, before, werr))
		case werr != nil:
			return ctrl.Result{}, client.IgnoreNotFound(werr)
		}
		s.Events.Diff(before, after)
	}
	if err != nil {
		return ctrl.Result{}, err
	}
	return ctrl.Result{RequeueAfter: pipeline.Due(v, now)}, nil
}

// changed says whether there is anything to write: the API keeps seconds, so
// that times of which only a part of one differs are the same.
func changed(before, after Object) bool {
	if equality.Semantic.DeepEqual(before, after) {
		return false
	}
	patch, err := client.MergeFrom(before).Data(after)
	return err != nil || string(patch) != "{}"
}

// tellRefused says in the conditions alone that the API refuses the rest: it is
// a mistake of ours, nothing goes on with it, and nobody would know.
func (s Settler) tellRefused(ctx context.Context, before Object, refusal error) error {
	told := before.DeepCopyObject().(Object)
	Conclude(told.GetConditions(), told.GetGeneration(), pipeline.Fail("StatusRefused",
		"the API server refuses what Gradus would write here; this is a mistake in Gradus: %v", refusal), nil)
	if !changed(before, told) {
		return nil
	}
	patch := client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{})
	return s.Client.Status().Patch(ctx, told, patch)
}

// Conclude turns how a reconcile ended into kstatus conditions. It is pure.
// Of Ready=True, Reconciling=True and Stalled=True exactly one holds afterwards.
func Conclude(conds *[]metav1.Condition, generation int64, v pipeline.Verdict, err error) {
	ready, abnormal := metav1.ConditionFalse, v1alpha1.ReconcilingCondition
	reason, says := v.Reason, v.Message
	switch {
	case errors.Is(err, reconcile.TerminalError(nil)):
		abnormal, reason, says = v1alpha1.StalledCondition, v1alpha1.TerminalErrorReason, err.Error()
	case err != nil:
		reason, says = v1alpha1.ProgressingWithRetryReason, err.Error()
	case v.State == v1alpha1.StepFailed:
		abnormal = v1alpha1.StalledCondition
	case v.State == v1alpha1.StepPassed || v.State == v1alpha1.StepSkipped:
		ready, abnormal = metav1.ConditionTrue, ""
	}
	for _, t := range []string{v1alpha1.ReconcilingCondition, v1alpha1.StalledCondition} {
		if t == abnormal {
			Set(conds, t, metav1.ConditionTrue, generation, reason, says)
		} else {
			meta.RemoveStatusCondition(conds, t)
		}
	}
	Set(conds, v1alpha1.ReadyCondition, ready, generation, reason, says)
}

// Set writes one condition, keeping its transition time when its status stays.
func Set(conds *[]metav1.Condition, t string, s metav1.ConditionStatus, gen int64, reason, says string) {
	if reason == "" {
		reason = v1alpha1.WorkingReason
	}
	meta.SetStatusCondition(conds, metav1.Condition{
		Type: t, Status: s, ObservedGeneration: gen, Reason: reason,
		Message: message.Clip(says, message.Condition),
	})
}
