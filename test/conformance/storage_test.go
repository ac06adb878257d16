// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

const claimText = `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: {{.Name}}, namespace: {{.Namespace}}}
spec:
  storageClassName: {{.Class}}
  accessModes: [ReadWriteOnce]
  resources: {requests: {storage: 1Gi}}
  {{- with .Snapshot}}
  dataSource: {apiGroup: snapshot.storage.k8s.io, kind: VolumeSnapshot, name: {{.}}}
  {{- end}}
`

const snapshotText = `
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: {{.Name}}, namespace: {{.Namespace}}}
spec:
  {{- with .Class}}
  volumeSnapshotClassName: {{.}}
  {{- end}}
  source: {persistentVolumeClaimName: {{.Claim}}}
`

// adoptText shows a snapshot to another namespace by its handle.
const adoptText = `
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshotContent
metadata: {name: "{{.Namespace}}-{{.Name}}"}
spec:
  deletionPolicy: Retain
  driver: dev-csi.lms.gradus.dev
  source: {snapshotHandle: {{.Handle}}}
  sourceVolumeMode: Filesystem
  volumeSnapshotRef: {name: {{.Name}}, namespace: {{.Namespace}}}
---
apiVersion: snapshot.storage.k8s.io/v1
kind: VolumeSnapshot
metadata: {name: {{.Name}}, namespace: {{.Namespace}}}
spec:
  source: {volumeSnapshotContentName: "{{.Namespace}}-{{.Name}}"}
`

type storageValues struct {
	Namespace, Name, Class, Snapshot, Claim, Handle string
}

func TestSnapshotIsRestoredInAnotherNamespace(t *testing.T) {
	for _, class := range []string{"gradus-immediate", "gradus-wait"} {
		t.Run(class, func(t *testing.T) {
			ns, clone := namespace(t, "origin"), namespace(t, "clone")
			apply(t, claimText, storageValues{Namespace: ns, Name: "data", Class: class})
			mustJob(t, podValues{Namespace: ns, Name: "fill", Args: []string{"fill", "/data/0"}, Claims: []string{"data"}})
			start := time.Now()
			apply(t, snapshotText, storageValues{Namespace: ns, Name: "point", Claim: "data"})
			field(t, ns, "volumesnapshot/point", "{.status.readyToUse}", "true")
			t.Logf("snapshot ready after %s", time.Since(start).Round(10*time.Millisecond))
			content := must(t, "-n", ns, "get", "volumesnapshot/point", "-o", "jsonpath={.status.boundVolumeSnapshotContentName}")
			handle := must(t, "get", "volumesnapshotcontent/"+content, "-o", "jsonpath={.status.snapshotHandle}")
			start = time.Now()
			apply(t, adoptText, storageValues{Namespace: clone, Name: "point", Handle: handle})
			apply(t, claimText, storageValues{Namespace: clone, Name: "data", Class: class, Snapshot: "point"})
			mustJob(t, podValues{Namespace: clone, Name: "check", Args: []string{"check", "/data/0"}, Claims: []string{"data"}})
			t.Logf("restored and checked after %s", time.Since(start).Round(10*time.Millisecond))
			must(t, "-n", clone, "delete", "job/check", "pvc/data", "volumesnapshot/point")
			must(t, "delete", "volumesnapshotcontent/"+clone+"-point")
			mustJob(t, podValues{Namespace: ns, Name: "check", Args: []string{"check", "/data/0"}, Claims: []string{"data"}})
			must(t, "-n", ns, "delete", "job", "--all")
			must(t, "-n", ns, "delete", "volumesnapshot/point", "pvc/data")
			eventually(t, "removal", func() error {
				left, err := kubectl("", "get", "pv,volumesnapshotcontent", "-o",
					`jsonpath={range .items[*]}{.spec.claimRef.namespace}{.spec.volumeSnapshotRef.namespace}{"\n"}{end}`)
				if err == nil && (strings.Contains(left, ns) || strings.Contains(left, clone)) {
					err = fmt.Errorf("left over: %q", left)
				}
				return err
			})
		})
	}
}

func TestClassWithoutSnapshots(t *testing.T) {
	ns := namespace(t, "plain")
	apply(t, claimText, storageValues{Namespace: ns, Name: "data", Class: "gradus-nosnapshots"})
	field(t, ns, "pvc/data", "{.status.phase}", "Bound")
	apply(t, snapshotText, storageValues{Namespace: ns, Name: "point", Claim: "data"})
	eventually(t, "error of the snapshot", func() error {
		out, err := kubectl("", "-n", ns, "get", "volumesnapshot/point", "-o", "jsonpath={.status.error.message}")
		if err == nil && out == "" {
			err = errOther
		}
		return err
	})
	must(t, "-n", ns, "delete", "volumesnapshot/point", "pvc/data")
}

func TestRetainKeepsTheVolume(t *testing.T) {
	ns := namespace(t, "retain")
	apply(t, claimText, storageValues{Namespace: ns, Name: "data", Class: "gradus-retain"})
	field(t, ns, "pvc/data", "{.status.phase}", "Bound")
	volume := must(t, "-n", ns, "get", "pvc/data", "-o", "jsonpath={.spec.volumeName}")
	must(t, "-n", ns, "delete", "pvc/data")
	field(t, ns, "pv/"+volume, "{.status.phase}", "Released")
	// Given back by hand, as an administrator would.
	must(t, "patch", "pv/"+volume, "-p", `{"spec":{"persistentVolumeReclaimPolicy":"Delete"}}`)
	eventually(t, "removal", func() error {
		out, err := kubectl("", "get", "pv/"+volume, "--ignore-not-found", "-o", "name")
		if err == nil && out != "" {
			err = errOther
		}
		return err
	})
}
