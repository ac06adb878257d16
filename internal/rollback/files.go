// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"fmt"
	"slices"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// With files: Restore, volumes made from the backup's snapshots take the place
// of the live ones behind the same claims: nothing that Git knows changes. The
// volumes that go are kept, each under a claim of its own.

// Claims are those of the site's volumes, and the pods that mount them.
type Claims struct {
	// Live claims, and those beside them, by the Site's names for the volumes.
	Live, Beside map[string]*corev1.PersistentVolumeClaim
	// Taken are names under which volumes are to be kept, and that are somebody else's claims.
	Taken []string
	// Ours are ended Jobs of Gradus whose pods mount one, or one beside it;
	// Others are pods of nobody that the Site or Gradus knows. A pod that has
	// ended keeps the claim from going as long as it is there.
	Ours   []v1alpha1.ChildRef
	Others []string
}

func (v View) restoresFiles() bool { return v.Rollback.Spec.Files == v1alpha1.RestoreFiles }

// ClaimBeside names the claim of the volume that comes.
func ClaimBeside(r *v1alpha1.Rollback, claim string) string { return claim + "-r" + suffix(r) }

// ClaimReplaced names the claim of the volume that goes.
func ClaimReplaced(r *v1alpha1.Rollback, claim string) string {
	return claim + "-replaced-" + suffix(r)
}

func (v View) claimReplaced(claim string) string { return ClaimReplaced(v.Rollback, claim) }

func (v View) claimBeside(claim string) string { return ClaimBeside(v.Rollback, claim) }

// snapshotOf gives the proven snapshot of a volume; nil when the backup has none.
func (v View) snapshotOf(volume string) *v1alpha1.SnapshotRef {
	if v.Backup == nil {
		return nil
	}
	for _, c := range v.Backup.Status.Copies {
		if c.Holds == v1alpha1.HoldsFiles && c.Volume == volume && c.Snapshot != nil && c.Verified != nil {
			return c.Snapshot
		}
	}
	return nil
}

// noWayForFiles says why files cannot be restored; "" when they can, or need not.
func (v View) noWayForFiles() string {
	if !v.restoresFiles() {
		return ""
	}
	for _, volume := range v.Site.Spec.Volumes {
		if v.snapshotOf(volume.Name) == nil {
			return fmt.Sprintf("files: Restore: SiteBackup %s has no proven snapshot of volume %s; "+
				"with KeepInPlace every file that the database names is looked up", v.Backup.Name, volume.Name)
		}
		if longest := 253 - len(v.claimReplaced("")); len(volume.ClaimName) > longest {
			return fmt.Sprintf("files: Restore: the name of claim %s is too long to keep it under a name beside it: "+
				"%d characters at most", volume.ClaimName, longest)
		}
		claim := v.Claims.Live[volume.Name]
		if claim == nil || claim.Status.Phase != corev1.ClaimBound {
			return fmt.Sprintf("files: Restore: claim %s of volume %s is not bound", volume.ClaimName, volume.Name)
		}
	}
	if len(v.Claims.Taken) > 0 {
		return fmt.Sprintf("files: Restore: the volumes that go are kept as claims %s, and claims of these names are there "+
			"already; delete them, with their volumes retained where they matter", strings.Join(v.Claims.Taken, ", "))
	}
	if len(v.Claims.Others) > 0 {
		return fmt.Sprintf("files: Restore: pods mount the volumes that are no workloads of Site %s: %s; "+
			"end and delete them, or their claims cannot be switched (a pod that has ended counts)",
			v.Site.Name, strings.Join(v.Claims.Others, ", "))
	}
	return ""
}

// restoreFiles asks for volumes made from the snapshots, beside the live ones.
var restoreFiles = closing.Guarded(pipeline.Step[View]{
	Name: "RestoreFiles",
	Create: func(v View, _ pipeline.At) []client.Object {
		if !v.restoresFiles() {
			return nil
		}
		var out []client.Object
		for _, volume := range v.Site.Spec.Volumes {
			live, snapshot := v.Claims.Live[volume.Name], v.snapshotOf(volume.Name)
			if live == nil || snapshot == nil {
				continue
			}
			out = append(out, v.claimFrom(live, snapshot))
		}
		return out
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !v.restoresFiles() {
			return pipeline.Skip("KeepInPlace", "files stay where they are")
		}
		if what := v.noWayForFiles(); what != "" {
			return pipeline.Fail("NoWayBack", "%s", what)
		}
		for _, o := range seen.Objects {
			if o == nil {
				return pipeline.Wait("Restoring", "volumes are made from the snapshots").By(seen.Now.Add(time.Second))
			}
		}
		return pipeline.Pass("%d volumes are made from the snapshots of SiteBackup %s", len(seen.Objects), v.Backup.Name)
	},
})

