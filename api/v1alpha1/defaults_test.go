// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"testing"

	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
)

// Without observedGeneration -1 kstatus takes an object that Gradus has not
// seen for one that is done.
func TestAnObjectThatGradusHasNotSeenSaysSo(t *testing.T) {
	for kind, text := range map[string]string{
		"Site": siteYAML, "UpgradePlan": fifteenLines, "SiteBackup": backupYAML, "TrialUpgrade": trialYAML,
		"StagingEnvironment": environmentYAML, "GoLive": goLiveYAML, "Rollback": rollbackYAML,
	} {
		t.Run(kind, func(t *testing.T) {
			forged := text + "\nstatus: {observedGeneration: 7, conditions: []}\n"
			if _, found, _ := unstructured.NestedFieldNoCopy(object(t, forged).Object, "status", "observedGeneration"); !found {
				t.Fatal("the forged status was not read")
			}
			stored := store(t, forged)
			seen, _, _ := unstructured.NestedInt64(stored.Object, "status", "observedGeneration")
			if seen != -1 {
				t.Fatalf("observedGeneration %d, want -1", seen)
			}
		})
	}
}

func TestDefaults(t *testing.T) {
	for sentence, row := range map[string]struct {
		text string
		path []string
		want any
	}{
		"a site without a time zone":  {with(siteYAML, "  timeZone: Europe/Berlin\n", ""), []string{"spec", "timeZone"}, "UTC"},
		"a door without a port":       {siteYAML, []string{"spec", "traffic", "port"}, int64(80)},
		"a database without a port":   {siteYAML, []string{"spec", "database", "port"}, int64(5432)},
		"copies at no level":          {siteYAML, []string{"spec", "copies", "podSecurity"}, "Restricted"},
		"a go-live of no strategy":    {goLiveYAML, []string{"spec", "strategy"}, "InPlace"},
		"a go-live without an answer": {goLiveYAML, []string{"spec", "onFailure"}, "RollBack"},
		"a go-live without a look":    {goLiveYAML, []string{"spec", "look"}, "Skip"},
		"a rollback of no files":      {with(rollbackYAML, "files: KeepInPlace, ", ""), []string{"spec", "files"}, "KeepInPlace"},
	} {
		t.Run(sentence, func(t *testing.T) {
			stored := store(t, row.text)
			got, _, _ := unstructured.NestedFieldNoCopy(stored.Object, row.path...)
			if diff := cmp.Diff(row.want, got); diff != "" {
				t.Fatal(diff)
			}
		})
	}
}
