// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"errors"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// How long a request may fail while a closed site could still be opened.
const (
	patienceForRefusals = 30 * time.Second
	patience            = 10 * time.Minute
)

// GiveUp fails the step that cannot get on because requests fail, when users
// have waited long enough for it: a site must not stay closed because a quota
// refuses a Job. It is for runs before the point of no return only, and tells
// whether it gave up.
func GiveUp(ledger []v1alpha1.StepStatus, err error, now time.Time) bool {
	limit := patience
	if apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || errors.Is(err, pipeline.ErrNameConflict) {
		limit = patienceForRefusals
	}
	for i := range ledger {
		e := &ledger[i]
		switch e.State {
		case v1alpha1.StepPassed, v1alpha1.StepSkipped, v1alpha1.StepFailed:
			continue
		}
		if e.Started == nil || now.Sub(e.Started.Time) < limit {
			return false
		}
		abandon(e, "CannotProceed", err.Error(), now)
		return true
	}
	return false
}

// Abandon fails the step at which a ledger stands, because the site's own
// objects are gone.
func Abandon(ledger []v1alpha1.StepStatus, reason, message string, now time.Time) {
	for i := range ledger {
		switch ledger[i].State {
		case v1alpha1.StepPassed, v1alpha1.StepSkipped:
			continue
		case v1alpha1.StepFailed:
			return
		}
		abandon(&ledger[i], reason, message, now)
		return
	}
}

func abandon(e *v1alpha1.StepStatus, reason, message string, now time.Time) {
	at := metav1.NewTime(now)
	if len(message) > 1000 {
		message = message[:1000]
	}
	e.State, e.Reason, e.Message, e.Finished = v1alpha1.StepFailed, reason, message, &at
	if e.Started == nil {
		e.Started = &at
	}
	e.Attempt = max(e.Attempt, 1)
}

// Blind says what a run that began cannot go on without; "" when it can.
func (s *Scene) Blind(ledger []v1alpha1.StepStatus) string {
	if len(ledger) == 0 || ledger[0].State != v1alpha1.StepPassed {
		return "" // the first step looks at this itself
	}
	if s.Site == nil {
		return "the Site was deleted"
	}
	switch _, web := s.Web(); {
	case s.Profile == nil:
		return "the Site's profile is not one that this version of Gradus has"
	case s.Door == nil || s.Door.Name == "":
		return "Service " + s.Site.Spec.Traffic.ServiceRef.Name + " is gone"
	case web == nil:
		return "the web workload is gone"
	}
	return ""
}
