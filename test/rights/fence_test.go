// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"fmt"
	"testing"
)

// F4, F5: what cluster-wide rights of ours cannot be turned into.
func TestTheFenceKeepsGradusInsideNamespacesThatItMade(t *testing.T) {
	inKubeSystem := with(copyBindingYAML, "namespace: campus-copy", "namespace: kube-system")
	table{
		"gradus-manager makes a namespace for a copy": {
			by: manager, do: creates(with(copyNamespaceYAML, "campus-copy", "other-copy")),
		},
		"gradus-manager makes no namespace without its labels": {
			by: manager, do: creates(`{apiVersion: v1, kind: Namespace, metadata: {name: any}}`),
			refused: "fence: Gradus creates namespaces for copies only",
		},
		"gradus-manager makes no namespace without a pod security level": {
			by:      manager,
			do:      creates(with(copyNamespaceYAML, "campus-copy", "x", "pod-security.kubernetes.io/enforce", "any")),
			refused: "fence: Gradus creates namespaces for copies only",
		},
		"gradus-manager deletes the namespace of a copy": {by: manager, do: deletes("v1 Namespace campus-copy")},
		"gradus-manager deletes no namespace of others": {
			by: manager, do: deletes("v1 Namespace argocd"),
			refused: "fence: gradus-manager deletes only namespaces that it made",
		},
		"gradus-manager labels no namespace of others as its own": {
			by: manager, do: merges("v1 Namespace generous", `{"metadata":{"labels":{"lms.gradus.dev/purpose":"Trial"}}}`),
			refused: "fence: gradus-manager changes only namespaces that it made",
		},
		"gradus-production makes no namespace": {
			by: production, do: creates(with(copyNamespaceYAML, "campus-copy", "other-copy")), refused: byRBAC,
		},
		"gradus-manager binds its role in a namespace that it made": {
			by: manager, do: creates(with(copyBindingYAML, "name: gradus-environment", "name: again")),
		},
		"gradus-manager binds its role nowhere else": {
			by: manager, do: creates(inKubeSystem), refused: "fence: gradus-manager binds",
		},
		"gradus-manager cannot give itself cluster-admin": {
			by: manager,
			do: creates(with(copyBindingYAML, "name: gradus-environment", "name: again",
				"ClusterRole, name: gradus-environment", "ClusterRole, name: cluster-admin")),
			refused: escalation,
		},
		"gradus-manager gives its role to nobody else": {
			by: manager,
			do: creates(with(copyBindingYAML, "name: gradus-environment", "name: again",
				"name: gradus-manager", "name: default")),
			refused: "fence: gradus-manager binds",
		},
	}.run(t)
}

// The namespace "generous" gave both accounts cluster-admin by mistake.
func TestTheFenceHoldsWhereSomebodyGaveTooMuch(t *testing.T) {
	objects := map[string]string{
		"secrets": `{apiVersion: v1, kind: Secret, metadata: {name: any, namespace: %s}}`,
		"deployments": with(lockedDeployment, "namespace: locked", "namespace: %s", "name: web,", "name: any,",
			"spec: {containers", "spec: {automountServiceAccountToken: false, containers"),
		"services": `{apiVersion: v1, kind: Service, metadata: {name: any, namespace: %s}, spec: {ports: [{port: 80}]}}`,
		"cronjobs": `{apiVersion: batch/v1, kind: CronJob, metadata: {name: any, namespace: %s}, spec: {schedule: "0 1 * * *",
  jobTemplate: {spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}}}}`,
		"pods": `{apiVersion: v1, kind: Pod, metadata: {name: any, namespace: %s}, spec: {containers: [{name: a, image: a}]}}`,
	}
	for resource, text := range objects {
		table{
			resource + " by gradus-manager": {
				by: manager, do: creates(fmt.Sprintf(text, generous)),
				refused: "fence: gradus-manager may not create " + resource + " in namespace generous",
			},
			resource + " by gradus-manager where it has no role": {
				by: manager, do: creates(fmt.Sprintf(text, bareSpace)), refused: byRBAC,
			},
			resource + " by gradus-manager in the site": {
				by: manager, do: creates(fmt.Sprintf(text, siteSpace)), refused: byRBAC,
			},
		}.run(t)
	}
	table{
		"gradus-manager binds cluster-admin": {
			by: manager,
			do: creates(with(copyBindingYAML, "namespace: campus-copy", "namespace: generous",
				"ClusterRole, name: gradus-environment", "ClusterRole, name: cluster-admin")),
			refused: "fence: gradus-manager binds",
		},
		"gradus-production binds a role of others": {
			by: production, do: creates(with(copyBindingYAML, "namespace: campus-copy", "namespace: generous")),
			refused: "fence: the Roles and RoleBindings that gradus-production makes are those of gradus-watchdog",
		},
	}.run(t)
}

