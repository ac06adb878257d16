// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"strings"
	"testing"
)

// F6: the owner of a namespace gives Gradus its rights, without being more than
// an admin there. (prepare applied config/site as the owner.)
func TestTheOwnerOfANamespaceGivesRights(t *testing.T) {
	binding := func(role string) string {
		text := with(copyBindingYAML, "namespace: campus-copy", "namespace: strangers", "\n  labels: {lms.gradus.dev/owner-uid: u-1}", "")
		return strings.ReplaceAll(text, "gradus-environment", role)
	}
	table{
		"gradus-site, by the admin of the namespace":          {by: owner, do: creates(binding("gradus-site"))},
		"gradus-site-production, by the admin":                {by: owner, do: creates(binding("gradus-site-production"))},
		"gradus-site, by a mere editor":                       {by: tenant, do: creates(binding("gradus-site")), refused: byRBAC},
		"gradus-environment, by the admin of the namespace":   {by: owner, do: creates(binding("gradus-environment")), refused: escalation},
		"cluster-admin, by the admin of the namespace":        {by: owner, do: creates(binding("cluster-admin")), refused: escalation},
		"gradus-site, by gradus-manager itself":               {by: manager, do: creates(binding("gradus-site")), refused: escalation},
		"gradus-site-production, by gradus-production itself": {by: production, do: creates(binding("gradus-site-production")), refused: byRBAC},
		"gradus-site in a namespace of others":                {by: owner, do: creates(with(binding("gradus-site"), "strangers", "kube-system")), refused: byRBAC},
	}.run(t)
}

// The fixture made Role gradus-watchdog-campus as gradus-production already.
func TestGradusProductionGivesTheWatchdogItsRightsAndNoMore(t *testing.T) {
	role := strings.Replace(watchdogRole, "gradus-watchdog-campus", "gradus-watchdog-2", 1)
	binding := `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata: {name: gradus-watchdog, namespace: campus, labels: {lms.gradus.dev/owner-uid: u-2}}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: Role, name: gradus-watchdog-campus}
subjects: [{kind: ServiceAccount, name: gradus-watchdog, namespace: campus}]
`
	table{
		"its Role":                  {by: production, do: creates(role)},
		"its ServiceAccount":        {by: production, do: creates(`{apiVersion: v1, kind: ServiceAccount, metadata: {name: gradus-watchdog, namespace: campus}}`)},
		"its RoleBinding":           {by: production, do: creates(binding)},
		"a Role of another name":    {by: production, do: creates(with(role, "gradus-watchdog-2", "builder")), refused: "fence: the Roles and RoleBindings"},
		"a Role that reads Secrets": {by: production, do: creates(with(role, "resources: [events], verbs: [create]", "resources: [secrets], verbs: [get]")), refused: escalation},
		"a Role with more verbs":    {by: production, do: creates(with(role, "verbs: [get, update]", "verbs: [get, update, list]")), refused: escalation},
		"the RoleBinding for another account": {
			by: production, do: creates(with(binding, "ServiceAccount, name: gradus-watchdog", "ServiceAccount, name: default")),
			refused: "fence: gradus-production binds Role gradus-watchdog",
		},
		"the RoleBinding for an account elsewhere": {
			by: production, do: creates(with(binding, "name: gradus-watchdog, namespace: campus}]", "name: gradus-watchdog, namespace: strangers}]")),
			refused: "fence: gradus-production binds Role gradus-watchdog",
		},
		"any of it where nothing is granted": {
			by: production, do: creates(strings.ReplaceAll(role, "namespace: campus", "namespace: strangers")), refused: byRBAC,
		},
	}.run(t)
}

func TestWhoReadsSecrets(t *testing.T) {
	table{
		"the Secret that the owner listed":          {by: manager, do: gets("v1 Secret campus/campus-config")},
		"another Secret of the site":                {by: manager, do: gets("v1 Secret campus/campus-db"), refused: byRBAC},
		"a Secret of the site by gradus-production": {by: production, do: gets("v1 Secret campus/campus-config"), refused: byRBAC},
		"a Secret where only reading is granted":    {by: manager, do: gets("v1 Secret read-only/any"), refused: byRBAC},
		"a Secret of kube-system":                   {by: manager, do: gets("v1 Secret kube-system/any"), refused: byRBAC},
		"a new password for a copy":                 {by: manager, do: creates(`{apiVersion: v1, kind: Secret, metadata: {name: db, namespace: campus-copy, labels: {lms.gradus.dev/owner-uid: u-1}}}`)},
		"a ConfigMap where nothing is granted":      {by: manager, do: gets("v1 ConfigMap strangers/kube-root-ca.crt"), refused: byRBAC},
		"evidence beside the site":                  {by: manager, do: creates(`{apiVersion: v1, kind: ConfigMap, immutable: true, metadata: {name: e, namespace: campus, labels: {lms.gradus.dev/plan-uid: u-1}}}`)},
		"evidence changed afterwards":               {by: manager, do: merges("v1 ConfigMap campus/page", `{"data":{"a":"b"}}`), refused: byRBAC},
	}.run(t)
}
