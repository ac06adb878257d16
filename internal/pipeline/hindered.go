// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"errors"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// hinder notes since when requests fail, and since when they are refused: whoever
// gives up is less patient with what does not go away by itself.
func (w *walk[V]) hinder(entry *v1alpha1.StepStatus, refused bool) {
	now := &metav1.Time{Time: w.now}
	if entry.Hindered == nil {
		entry.Hindered = now
	}
	switch {
	case !refused:
		entry.Refused = nil
	case entry.Refused == nil:
		entry.Refused = now
	}
}

// refused says whether the API server refuses a change, and notes since when.
func (w *walk[V]) refused(entry *v1alpha1.StepStatus, seen *Seen) bool {
	if seen.Foreign == nil || seen.Foreign.State == v1alpha1.ChangeForeign {
		return false
	}
	w.hinder(entry, true)
	seen.Refused = entry.Refused.Time
	return true
}

// Refusal says that an error does not go away by itself.
func Refusal(err error) bool {
	return apierrors.IsForbidden(err) || apierrors.IsInvalid(err) || errors.Is(err, ErrNameConflict)
}