// claimFrom is a claim like the live one, on a volume made from a snapshot.
func (v View) claimFrom(live *corev1.PersistentVolumeClaim, snapshot *v1alpha1.SnapshotRef) client.Object {
	size := live.Spec.Resources.Requests[corev1.ResourceStorage]
	if has := live.Status.Capacity[corev1.ResourceStorage]; has.Cmp(size) > 0 {
		size = has
	}
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: live.Namespace, Name: v.claimBeside(live.Name)},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: live.Spec.AccessModes, StorageClassName: live.Spec.StorageClassName, VolumeMode: live.Spec.VolumeMode,
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: size}},
			DataSource: &corev1.TypedLocalObjectReference{
				APIGroup: ptr.To("snapshot.storage.k8s.io"), Kind: "VolumeSnapshot", Name: snapshot.Name,
			},
		},
	}
}

// filesClaim is the claim whose files the restored database must find.
func (v View) filesClaim(volume v1alpha1.SiteVolume) string {
	if v.restoresFiles() {
		return v.claimBeside(volume.ClaimName)
	}
	return volume.ClaimName
}

// freeClaims removes Jobs of ours that have ended and whose pods still mount a
// claim. Their results are evidence already.
var freeClaims = closing.Guarded(pipeline.Step[View]{
	Name: "FreeClaims",
	Remove: func(v View, _ pipeline.At) []v1alpha1.ChildRef {
		if !v.restoresFiles() {
			return nil
		}
		return v.Claims.Ours
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if !v.restoresFiles() {
			return pipeline.Skip("KeepInPlace", "files stay where they are")
		}
		if what := v.noWayForFiles(); what != "" {
			return pipeline.Fail("NoWayBack", "%s", what)
		}
		if n := max(seen.Left, len(v.Claims.Ours)); n > 0 {
			return pipeline.Wait("FreeingClaims", "%d ended Jobs go, whose pods mount the volumes", n).
				By(seen.Now.Add(2 * time.Second))
		}
		if claim := v.unbound(); claim != "" {
			return pipeline.Fail("NotBound", "claim %s, made from SiteBackup %s, has no volume; kubectl describe pvc -n %s %s "+
				"says why", claim, v.Backup.Name, v.Site.Namespace, claim)
		}
		return pipeline.Pass("no pod mounts the volumes")
	},
	Timeout: func(View) time.Duration { return 10 * time.Minute },
})

// unbound names a claim beside the live ones that has no volume; "" when all have.
func (v View) unbound() string {
	for _, volume := range v.Site.Spec.Volumes {
		if c := v.Claims.Beside[volume.Name]; c == nil || c.Status.Phase != corev1.ClaimBound {
			return v.claimBeside(volume.ClaimName)
		}
	}
	return ""
}

// switchFiles puts the restored volumes behind the live claims.
var switchFiles = pipeline.Step[View]{
	Name: "SwitchFiles",
	Exchange: func(v View, _ pipeline.At) []pipeline.Exchange {
		if !v.restoresFiles() || !v.Held() || !v.Committed() {
			return nil
		}
		var out []pipeline.Exchange
		for _, volume := range v.Site.Spec.Volumes {
			out = append(out, pipeline.Exchange{ID: volume.Name, Claim: volume.ClaimName,
				Beside: v.claimBeside(volume.ClaimName), Kept: v.claimReplaced(volume.ClaimName)})
		}
		return out
	},
	// Whoever mounted a claim since FreeClaims would keep it from going.
	Remove: func(v View, _ pipeline.At) []v1alpha1.ChildRef {
		if !v.restoresFiles() || !v.Held() || !v.Committed() {
			return nil
		}
		return v.Claims.Ours
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		switch {
		case !v.restoresFiles():
			return pipeline.Skip("KeepInPlace", "files stay where they are")
		case !v.Held() || !v.Committed():
			return pipeline.Fail(v1alpha1.LeaseLostReason, "the site is not held past the point of no return")
		case seen.Foreign != nil:
			return v.Stopped(seen)
		case !seen.Changed && len(v.Claims.Others) > 0:
			return pipeline.Await("VolumeInUse", "pods mount the volumes that are to be switched: %s; delete them, and Gradus "+
				"goes on", strings.Join(v.Claims.Others, ", ")).By(seen.Now.Add(15 * time.Second))
		case !seen.Changed:
			return pipeline.Wait("SwitchingFiles", "the restored volumes take the place of the live ones").
				By(seen.Now.Add(2 * time.Second))
		}
		return pipeline.Pass("the claims have the restored volumes; those that they had are kept")
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		if !v.restoresFiles() || !seen.Changed {
			return
		}
		for _, volume := range v.Site.Spec.Volumes {
			kept := message.Clip("claim "+v.claimReplaced(volume.ClaimName)+" with the volume that "+volume.ClaimName+" had",
				message.Line)
			if !slices.Contains(v.Rollback.Status.Replaced, kept) {
				v.Rollback.Status.Replaced = append(v.Rollback.Status.Replaced, kept)
			}
		}
	},
}
