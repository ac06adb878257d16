// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"os"
	"path/filepath"
	"regexp"
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
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
			switch generates := sample.GetGenerateName() != ""; {
			case generates && sample.GetKind() != "UpgradeApproval":
				t.Error("kubectl apply refuses it: give it a name")
			case generates && !strings.Contains(string(text), "kubectl create"):
				t.Error("kubectl apply refuses it, and no comment says kubectl create")
			}
			acceptedAsSample(t, sample)
		})
	}
}

// So is every object of our kinds that a page shows.
func TestSamplesOfPagesAreAccepted(t *testing.T) {
	pages, err := filepath.Glob(filepath.Join(root, "docs/spec/*.md"))
	if err != nil || len(pages) < 12 {
		t.Fatalf("%d pages, %v", len(pages), err)
	}
	pages = append(pages, filepath.Join(root, "README.md"), filepath.Join(root, "docs/install.md"),
		filepath.Join(root, "test/lms/CONTRACT.md"))
	block := regexp.MustCompile("(?s)```yaml\n(.*?)```")
	shown := 0
	for _, page := range pages {
		text, err := os.ReadFile(page)
		if err != nil {
			t.Fatal(err)
		}
		for _, found := range block.FindAllStringSubmatch(string(text), -1) {
			for _, sample := range parse(found[1]) {
				if sample.GroupVersionKind().Group != "lms.gradus.dev" {
					continue
				}
				shown++
				t.Run(strings.TrimPrefix(page, root+"/")+" "+sample.GetKind(), func(t *testing.T) { acceptedAsSample(t, sample) })
			}
		}
	}
	if shown < 9 {
		t.Errorf("only %d samples in %d pages", shown, len(pages))
	}
}

// acceptedAsSample lets somebody with the rights for it create an object, without keeping it.
func acceptedAsSample(t *testing.T, sample *unstructured.Unstructured) {
	t.Helper()
	if sample.GetGenerateName() == "" {
		sample.SetName(sample.GetName() + "-sample")
	}
	by := as(tenant)
	if sample.GetKind() == "UpgradeApproval" {
		by = as(approver)
	}
	strict := client.NewNamespacedClient(client.WithFieldValidation(by, "Strict"), siteSpace)
	applied := sample.DeepCopy()
	if err := strict.Create(t.Context(), sample, client.DryRunAll); err != nil {
		t.Fatal(err)
	}
	if applied.GetGenerateName() != "" {
		return // kubectl create takes it, and apply takes none such
	}
	err := strict.Apply(t.Context(), client.ApplyConfigurationFromUnstructured(applied), client.DryRunAll, client.FieldOwner("kubectl"))
	if err != nil {
		t.Fatalf("server-side apply: %v", err)
	}
}