func TestAnAliasOfASnapshotDeletesNothing(t *testing.T) {
	other := with(contentYAML, "name: alias", "name: other")
	table{
		"Retain, pre-provisioned, ours, into our namespace": {by: manager, do: creates(other)},
		"with deletionPolicy Delete": {
			by: manager, do: creates(with(other, "Retain", "Delete")), refused: "fence: an alias must have deletionPolicy Retain",
		},
		"without our label": {
			by: manager, do: creates(with(other, "lms.gradus.dev/owner-uid", "any")),
			refused: "fence: Gradus touches only a VolumeSnapshotContent with the label",
		},
		"from a live volume": {
			by: manager, do: creates(with(other, "snapshotHandle", "volumeHandle")),
			refused: "fence: an alias opens a snapshot that exists",
		},
		"into a namespace that Gradus did not make": {
			by: manager, do: creates(with(other, "namespace: campus-copy", "namespace: strangers")),
			refused: "fence: an alias opens its snapshot in a namespace that Gradus made",
		},
		"deleting the alias":                    {by: manager, do: deletes(contentTarget("alias"))},
		"deleting the content of a real backup": {by: manager, do: deletes(contentTarget("of-a-backup")), refused: "fence: Gradus touches only"},
		"gradus-production makes none":          {by: production, do: creates(other), refused: byRBAC},
	}.run(t)
}

// F7: a cluster-scoped object, a right per namespace.
func TestAVolumeIsRepointedOnlyWhereTheOwnerGrantedIt(t *testing.T) {
	claim := func(namespace string) string {
		return `{"spec":{"claimRef":{"namespace":"` + namespace + `","name":"files-replaced","uid":null}}}`
	}
	table{
		"within a namespace that granted rebind": {
			by: production, do: merges("v1 PersistentVolume of-campus", claim(siteSpace)),
		},
		"of a namespace that granted nothing": {
			by: production, do: merges("v1 PersistentVolume of-strangers", claim(siteSpace)),
			refused: "fence: namespace strangers, whose claim this volume serves, has not granted rebind",
		},
		"into a namespace that granted nothing": {
			by: production, do: merges("v1 PersistentVolume of-campus", claim(bareSpace)),
			refused: "fence: namespace strangers, which is to get this volume, has not granted rebind",
		},
		"before it is retained": {
			by: production, do: merges("v1 PersistentVolume of-campus-delete", claim(siteSpace)),
			refused: "fence: set the reclaim policy to Retain before",
		},
		"retaining it first": {
			by: production,
			do: merges("v1 PersistentVolume of-campus-delete", `{"spec":{"persistentVolumeReclaimPolicy":"Retain"}}`),
		},
		"giving the policy Delete to a volume that no claim holds": {
			by:      production,
			do:      merges("v1 PersistentVolume of-campus", `{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`),
			refused: "fence: a volume that no claim holds must keep the reclaim policy Retain",
		},
		"changing another field": {
			by: production, do: merges("v1 PersistentVolume of-campus", `{"spec":{"storageClassName":"other"}}`),
			refused: "fence: of a PersistentVolume Gradus changes claimRef",
		},
		"deleting a volume":                {by: production, do: deletes("v1 PersistentVolume of-campus"), refused: byRBAC},
		"by the other identity":            {by: manager, do: merges("v1 PersistentVolume of-campus", claim(siteSpace)), refused: byRBAC},
		"by cluster-admin, as ever before": {by: clusterAdmin, do: merges("v1 PersistentVolume of-strangers", claim(siteSpace))},
	}.run(t)
}

