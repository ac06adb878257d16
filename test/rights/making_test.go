// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"context"
	"fmt"
	"os"
	"path/filepath"
	"strings"

	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// makeObjects makes the world in which rows ask; it is made by those whose
// right it is, under the policies.
func makeObjects(ctx context.Context) error {
	byOthers := planYAML + "---" + backupYAML + "---" + rollbackYAML
	for _, pv := range [][]any{
		{"of-campus", siteSpace, "Retain"},
		{"of-campus-delete", siteSpace, "Delete"},
		{"of-strangers", bareSpace, "Retain"},
	} {
		byOthers += "---" + fmt.Sprintf(volumes, pv...)
	}
	made := []struct{ by, text string }{
		{clusterAdmin, byOthers},
		{manager, copyNamespaceYAML + "---" + copyBindingYAML},
		{manager, siteJobYAML + "---" + goLiveYAML + "---" + contentYAML},
		{production, watchdogRole},
		{production, with(siteJobYAML, "stocktake", "hop", "UpgradePlan", "GoLive")},
		{production, with(siteJobYAML, "stocktake", "switch", "UpgradePlan", "Rollback")},
	}
	site, err := os.ReadFile(filepath.Join(root, "config/samples/complete/site.yaml"))
	if err != nil {
		return err
	}
	made = append(made, struct{ by, text string }{clusterAdmin, string(site)})
	for _, step := range made {
		for _, object := range parse(step.text) {
			if err := create(ctx, as(step.by), object); err != nil {
				return fmt.Errorf("%s makes %s %s: %w", step.by, object.GetKind(), object.GetName(), err)
			}
		}
	}
	for _, object := range parse(siteObjects) {
		by := as(owner)
		if object.GetKind() == "UpgradeApproval" {
			by = as(approver)
		}
		if strings.HasPrefix(object.GetKind(), "VolumeSnapshot") || object.GetKind() == "Lease" {
			by = admin
		}
		if err := create(ctx, by, object); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	if err := makeLeases(ctx); err != nil {
		return fmt.Errorf("leases: %w", err)
	}
	if err := makeRuns(ctx); err != nil {
		return fmt.Errorf("runs: %w", err)
	}
	return lockSite(ctx)
}

// lockSite is what step Lock of a go-live does.
func lockSite(ctx context.Context) error {
	for _, object := range parse(lockedDeployment + "---" + lockedSite) {
		if err := create(ctx, as(owner), object); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	label := []byte(`{"metadata":{"labels":{"lms.gradus.dev/locked-by":"campus-2-0-golive-1"}}}`)
	return as(production).Patch(ctx, reference("v1 Namespace locked"), client.RawPatch(types.MergePatchType, label))
}

// grants are what the owner of a namespace applies: config/site.
func grants(ctx context.Context, by client.Client, namespace string, files ...string) error {
	for _, file := range files {
		text, err := os.ReadFile(filepath.Join(root, "config/site", file))
		if err != nil {
			return err
		}
		for _, object := range parse(string(text)) {
			object.SetNamespace(namespace)
			if err := by.Create(ctx, object); err != nil {
				return fmt.Errorf("%s %s: %w", file, object.GetKind(), err)
			}
		}
	}
	return nil
}

// with replaces parts of a document; every part must be there.
func with(text string, pairs ...string) string {
	for i := 0; i < len(pairs); i += 2 {
		if !strings.Contains(text, pairs[i]) {
			panic("no " + pairs[i] + " in " + text)
		}
		text = strings.Replace(text, pairs[i], pairs[i+1], 1)
	}
	return text
}
