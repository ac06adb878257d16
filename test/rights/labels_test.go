// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"testing"
)

// F18: by these labels Gradus knows what it may delete.
func TestOnlyGradusWritesItsLabels(t *testing.T) {
	const job = "batch/v1 Job campus/stocktake"
	refused := "owner-label: only Gradus sets, changes or removes lms.gradus.dev/"
	label := func(name, value string) string {
		return `{"metadata":{"labels":{"lms.gradus.dev/` + name + `":` + value + `}}}`
	}
	rows := table{
		"a forged Job":                            {by: tenant, do: creates(with(siteJobYAML, "stocktake", "forged")), refused: refused},
		"a forged Job, even by cluster-admin":     {by: clusterAdmin, do: creates(with(siteJobYAML, "stocktake", "forged")), refused: refused},
		"a forged Job out of a CronJob":           {by: cronJobs, do: creates(with(siteJobYAML, "stocktake", "forged")), refused: refused},
		"a label taken off":                       {by: clusterAdmin, do: merges(job, label("owner-uid", "null")), refused: refused},
		"a label changed":                         {by: tenant, do: merges(job, label("owner-uid", `"u-9"`)), refused: refused},
		"another label of ours added":             {by: tenant, do: merges(job, label("step", `"x"`)), refused: refused},
		"a label of others added":                 {by: clusterAdmin, do: merges(job, `{"metadata":{"labels":{"team":"a"}}}`)},
		"a finalizer taken off":                   {by: clusterAdmin, do: merges(job, `{"metadata":{"finalizers":null}}`)},
		"a namespace posing as a copy":            {by: clusterAdmin, do: merges("v1 Namespace strangers", label("purpose", `"Trial"`)), refused: refused},
		"a namespace made as a copy":              {by: clusterAdmin, do: creates(with(copyNamespaceYAML, "campus-copy", "mine")), refused: refused},
		"a backup posing as a plan's":             {by: tenant, do: merges(backupTarget, label("plan-uid", `"u-1"`)), refused: refused},
		"an edit of our own labelled namespace":   {by: clusterAdmin, do: merges("v1 Namespace campus-copy", `{"metadata":{"labels":{"team":"a"}}}`)},
		"deleted by a person":                     {by: tenant, do: deletes(job)},
		"deleted by the garbage collector":        {by: garbage, do: deletes(job)},
		"deleted by the namespace controller":     {by: namespacer, do: deletes(job)},
		"put there by gradus-manager":             {by: manager, do: creates(with(siteJobYAML, "stocktake", "other"))},
		"put there by gradus-production":          {by: production, do: creates(with(siteJobYAML, "stocktake", "other"))},
		"an unlabelled Job out of a CronJob":      {by: cronJobs, do: creates(unlabelledJob)},
		"an orphan made by the garbage collector": {by: garbage, do: merges(job, `{"metadata":{"ownerReferences":null}}`)},
	}
	for name, text := range map[string]string{
		"secret":         `{apiVersion: v1, kind: Secret, metadata: {name: f, namespace: campus, labels: {lms.gradus.dev/owner-uid: x}}}`,
		"configmap":      `{apiVersion: v1, kind: ConfigMap, metadata: {name: f, namespace: campus, labels: {lms.gradus.dev/plan-uid: x}}}`,
		"service":        `{apiVersion: v1, kind: Service, metadata: {name: f, namespace: campus, labels: {lms.gradus.dev/step: x}}, spec: {ports: [{port: 80}]}}`,
		"serviceaccount": `{apiVersion: v1, kind: ServiceAccount, metadata: {name: f, namespace: campus, labels: {lms.gradus.dev/owner-kind: x}}}`,
		"networkpolicy":  `{apiVersion: networking.k8s.io/v1, kind: NetworkPolicy, metadata: {name: f, namespace: campus, labels: {lms.gradus.dev/owner-uid: x}}, spec: {podSelector: {}}}`,
		"deployment":     with(lockedDeployment, "namespace: locked", "namespace: campus, labels: {lms.gradus.dev/owner-uid: x}"),
		"content":        with(contentYAML, "name: alias", "name: forged"),
		"snapshot":       `{apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, metadata: {name: f, namespace: campus, labels: {lms.gradus.dev/source-uid: x}}}`,
		"plan":           with(planYAML, "name: campus-2-0,", "name: other, labels: {lms.gradus.dev/owner-uid: x},"),
	} {
		rows["a forged "+name] = request{by: clusterAdmin, do: creates(text), refused: refused}
	}
	rows.run(t)
}

const unlabelledJob = `
apiVersion: batch/v1
kind: Job
metadata: {name: nightly-1, namespace: campus}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
`
