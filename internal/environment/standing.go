// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Standing names the copies that are not gone yet by their namespaces: whoever waits for them
// must know where to look.
func Standing(copies []v1alpha1.StagingEnvironment) string {
	var names []string
	for _, env := range copies {
		name := "StagingEnvironment " + env.Name
		if env.Status.Namespace != "" {
			name = "namespace " + env.Status.Namespace + " of " + name
		}
		names = append(names, name)
	}
	if len(names) == 0 {
		return "the copy"
	}
	return strings.Join(names, ", ")
}
