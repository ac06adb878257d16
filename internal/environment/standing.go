// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Standing names the copies that are not gone yet, and their namespaces, as the end of a
// sentence: whoever waits for them must know where to look. Empty where there are none.
func Standing(copies []v1alpha1.StagingEnvironment) string {
	var names []string
	for _, env := range copies {
		name := "StagingEnvironment " + env.Name
		if env.Status.Namespace != "" {
			name += " with namespace " + env.Status.Namespace
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return ""
	}
	return ": " + strings.Join(names, ", ")
}
