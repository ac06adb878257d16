// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	"sigs.k8s.io/controller-runtime/pkg/client"
)

// Every sample is accepted, field for field, from a person with the rights of
// an editor (an approver for approvals).
func TestSamplesAreAccepted(t *testing.T) {
	files, err := filepath.Glob(filepath.Join(root, "config/samples/*/*.yaml"))
	if err != nil || len(files) < 14 {
		t.Fatalf("%d samples, %v", len(files), err)
	}
	for _, file := range files {
		t.Run(strings.TrimPrefix(file, root+"/config/samples/"), func(t *testing.T) {
			text, err := os.ReadFile(file)
			if err != nil {
				t.Fatal(err)
			}
			sample := one(string(text))
			if sample.GetGenerateName() == "" {
				sample.SetName(sample.GetName() + "-sample")
			}
			by := as(tenant)
			if sample.GetKind() == "UpgradeApproval" {
				by = as(approver)
			}
			strict := client.NewNamespacedClient(client.WithFieldValidation(by, "Strict"), siteSpace)
			if err := strict.Create(t.Context(), sample, client.DryRunAll); err != nil {
				t.Fatal(err)
			}
		})
	}
}
