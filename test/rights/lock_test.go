// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"strings"
	"testing"
)

// E9: from Lock to HandOver nobody else writes the site's workloads.
func TestALockedSiteIsWrittenByGradusAlone(t *testing.T) {
	const web, scaled = "apps/v1 Deployment locked/web", `{"spec":{"replicas":5}}`
	const site = "lms.gradus.dev/v1alpha1 Site locked/campus"
	refused := "site-lock: namespace locked is locked by campus-2-0-golive-1"
	another := with(lockedDeployment, "name: web,", "name: other,")
	unlock := `{"metadata":{"labels":{"lms.gradus.dev/locked-by":null}}}`
	code := `{"spec":{"template":{"spec":{"containers":[{"name":"app","image":"localhost/campus:1.9","command":["sh"]}]}}}}`
	label := "site-lock: the label lms.gradus.dev/locked-by is set and removed by Gradus"
	table{
		"gradus-production":                            {by: production, do: merges(web, scaled)},
		"the site's watchdog":                          {by: lockWatchdog, do: merges(web, scaled)},
		"the site's watchdog, with other code":         {by: lockWatchdog, do: merges(web, code), refused: "fence: of a container of a site"},
		"another label of the namespace, by it":        {by: lockWatchdog, do: merges("v1 Namespace locked", `{"metadata":{"labels":{"a":"b"}}}`), refused: "fence: of a site's namespace"},
		"taking the lock off, as the site's watchdog":  {by: lockWatchdog, do: merges("v1 Namespace locked", unlock)},
		"the deployment controller":                    {by: deployer, do: merges(web, `{"metadata":{"annotations":{"a":"b"}}}`)},
		"a person with the verb breaklock":             {by: gradusAdmin, do: merges(web, scaled)},
		"cluster-admin, who holds every verb":          {by: clusterAdmin, do: merges(web, scaled)},
		"Argo CD with cluster-admin":                   {by: argoCD, do: merges(web, scaled), refused: refused},
		"Argo CD, with nothing to change":              {by: argoCD, do: merges(web, `{"metadata":{"labels":null}}`), refused: refused},
		"the site's editor":                            {by: tenant, do: merges(web, scaled), refused: refused},
		"the site's editor through scale":              {by: tenant, do: mergesScale(web, scaled), refused: refused},
		"the autoscaler through scale":                 {by: autoscaler, do: mergesScale(web, scaled), refused: refused},
		"a new workload":                               {by: tenant, do: creates(another), refused: refused},
		"deleting the workload":                        {by: tenant, do: deletes(web), refused: refused},
		"the garbage collector":                        {by: garbage, do: deletes(web)},
		"the end of the namespace":                     {by: namespacer, do: deletes(web)},
		"what is no workload":                          {by: tenant, do: creates(`{apiVersion: v1, kind: ConfigMap, metadata: {name: x, namespace: locked}}`)},
		"the Site that names the workloads":            {by: tenant, do: merges(site, `{"spec":{"database":{"name":"other"}}}`), refused: refused},
		"a label of the Site":                          {by: tenant, do: merges(site, `{"metadata":{"labels":{"a":"b"}}}`)},
		"the Site goes":                                {by: tenant, do: deletes(site), refused: refused},
		"another Site comes":                           {by: tenant, do: creates(with(lockedSite, "name: campus", "name: other")), refused: refused},
		"its state, as gradus-manager":                 {by: manager, do: mergesStatus(site, `{"status":{"version":"2.0"}}`)},
		"a namespace that is not locked":               {by: tenant, do: merges("apps/v1 Deployment campus/campus-web", scaled)},
		"taking the lock off, as gradus-production":    {by: production, do: merges("v1 Namespace locked", unlock)},
		"taking the lock off, as cluster-admin":        {by: clusterAdmin, do: merges("v1 Namespace locked", unlock)},
		"taking the lock off, as Argo CD":              {by: argoCD, do: merges("v1 Namespace locked", unlock), refused: label},
		"taking the lock off, as keeper of namespaces": {by: keeper, do: merges("v1 Namespace locked", unlock), refused: label},
		"another label, as keeper of namespaces":       {by: keeper, do: merges("v1 Namespace locked", strings.Replace(unlock, "lms.gradus.dev/locked-by", "a", 1))},
	}.run(t)
}
