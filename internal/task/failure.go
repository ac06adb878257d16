// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"errors"
	"fmt"
)

// Failure is an error with a reason that a controller may act on and a
// sentence that a person may read.
type Failure struct {
	Reason  string
	Message string
	Cause   error
}

// Error gives the message and the cause.
func (f *Failure) Error() string {
	if f.Cause == nil {
		return f.Message
	}
	return f.Message + ": " + f.Cause.Error()
}

// Unwrap gives the cause.
func (f *Failure) Unwrap() error { return f.Cause }

// Fail makes a Failure.
func Fail(reason, format string, args ...any) error {
	return &Failure{Reason: reason, Message: fmt.Sprintf(format, args...)}
}

// FailBecause makes a Failure with a cause.
func FailBecause(cause error, reason, format string, args ...any) error {
	return &Failure{Reason: reason, Message: fmt.Sprintf(format, args...), Cause: cause}
}

// ReasonOf is the reason of the first Failure in err's chain, or otherwise.
func ReasonOf(err error, otherwise string) string {
	var f *Failure
	if errors.As(err, &f) {
		return f.Reason
	}
	return otherwise
}