func TestGradusDeletesOnlyWhatItMade(t *testing.T) {
	table{
		"a claim, by UID, where rebind is granted": {
			by: production, do: deletesByUID("v1 PersistentVolumeClaim campus/campus-files"),
		},
		"a claim, by name alone": {
			by: production, do: deletes("v1 PersistentVolumeClaim campus/campus-files"),
			refused: "fence: Gradus deletes a claim by its UID",
		},
		"a claim, where nothing is granted": {
			by: production, do: deletesByUID("v1 PersistentVolumeClaim read-only/files"), refused: byRBAC,
		},
		"a claim of the site, by gradus-manager": {
			by: manager, do: deletesByUID("v1 PersistentVolumeClaim campus/campus-files"), refused: byRBAC,
		},
		"its own Job": {by: manager, do: deletes("batch/v1 Job campus/stocktake")},
		"the hop of a go-live, by gradus-manager": {
			by: manager, do: deletes("batch/v1 Job campus/hop"), refused: "fence: the Jobs of a GoLive or Rollback",
		},
		"the switch of a rollback, by gradus-manager": {
			by: manager, do: deletes("batch/v1 Job campus/switch"), refused: "fence: the Jobs of a GoLive or Rollback",
		},
		"the hop of a go-live, by gradus-production": {by: production, do: deletes("batch/v1 Job campus/hop")},
		"a Job of the site":                          {by: manager, do: deletes("batch/v1 Job campus/import"), refused: "fence: Gradus deletes only what it made"},
		"a workload of the site":                     {by: production, do: deletes("apps/v1 Deployment campus/campus-web"), refused: "fence: Gradus deletes only what it made"},
		"a Service of the site":                      {by: production, do: deletes("v1 Service campus/campus-web"), refused: "fence: Gradus deletes only what it made"},
		"a lease of others": {
			by: production, do: deletes("coordination.k8s.io/v1 Lease campus/somebody-else"),
			refused: "fence: the Leases of Gradus begin with gradus-",
		},
		"a snapshot of the site, by gradus-manager": {
			by: manager, do: deletes("snapshot.storage.k8s.io/v1 VolumeSnapshot campus/nightly"), refused: byRBAC,
		},
		"a snapshot of the site, by gradus-production": {
			by: production, do: deletes("snapshot.storage.k8s.io/v1 VolumeSnapshot campus/nightly"), refused: byRBAC,
		},
		"evidence":    {by: manager, do: deletes("v1 ConfigMap campus/page"), refused: byRBAC},
		"a backup":    {by: manager, do: deletes(backupTarget), refused: byRBAC},
		"an approval": {by: manager, do: deletes(approvalTarget), refused: byRBAC},
	}.run(t)
}

// Law 1: a closed list of fields, kept by the API server.
func TestProductionChangesOnlyTheClosedListOfFields(t *testing.T) {
	web, door := "apps/v1 Deployment campus/campus-web", "v1 Service campus/campus-web"
	pod := func(spec string) string { return `{"spec":{"template":{"spec":` + spec + `}}}` }
	app := func(more string) string {
		return pod(`{"containers":[{"name":"app","image":"localhost/campus:2.0",` +
			`"volumeMounts":[{"name":"files","mountPath":"/var/lib/campus"}]` + more + `}]}`)
	}
	table{
		"replicas":             {by: production, do: merges(web, `{"spec":{"replicas":0}}`)},
		"image":                {by: production, do: merges(web, app(""))},
		"environment":          {by: production, do: merges(web, app(`,"env":[{"name":"A","value":"b"}]`))},
		"the door's selector":  {by: production, do: merges(door, `{"spec":{"selector":{"app":"page"}}}`)},
		"suspending a CronJob": {by: production, do: merges("batch/v1 CronJob campus/nightly", `{"spec":{"suspend":true}}`)},
		"the autoscaler's floor": {
			by: production, do: merges("autoscaling/v2 HorizontalPodAutoscaler campus/campus-web", `{"spec":{"minReplicas":2}}`),
		},
		"the claim of a volume": {
			by: production,
			do: merges(web, pod(`{"volumes":[{"name":"files","persistentVolumeClaim":{"claimName":"campus-files-r1"}}]}`)),
		},
		"the lock label of the namespace": {
			by: production, do: merges("v1 Namespace campus", `{"metadata":{"labels":{"lms.gradus.dev/locked-by":"x"}}}`),
		},
		"another label of the namespace": {
			by: production, do: merges("v1 Namespace campus", `{"metadata":{"labels":{"pod-security.kubernetes.io/enforce":"privileged"}}}`),
			refused: "fence: of a site's namespace gradus-production changes the label",
		},
		"the namespace of a site that granted nothing": {
			by: production, do: merges("v1 Namespace strangers", `{"metadata":{"labels":{"lms.gradus.dev/locked-by":"x"}}}`),
			refused: byRBAC,
		},
		"a command":           {by: production, do: merges(web, app(`,"command":["sh"]`)), refused: "fence: of a container of a site"},
		"a privileged one":    {by: production, do: merges(web, app(`,"securityContext":{"privileged":true}`)), refused: "fence: of a container of a site"},
		"an account":          {by: production, do: merges(web, pod(`{"serviceAccountName":"other"}`)), refused: "fence: of a site's workload"},
		"the host's network":  {by: production, do: merges(web, pod(`{"hostNetwork":true}`)), refused: "fence: of a site's workload"},
		"a path of the host":  {by: production, do: merges(web, pod(`{"volumes":[{"name":"files","hostPath":{"path":"/"}}]}`)), refused: "no path of the host"},
		"a further container": {by: production, do: merges(web, pod(`{"initContainers":[{"name":"x","image":"x"}]}`)), refused: "fence: Gradus adds and removes no container"},
		"ports of the door":   {by: production, do: merges(door, `{"spec":{"externalIPs":["192.0.2.1"]}}`), refused: "fence: of a site's Service"},
		"any of it by gradus-manager": {
			by: manager, do: merges(web, `{"spec":{"replicas":0}}`), refused: byRBAC,
		},
		"any of it where nothing is granted": {
			by: production, do: creates(with(siteJobYAML, "namespace: campus", "namespace: strangers")), refused: byRBAC,
		},
	}.run(t)
}

