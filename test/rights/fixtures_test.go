// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

const (
	digest = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"

	planYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: UpgradePlan
metadata: {name: campus-2-0, namespace: campus}
spec:
  siteRef: {name: campus}
  target: {version: "2.0", releases: [{version: "2.0", image: "localhost/campus:2.0"}]}
`
	approvalYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: UpgradeApproval
metadata: {generateName: campus-2-0-golive-, namespace: campus}
spec:
  planRef: {name: campus-2-0}
  gate: GoLive
  digest: ` + digest + `
  decision: Approve
`
	goLiveYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: GoLive
metadata: {name: campus-2-0-golive-1, namespace: campus}
spec:
  siteRef: {name: campus}
  planRef: {name: campus-2-0}
  digest: ` + digest + `
  backupRef: {name: campus-1}
  upgrade:
    from: "1.9"
    hops: [{from: "1.9", to: "2.0"}]
    releases: [{version: "2.0", image: "localhost/campus:2.0"}]
`
	rollbackYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: Rollback
metadata: {name: campus-back, namespace: campus}
spec:
  siteRef: {name: campus}
  to: {goLiveRef: {name: campus-2-0-golive-1}}
`
	backupYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: SiteBackup
metadata: {name: campus-1, namespace: campus}
spec: {siteRef: {name: campus}}
`
	siteJobYAML = `
apiVersion: batch/v1
kind: Job
metadata:
  name: stocktake
  namespace: campus
  labels: {lms.gradus.dev/owner-uid: u-1, lms.gradus.dev/owner-kind: UpgradePlan}
spec:
  backoffLimit: 0
  template:
    spec:
      restartPolicy: Never
      automountServiceAccountToken: false
      securityContext: {runAsNonRoot: true}
      volumes:
      - {name: files, persistentVolumeClaim: {claimName: campus-files, readOnly: true}}
      containers:
      - name: agent
        image: localhost/gradus:dev
        securityContext: {allowPrivilegeEscalation: false}
        volumeMounts: [{name: files, mountPath: /files}]
`
	copyNamespaceYAML = `
apiVersion: v1
kind: Namespace
metadata:
  name: campus-copy
  labels:
    lms.gradus.dev/owner-uid: u-1
    lms.gradus.dev/owner-kind: StagingEnvironment
    lms.gradus.dev/purpose: Staging
    pod-security.kubernetes.io/enforce: restricted
`
	copyBindingYAML = `
apiVersion: rbac.authorization.k8s.io/v1
kind: RoleBinding
metadata:
  name: gradus-environment
  namespace: campus-copy
  labels: {lms.gradus.dev/owner-uid: u-1}
roleRef: {apiGroup: rbac.authorization.k8s.io, kind: ClusterRole, name: gradus-environment}
subjects: [{kind: ServiceAccount, name: gradus-manager, namespace: gradus-system}]
`
	contentYAML = `
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotContent
metadata:
  name: alias
  labels: {lms.gradus.dev/owner-uid: u-1}
spec:
  deletionPolicy: Retain
  driver: csi.example
  source: {snapshotHandle: snap-1}
  volumeSnapshotRef: {name: files, namespace: campus-copy}
`
)

// production objects of the site, made by its owner.
const siteObjects = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: campus-web, namespace: campus}
spec:
  replicas: 2
  selector: {matchLabels: {app: campus-web}}
  template:
    metadata: {labels: {app: campus-web}}
    spec:
      volumes: [{name: files, persistentVolumeClaim: {claimName: campus-files}}]
      containers:
      - {name: app, image: "localhost/campus:1.9", volumeMounts: [{name: files, mountPath: /var/lib/campus}]}
---
apiVersion: apps/v1
kind: StatefulSet
metadata: {name: campus-db, namespace: campus}
spec:
  serviceName: campus-db
  selector: {matchLabels: {app: campus-db}}
  template:
    metadata: {labels: {app: campus-db}}
    spec: {containers: [{name: postgres, image: "localhost/postgres:15"}]}
---
apiVersion: v1
kind: Service
metadata: {name: campus-web, namespace: campus}
spec: {selector: {app: campus-web}, ports: [{port: 80}]}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: campus-files, namespace: campus}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: files, namespace: read-only}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Secret
metadata: {name: campus-config, namespace: campus}
---
apiVersion: v1
kind: Secret
metadata: {name: campus-db, namespace: campus}
---
apiVersion: v1
kind: ConfigMap
metadata: {name: page, namespace: campus}
---
apiVersion: batch/v1
kind: CronJob
metadata: {name: nightly, namespace: campus}
spec:
  schedule: "0 1 * * *"
  jobTemplate:
    spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
---
apiVersion: batch/v1
kind: Job
metadata: {name: import, namespace: campus}
spec: {template: {spec: {restartPolicy: Never, containers: [{name: a, image: a}]}}}
---
apiVersion: autoscaling/v2
kind: HorizontalPodAutoscaler
metadata: {name: campus-web, namespace: campus}
spec: {maxReplicas: 4, scaleTargetRef: {apiVersion: apps/v1, kind: Deployment, name: campus-web}}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: nightly, namespace: campus}
spec: {source: {persistentVolumeClaimName: campus-files}}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotContent
metadata: {name: of-a-backup}
spec: {deletionPolicy: Retain, source: {volumeHandle: v-1}, volumeSnapshotRef: {name: nightly, namespace: campus}}
---
apiVersion: coordination.k8s.io/v1
kind: Lease
metadata: {name: somebody-else, namespace: campus}
---
apiVersion: lms.gradus.dev/v1alpha1
kind: UpgradeApproval
metadata: {name: by-anna, namespace: campus}
spec: {planRef: {name: campus-2-0}, gate: GoLive, decision: Approve, digest: "` + digest + `"}
`

const volumes = `
apiVersion: v1
kind: PersistentVolume
metadata: {name: %[1]s}
spec:
  capacity: {storage: 1Gi}
  accessModes: [ReadWriteOnce]
  persistentVolumeReclaimPolicy: %[3]s
  hostPath: {path: /var/lib/%[1]s}
  claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: %[2]s, name: files}
`

const lockedDeployment = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: locked}
spec:
  selector: {matchLabels: {app: web}}
  template:
    metadata: {labels: {app: web}}
    spec: {containers: [{name: app, image: "localhost/campus:1.9"}]}
