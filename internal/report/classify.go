// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"bytes"
	"errors"
	"fmt"

	"github.com/gradus-lms/gradus/internal/task"
)

// Classify explains a log with the catalogue of a profile: one finding per
// known failure, in the order of the catalogue, most telling first.
func Classify(log []byte, known []task.Known) ([]task.Finding, error) {
	c, err := task.NewCatalogue(known)
	if err != nil {
		return nil, fmt.Errorf("classify log: %w", err)
	}
	best := map[int]task.Finding{}
	s := bufio.NewScanner(bytes.NewReader(log))
	s.Buffer(make([]byte, 0, 4096), maxLine)
	for s.Scan() {
		if i, reason, message, ok := c.Explain(s.Text()); ok {
			if _, have := best[i]; !have {
				best[i] = task.Finding{Severity: task.Blocking, Code: reason, Message: clean(message)}
			}
		}
	}
	if err := s.Err(); err != nil && !errors.Is(err, bufio.ErrTooLong) {
		return nil, fmt.Errorf("classify log: %w", err)
	}
	var out []task.Finding
	for i := range known {
		if f, ok := best[i]; ok {
			out = append(out, f)
		}
	}
	return out, nil
}