// What starts pods by itself: a CronJob, an autoscaler.
func TestProductionRewritesNoCronJobAndNoAutoscaler(t *testing.T) {
	const cron, hpa = "batch/v1 CronJob campus/nightly", "autoscaling/v2 HorizontalPodAutoscaler campus/campus-web"
	pod := func(spec string) string {
		return `{"spec":{"jobTemplate":{"spec":{"template":{"spec":` + spec + `}}}}}`
	}
	app := func(more string) string {
		return pod(`{"containers":[{"name":"a","image":"b","terminationMessagePath":"/dev/termination-log",` +
			`"terminationMessagePolicy":"File","imagePullPolicy":"Always","resources":{}` + more + `}]}`)
	}
	const spec, ofPods, ofContainer = "fence: of a site's CronJob Gradus changes suspend, images and environment, of its autoscaler",
		"fence: of the pods of a site's CronJob", "fence: of a container of a site's CronJob"
	table{
		"image and environment":         {by: production, do: merges(cron, app(`,"env":[{"name":"A","value":"b"}]`))},
		"our note":                      {by: production, do: merges(cron, `{"metadata":{"annotations":{"lms.gradus.dev/held":"[]"}}}`)},
		"our note on an autoscaler":     {by: production, do: merges(hpa, `{"metadata":{"annotations":{"lms.gradus.dev/held":"[]"}}}`)},
		"a label":                       {by: production, do: merges(cron, `{"metadata":{"labels":{"a":"b"}}}`), refused: "fence: of the metadata of a site's"},
		"another annotation":            {by: production, do: merges(hpa, `{"metadata":{"annotations":{"a":"b"}}}`), refused: "fence: of the metadata of a site's"},
		"an owner who takes it along":   {by: production, do: merges(cron, `{"metadata":{"ownerReferences":[{"apiVersion":"v1","kind":"ConfigMap","name":"x","uid":"u"}]}}`), refused: "fence: of the metadata of a site's"},
		"the schedule":                  {by: production, do: merges(cron, `{"spec":{"schedule":"* * * * *"}}`), refused: spec},
		"a time zone that was not set":  {by: production, do: merges(cron, `{"spec":{"timeZone":"Europe/Zurich"}}`), refused: spec},
		"retries":                       {by: production, do: merges(cron, `{"spec":{"jobTemplate":{"spec":{"backoffLimit":9}}}}`), refused: ofPods},
		"labels of its pods":            {by: production, do: merges(cron, `{"spec":{"jobTemplate":{"spec":{"template":{"metadata":{"labels":{"a":"b"}}}}}}}`), refused: ofPods},
		"an account":                    {by: production, do: merges(cron, pod(`{"serviceAccountName":"other"}`)), refused: ofPods},
		"a volume":                      {by: production, do: merges(cron, pod(`{"volumes":[{"name":"x","hostPath":{"path":"/"}}]}`)), refused: ofPods},
		"a further container":           {by: production, do: merges(cron, pod(`{"initContainers":[{"name":"x","image":"x"}]}`)), refused: ofPods},
		"a command":                     {by: production, do: merges(cron, app(`,"command":["sh"]`)), refused: ofContainer},
		"a privileged one":              {by: production, do: merges(cron, app(`,"securityContext":{"privileged":true}`)), refused: ofContainer},
		"variables from a Secret":       {by: production, do: merges(cron, app(`,"envFrom":[{"secretRef":{"name":"x"}}]`)), refused: ofContainer},
		"the autoscaler's ceiling":      {by: production, do: merges(hpa, `{"spec":{"maxReplicas":400}}`), refused: spec},
		"the autoscaler's target":       {by: production, do: merges(hpa, `{"spec":{"scaleTargetRef":{"name":"other"}}}`), refused: spec},
		"all of it by the site's owner": {by: owner, do: merges(cron, `{"spec":{"schedule":"* * * * *"}}`)},
	}.run(t)
}

func contentTarget(name string) string {
	return "snapshot.storage.k8s.io/v1 VolumeSnapshotContent " + name
}
