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
	ns := namespace(t, "load")
	apply(t, claimText, storageValues{Namespace: ns, Name: "data", Class: "gradus-immediate"})
	write := []string{"write", "/data/0/records"}
	if *unsynced {
		write = append(write, "unsynced")
	}
	pod(t, podValues{Namespace: ns, Name: "writer", Args: write, Claims: []string{"data"}})
	start, slowest := time.Now(), time.Duration(0)
	for i := range *snapshots {
		name := fmt.Sprintf("point-%d", i)
		began := time.Now()
		apply(t, snapshotText, storageValues{Namespace: ns, Name: name, Claim: "data"})
		field(t, ns, "volumesnapshot/"+name, "{.status.readyToUse}", "true")
		slowest = max(slowest, time.Since(began))
	}
	t.Logf("%d snapshots in %s, the slowest %s", *snapshots, time.Since(start).Round(time.Second), slowest.Round(10*time.Millisecond))
	must(t, "-n", ns, "delete", "pod/writer")

	verified := 0
	for first := 0; first < *snapshots; first += perPod {
		verified += verifyBatch(t, ns, first, min(first+perPod, *snapshots))
	}
	t.Logf("%d of %d restored to a prefix, in %s", verified, *snapshots, time.Since(start).Round(time.Second))
	if verified != *snapshots {
		t.Errorf("%d of %d snapshots restored to a prefix", verified, *snapshots)
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