`

const lockedSite = `
apiVersion: lms.gradus.dev/v1alpha1
kind: Site
metadata: {name: campus, namespace: locked}
spec:
  profile: campus
  url: http://campus.example
  workloads:
  - {name: web, role: Web, targetRef: {apiVersion: apps/v1, kind: Deployment, name: web}, applicationContainer: app}
  traffic: {serviceRef: {name: web}}
  database:
    {engine: PostgreSQL, name: campus, workloadRef: {apiVersion: apps/v1, kind: StatefulSet, name: db},
     readerSecretRef: {name: reader}, ownerSecretRef: {name: owner}, clone: {method: VolumeSnapshot}}
`

const watchdogRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: gradus-watchdog-campus, namespace: campus, labels: {lms.gradus.dev/owner-uid: u-2}}
rules:
- {apiGroups: [coordination.k8s.io], resources: [leases], resourceNames: [gradus-campus], verbs: [get, update]}
- apiGroups: [lms.gradus.dev]
  resources: [golives, rollbacks, sitebackups]
  resourceNames: [campus-2-0-golive-1]
  verbs: [get]
- {apiGroups: [apps], resources: [deployments, statefulsets], resourceNames: [campus-web], verbs: [get, patch]}
- {apiGroups: [""], resources: [services], resourceNames: [campus-web], verbs: [get, patch]}
- {apiGroups: [""], resources: [namespaces], resourceNames: [campus], verbs: [get, patch]}
- {apiGroups: [batch], resources: [cronjobs], resourceNames: [nightly], verbs: [get, patch]}
- apiGroups: [autoscaling]
  resources: [horizontalpodautoscalers]
  resourceNames: [campus-web]
  verbs: [get, patch]
- {apiGroups: ["", events.k8s.io], resources: [events], verbs: [create]}
`
