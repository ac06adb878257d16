// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

// probes has one request per policy that only this policy refuses.
var probes = table{
	"gradus-fence-namespaces": {
		by: manager, do: creates(`{apiVersion: v1, kind: Namespace, metadata: {name: any}}`),
		refused: "fence: Gradus creates namespaces for copies only",
	},
	"gradus-fence-copies": {
		by: manager, do: creates(`{apiVersion: v1, kind: Secret, metadata: {name: any, namespace: generous}}`),
		refused: "fence: gradus-manager may not create secrets in namespace generous",
	},
	"gradus-fence-rolebindings": {
		by:      manager,
		do:      creates(with(copyBindingYAML, "namespace: campus-copy", "namespace: kube-system")),
		refused: "fence: gradus-manager binds ClusterRole gradus-environment to itself",
	},
	"gradus-fence-volumesnapshotcontents": {
		by: manager, do: creates(with(contentYAML, "Retain", "Delete")),
		refused: "fence: an alias must have deletionPolicy Retain",
	},
	"gradus-fence-persistentvolumes": {
		by:      production,
		do:      merges("v1 PersistentVolume of-strangers", `{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`),
		refused: "fence: namespace strangers, whose claim this volume serves, has not granted rebind",
	},
	"gradus-fence-claims": {
		by: production, do: deletes("v1 PersistentVolumeClaim campus/campus-files"),
		refused: "fence: Gradus deletes a claim by its UID",
	},
	"gradus-fence-deletes": {
		by: production, do: deletes("batch/v1 Job campus/import"),
		refused: "fence: Gradus deletes only what it made",
	},
	"gradus-fence-production-fields": {
		by: production, do: merges("v1 Service campus/campus-web", `{"spec":{"externalIPs":["192.0.2.1"]}}`),
		refused: "fence: of a site's Service Gradus changes spec.selector",
	},
	"gradus-fence-production-schedules": {
		by: production, do: merges("batch/v1 CronJob campus/nightly", `{"spec":{"schedule":"* * * * *"}}`),
		refused: "fence: of a site's CronJob Gradus changes suspend",
	},
	"gradus-site-jobs": {
		by: manager, do: creates(with(siteJobYAML, "stocktake", "other", ", readOnly: true", "")),
		refused: "site-jobs: before go-live Gradus mounts the volumes of a site with",
	},
	"gradus-no-token": {
		by:      production,
		do:      creates(with(siteJobYAML, "stocktake", "other", "Token: false", "Token: true")),
		refused: "no-token: what Gradus starts has no API token",
	},
	"gradus-owner-label": {
		by: tenant, do: creates(with(siteJobYAML, "stocktake", "forged")),
		refused: "owner-label: only Gradus sets, changes or removes lms.gradus.dev/owner-uid",
	},
	"gradus-status": {
		by: clusterAdmin, do: mergesStatus(planTarget, `{"status":{"digest":"forged"}}`),
		refused: "status: the status of upgradeplans is written by " + manager,
	},
	"gradus-makers": {
		by: clusterAdmin, do: creates(with(goLiveYAML, "golive-1", "golive-2")),
		refused: "makers: only a plan creates a GoLive",
	},
	"gradus-approvals": {
		by: narrow, do: creates(with(approvalYAML, "gate: GoLive", "gate: CopyData")),
		refused: "approvals: you may not approve upgradeplans/gate-copydata of campus-2-0",
	},
	"gradus-approvals-withdrawn": {
		by: secondPerson, do: deletes("lms.gradus.dev/v1alpha1 UpgradeApproval campus/by-anna"),
		refused: "approvals: only anna may withdraw this decision",
	},
	"gradus-site-lock-label": {
		by:      keeper,
		do:      merges("v1 Namespace campus", `{"metadata":{"labels":{"lms.gradus.dev/locked-by":"me"}}}`),
		refused: "site-lock: the label lms.gradus.dev/locked-by is set and removed by Gradus",
	},
	"gradus-site-lock": {
		by: tenant, do: merges("apps/v1 Deployment locked/web", `{"spec":{"replicas":5}}`),
		refused: "site-lock: namespace locked is locked by campus-2-0-golive-1",
	},
}

const (
	planTarget     = "lms.gradus.dev/v1alpha1 UpgradePlan campus/campus-2-0"
	goLiveTarget   = "lms.gradus.dev/v1alpha1 GoLive campus/campus-2-0-golive-1"
	rollbackTarget = "lms.gradus.dev/v1alpha1 Rollback campus/campus-back"
	backupTarget   = "lms.gradus.dev/v1alpha1 SiteBackup campus/campus-1"
	approvalTarget = "lms.gradus.dev/v1alpha1 UpgradeApproval campus/by-anna"
)
