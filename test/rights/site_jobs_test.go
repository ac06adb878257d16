// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"strings"
	"testing"
)

// F19: before gate GoLive, what runs beside a live site only reads.
func TestJobsBesideALiveSiteOnlyRead(t *testing.T) {
	job := func(pairs ...string) string {
		return with(siteJobYAML, append([]string{"stocktake", "other"}, pairs...)...)
	}
	writable := "site-jobs: before go-live Gradus mounts the volumes of a site with persistentVolumeClaim.readOnly: true"
	inCopy := with(strings.ReplaceAll(job(", readOnly: true", ""), "namespace: campus", "namespace: campus-copy"))
	table{
		"a read-only Job":                       {by: manager, do: creates(job())},
		"a claim of the site, writable":         {by: manager, do: creates(job(", readOnly: true", "")), refused: writable},
		"read-only on the mount is not enough":  {by: manager, do: creates(job(", readOnly: true", "", "mountPath: /files", "mountPath: /files, readOnly: true")), refused: writable},
		"a backup claim, writable":              {by: manager, do: creates(job("campus-files, readOnly: true", "gradus-vault"))},
		"a claim of a copy, writable":           {by: manager, do: creates(inCopy)},
		"with fsGroup":                          {by: manager, do: creates(job("runAsNonRoot: true", "fsGroup: 33")), refused: "site-jobs: no fsGroup"},
		"with a path of the host":               {by: manager, do: creates(job("persistentVolumeClaim: {claimName: campus-files, readOnly: true}", "hostPath: {path: /}")), refused: "no hostPath"},
		"in the host's network":                 {by: manager, do: creates(job("restartPolicy", "hostNetwork: true\n      restartPolicy")), refused: "site-jobs: no hostNetwork"},
		"privileged":                            {by: manager, do: creates(job("allowPrivilegeEscalation: false", "privileged: true")), refused: "site-jobs: every container"},
		"retried by the Job controller":         {by: manager, do: creates(job("backoffLimit: 0", "backoffLimit: 3")), refused: "site-jobs: restartPolicy Never and backoffLimit 0"},
		"restarted by the kubelet":              {by: manager, do: creates(job("Never", "OnFailure")), refused: "site-jobs: restartPolicy Never and backoffLimit 0"},
		"with a token":                          {by: manager, do: creates(job("Token: false", "Token: true")), refused: "no-token: what Gradus starts"},
		"with a token by default":               {by: manager, do: creates(job("automountServiceAccountToken: false", "enableServiceLinks: false")), refused: "no-token: what Gradus starts"},
		"with a projected token":                {by: manager, do: creates(job("persistentVolumeClaim: {claimName: campus-files, readOnly: true}", "projected: {sources: [{serviceAccountToken: {path: token}}]}")), refused: "no-token: what Gradus starts"},
		"a hop, writable, by gradus-production": {by: production, do: creates(job(", readOnly: true", ""))},
		"a hop with a token":                    {by: production, do: creates(job("Token: false", "Token: true")), refused: "no-token: what Gradus starts"},
		"where nobody let it":                   {by: manager, do: creates(job("namespace: campus", "namespace: strangers")), refused: byRBAC},
		"a hop where only reading is granted":   {by: production, do: creates(job("namespace: campus", "namespace: read-only")), refused: byRBAC},
		"a read-only Job where reading is granted": {
			by: manager, do: creates(job("namespace: campus", "namespace: read-only")),
		},
		"anything by the site's own people": {
			by: tenant,
			do: creates(job(", readOnly: true", "", "labels: {lms.gradus.dev/owner-uid: u-1, lms.gradus.dev/owner-kind: UpgradePlan}", "labels: {}")),
		},
	}.run(t)
}

const watchdogYAML = `
apiVersion: apps/v1
kind: Deployment
metadata:
  name: gradus-watchdog-campus
  namespace: campus
  labels: {lms.gradus.dev/owner-uid: u-2}
spec:
  selector: {matchLabels: {app: gradus-watchdog}}
  template:
    metadata: {labels: {app: gradus-watchdog}}
    spec:
      serviceAccountName: gradus-watchdog
      containers: [{name: watchdog, image: "localhost/gradus:dev"}]
`

func TestOfAllThatGradusStartsOnlyTheWatchdogHasAToken(t *testing.T) {
	table{
		"the watchdog": {by: production, do: creates(watchdogYAML)},
		"a holding page with a token": {
			by: production, do: creates(with(watchdogYAML, "gradus-watchdog-campus", "gradus-page")),
			refused: "no-token: what Gradus starts",
		},
		"a holding page without": {
			by: production,
			do: creates(with(watchdogYAML, "gradus-watchdog-campus", "gradus-page",
				"serviceAccountName: gradus-watchdog", "automountServiceAccountToken: false")),
		},
		"a watchdog under another account": {
			by: production, do: creates(with(watchdogYAML, "serviceAccountName: gradus-watchdog", "serviceAccountName: builder")),
			refused: "no-token: the watchdog runs as ServiceAccount gradus-watchdog",
		},
		"a watchdog that mounts data": {
			by: production,
			do: creates(with(watchdogYAML, "containers:",
				"volumes: [{name: v, persistentVolumeClaim: {claimName: campus-files}}]\n      containers:")),
			refused: "no-token: the watchdog runs as",
		},
		"the site's own workload keeps its token": {
			by: production, do: merges("apps/v1 Deployment campus/campus-web", `{"spec":{"replicas":1}}`),
		},
		"a copy's workload with a token": {
			by:      manager,
			do:      creates(strings.ReplaceAll(watchdogYAML, "namespace: campus", "namespace: campus-copy")),
			refused: "no-token: what Gradus starts",
		},
	}.run(t)
}
