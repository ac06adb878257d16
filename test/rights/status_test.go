// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"testing"
)

// F11: status is testimony, with one witness per kind.
func TestEachStatusHasOneWitness(t *testing.T) {
	const site = "lms.gradus.dev/v1alpha1 Site campus/campus"
	patch := `{"status":{"observedGeneration":1}}`
	rows := table{
		"gradus-manager on a site":                            {by: manager, do: mergesStatus(site, patch)},
		"gradus-manager on a plan":                            {by: manager, do: mergesStatus(planTarget, patch)},
		"gradus-manager on a backup":                          {by: manager, do: mergesStatus(backupTarget, patch)},
		"gradus-production on a go-live":                      {by: production, do: mergesStatus(goLiveTarget, patch)},
		"gradus-production on a rollback":                     {by: production, do: mergesStatus(rollbackTarget, patch)},
		"gradus-manager on a go-live":                         {by: manager, do: mergesStatus(goLiveTarget, patch), refused: byRBAC},
		"gradus-production on a plan":                         {by: production, do: mergesStatus(planTarget, patch), refused: byRBAC},
		"cluster-admin edits the spec of a backup's metadata": {by: clusterAdmin, do: merges(backupTarget, `{"metadata":{"labels":{"a":"b"}}}`)},
	}
	for _, target := range []string{site, planTarget, backupTarget, goLiveTarget, rollbackTarget} {
		for _, who := range []string{clusterAdmin, argoCD} {
			rows[who+" on "+target] = request{by: who, do: mergesStatus(target, patch), refused: "status: the status of"}
		}
	}
	rows.run(t)
}

func TestWhoMakesWhat(t *testing.T) {
	environment := `
apiVersion: lms.gradus.dev/v1alpha1
kind: StagingEnvironment
metadata: {name: env, namespace: campus}
spec: {siteRef: {name: campus}, backupRef: {name: campus-1}, purpose: Staging}
`
	trial := with(environment, "Staging}", "Trial}")
	goLive := with(goLiveYAML, "golive-1", "golive-2")
	rollback := with(rollbackYAML, "campus-back", "campus-back-2")
	onlyPlans := "makers: only a plan creates a GoLive"
	spec := `{"spec":{"target":{"version":"3.0","releases":[{"version":"3.0","image":"x"}]}}}`
	table{
		"a go-live by gradus-manager":         {by: manager, do: creates(goLive)},
		"a go-live by cluster-admin":          {by: clusterAdmin, do: creates(goLive), refused: onlyPlans},
		"a go-live by Argo CD":                {by: argoCD, do: creates(goLive), refused: onlyPlans},
		"a go-live by gradus-production":      {by: production, do: creates(goLive), refused: byRBAC},
		"a go-live by the site's editor":      {by: tenant, do: creates(goLive), refused: byRBAC},
		"staging by a person":                 {by: tenant, do: creates(environment)},
		"staging by Argo CD":                  {by: argoCD, do: creates(environment)},
		"a trial's environment by a person":   {by: tenant, do: creates(trial), refused: "makers: environments with purpose Trial or Scratch"},
		"a scratch environment by a person":   {by: clusterAdmin, do: creates(with(environment, "Staging}", "Scratch}")), refused: "makers: environments with"},
		"a trial's environment by Gradus":     {by: manager, do: creates(trial)},
		"a rollback by a person":              {by: tenant, do: creates(rollback)},
		"a rollback by gradus-production":     {by: production, do: creates(rollback)},
		"a rollback by Argo CD":               {by: argoCD, do: creates(rollback), refused: "makers: a Rollback is a person's decision"},
		"a rollback by gradus-manager":        {by: manager, do: creates(rollback), refused: byRBAC},
		"a finalizer by gradus-manager":       {by: manager, do: merges(planTarget, `{"metadata":{"finalizers":["lms.gradus.dev/cleanup"]}}`)},
		"a spec by gradus-manager":            {by: manager, do: merges(planTarget, spec), refused: "makers: Gradus changes no spec"},
		"a spec by the site's editor":         {by: tenant, do: merges(planTarget, spec)},
		"a plan by gradus-manager":            {by: manager, do: creates(with(planYAML, "campus-2-0", "other")), refused: byRBAC},
		"a plan where one has no rights":      {by: approver, do: creates(with(planYAML, "campus-2-0", "other")), refused: byRBAC},
		"a site's namespace by a mere editor": {by: tenant, do: merges("v1 Namespace campus", `{"metadata":{"labels":{"a":"b"}}}`), refused: byRBAC},
	}.run(t)
}
