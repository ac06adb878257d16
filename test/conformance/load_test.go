// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package conformance

import (
	"fmt"
	"strings"
	"testing"
	"time"
)

// perPod is how many restored volumes one pod verifies.
const perPod = 25

// TestSnapshotsUnderLoad takes snapshots of a volume that is written to all
// the time and demands of each that it holds a prefix of what was written.
func TestSnapshotsUnderLoad(t *testing.T) {
	t.Run("synced", func(t *testing.T) { underLoad(t, "gradus-snapshots", "synced", *snapshots) })
	// Without syncing, the order survives only if the pod stands still.
	t.Run("unsynced", func(t *testing.T) { underLoad(t, "gradus-snapshots-frozen", "unsynced", min(*snapshots, 50)) })
}

func underLoad(t *testing.T, class, mode string, count int) {
	t.Helper()
	ns := namespace(t, "load")
	apply(t, claimText, storageValues{Namespace: ns, Name: "data", Class: "gradus-immediate"})
	write := []string{"write", "/data/0/records", mode}
	pod(t, podValues{Namespace: ns, Name: "writer", Args: write, Claims: []string{"data"}})
	start, slowest := time.Now(), time.Duration(0)
	for i := range count {
		name := fmt.Sprintf("point-%d", i)
		began := time.Now()
		apply(t, snapshotText, storageValues{Namespace: ns, Name: name, Claim: "data", Class: class})
		field(t, ns, "volumesnapshot/"+name, "{.status.readyToUse}", "true")
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("%d snapshots in %s, the slowest %s", count, time.Since(start).Round(time.Second), slowest.Round(10*time.Millisecond))
	must(t, "-n", ns, "delete", "pod/writer")

	verified := 0
	for first := 0; first < count; first += perPod {
		verified += verifyBatch(t, ns, first, min(first+perPod, count))
	}
	t.Logf("%d of %d restored to a prefix, in %s", verified, count, time.Since(start).Round(time.Second))
	if verified != count {
		t.Errorf("%d of %d snapshots restored to a prefix", verified, count)
	}
	must(t, "-n", ns, "delete", "volumesnapshot", "--all")
	must(t, "-n", ns, "delete", "pvc", "--all")
}

func verifyBatch(t *testing.T, ns string, first, end int) int {
	t.Helper()
	var claims, folders []string
	var all strings.Builder
	for i := first; i < end; i++ {
		name := fmt.Sprintf("restored-%d", i)
		claim, err := render(claimText, storageValues{
			Namespace: ns, Name: name, Class: "gradus-wait", Snapshot: fmt.Sprintf("point-%d", i),
		})
		if err != nil {
			t.Fatal(err)
		}
		fmt.Fprintf(&all, "---\n%s", claim)
		folders = append(folders, fmt.Sprintf("/data/%d/records", len(claims)))
		claims = append(claims, name)
	}
	apply(t, all.String(), nil)
	out := mustJob(t, podValues{
		Namespace: ns, Name: fmt.Sprintf("verify-%d", first), Args: append([]string{"verify"}, folders...), Claims: claims,
	})
	must(t, "-n", ns, "delete", "job", fmt.Sprintf("verify-%d", first))
	return strings.Count(out, "prefix of ")
}
