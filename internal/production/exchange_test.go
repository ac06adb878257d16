// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"errors"
	"fmt"
	"slices"
	"strings"
	"testing"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

var filesExchange = pipeline.Exchange{ID: "files", Claim: "files", Beside: "files-r1", Kept: "files-replaced-r1"}

// volumes makes two claims, each on a volume that its end would delete.
func (s *site) volumes() {
	for _, name := range []string{"files", "files-r1"} {
		storage := corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}
		modes := []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}
		s.must(s.admin.Create(s.ctx, &corev1.PersistentVolumeClaim{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name, Labels: map[string]string{"app": name},
				Annotations: map[string]string{"pv.kubernetes.io/bind-completed": "yes", "team": name}},
			Spec: corev1.PersistentVolumeClaimSpec{AccessModes: modes, VolumeName: s.volume(name), StorageClassName: ptr.To("fast"),
				Resources: corev1.VolumeResourceRequirements{Requests: storage}},
		}))
		s.must(s.admin.Create(s.ctx, &corev1.PersistentVolume{
			ObjectMeta: metav1.ObjectMeta{Name: s.volume(name)},
			Spec: corev1.PersistentVolumeSpec{
				Capacity: storage, AccessModes: modes, StorageClassName: "fast",
				PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimDelete,
				ClaimRef:                      &corev1.ObjectReference{APIVersion: "v1", Kind: "PersistentVolumeClaim", Namespace: s.namespace, Name: name},
				PersistentVolumeSource:        corev1.PersistentVolumeSource{CSI: &corev1.CSIPersistentVolumeSource{Driver: "test", VolumeHandle: name}},
			},
		}))
	}
	s.controllers()
}

func (s *site) volume(claim string) string { return s.namespace + "-" + claim }

// controllers plays those that bind claims and let deleted ones go. A volume
// whose claim is gone and that is not retained would be lost here.
func (s *site) controllers() {
	s.t.Helper()
	var all corev1.PersistentVolumeClaimList
	s.must(s.admin.List(s.ctx, &all, client.InNamespace(s.namespace)))
	all.Items = slices.DeleteFunc(all.Items, func(c corev1.PersistentVolumeClaim) bool { return c.Labels["app"] == "theirs" })
	if len(all.Items) > 2 {
		s.t.Error("three claims at once: a quota for two would have stopped the exchange")
	}
	for i := range all.Items {
		claim := &all.Items[i]
		if !claim.DeletionTimestamp.IsZero() {
			claim.Finalizers = nil
			s.must(client.IgnoreNotFound(s.admin.Update(s.ctx, claim)))
			continue
		}
		volume := s.pv(claim.Spec.VolumeName)
		phase := corev1.ClaimPending
		if ref := volume.Spec.ClaimRef; ref != nil && ref.Name == claim.Name && ref.Namespace == claim.Namespace {
			phase = corev1.ClaimBound
		}
		if claim.Status.Phase != phase {
			claim.Status.Phase = phase
			s.must(s.admin.Status().Update(s.ctx, claim))
		}
	}
	for _, name := range []string{"files", "files-r1"} {
		volume := s.pv(s.volume(name))
		err := s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: volume.Spec.ClaimRef.Name}, &corev1.PersistentVolumeClaim{})
		if apierrors.IsNotFound(err) && volume.Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimDelete {
			s.t.Fatalf("volume %s is lost", volume.Name)
		}
	}
}

func (s *site) pv(name string) *corev1.PersistentVolume {
	s.t.Helper()
	volume := &corev1.PersistentVolume{}
	s.must(s.admin.Get(s.ctx, client.ObjectKey{Name: name}, volume))
	return volume
}

// exchange reconciles once.
func (s *site) exchange() (bool, *v1alpha1.Change, error) {
	g := s.golive("g")
	before, w := g.DeepCopy(), s.writer()
	session := w.Begin(g)
	grip, err := w.Leases.Keep(s.ctx, g, WishHold, "")
	if err != nil {
		return false, nil, err
	}
	done, foreign := false, (*v1alpha1.Change)(nil)
	if grip.Held && before.Held() != nil {
		done, foreign, err = session.Exchange(s.ctx, g, "SwitchFiles", filesExchange)
	}
	if errors.Is(err, errCrashed) {
		return false, nil, err
	}
	werr := w.Client.Status().Patch(s.ctx, g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return done, foreign, errors.Join(err, werr)
}

// guard fails the test when a claim is deleted that must not be yet.
func (s *site) guard() {
	s.onDelete = func(o client.Object) {
		for _, name := range []string{"files", "files-r1"} {
			if policy := s.pv(s.volume(name)).Spec.PersistentVolumeReclaimPolicy; policy != corev1.PersistentVolumeReclaimRetain {
				s.t.Errorf("claim %s is deleted while volume %s is not retained", o.GetName(), name)
			}
		}
		if ref := s.pv(s.volume("files-r1")).Spec.ClaimRef; o.GetName() == "files" && (ref == nil || ref.Name != "files") {
			s.t.Errorf("the live claim is deleted before the volume that comes is reserved: %v", ref)
		}
	}
}

func (s *site) exchanged() {
	s.t.Helper()
	s.guard()
	for range 40 {
		done, foreign, err := s.exchange()
		if foreign != nil || err != nil && !errors.Is(err, errCrashed) {
			s.t.Fatalf("foreign %v, error %v", foreign, err)
		}
		s.controllers()
		if done && err == nil {
			return
		}
	}
	s.t.Fatal("not exchanged after 40 reconciles")
}

func (s *site) wantExchanged() {
	s.t.Helper()
	for claim, volume := range map[string]string{"files": "files-r1", "files-replaced-r1": "files"} {
		got := &corev1.PersistentVolumeClaim{}
		s.must(s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: claim}, got))
		live := claim == "files"
		if got.Spec.VolumeName != s.volume(volume) || (got.Labels["app"] == "files") != live || (got.Annotations["team"] == "files") != live ||
			len(got.OwnerReferences) > 0 || got.Status.Phase != corev1.ClaimBound {
			s.t.Errorf("claim %s: %s on %s, labels %v, owners %v", claim, got.Status.Phase, got.Spec.VolumeName, got.Labels, got.OwnerReferences)
		}
		if _, kept := got.Annotations["pv.kubernetes.io/bind-completed"]; kept {
			s.t.Errorf("claim %s has the annotations of the controllers of volumes", claim)
		}
	}
	err := s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "files-r1"}, &corev1.PersistentVolumeClaim{})
	if !apierrors.IsNotFound(err) {
		s.t.Errorf("claim files-r1 is left: %v", err)
	}
}

func TestAnExchangeOfVolumesSurvivesACrashAtEveryWrite(t *testing.T) {
	clean := newSite(t)
	clean.volumes()
	clean.run("g")
	clean.exchanged()
	clean.wantExchanged()
	for n := range clean.writes {
		for _, after := range []bool{false, true} {
			t.Run(fmt.Sprintf("write %d, after=%v", n, after), func(t *testing.T) {
				s := newSite(t)
				s.volumes()
				s.run("g")
				s.crash, s.after = n, after
				s.exchanged()
				s.wantExchanged()
			})
		}
	}
}

// Somebody else's claim of the name under which the volume is to stay is not ours, even on that
// volume: the site's own claim would be deleted for it.
func TestAStrangersClaimKeepsNoVolume(t *testing.T) {
	for _, volume := range []string{"files", "other"} {
		t.Run(volume, func(t *testing.T) {
			s := newSite(t)
			s.volumes()
			s.run("g")
			theirs := &corev1.PersistentVolumeClaim{
				ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: filesExchange.Kept, Labels: map[string]string{"app": "theirs"}},
				Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce},
					StorageClassName: ptr.To("fast"), VolumeName: s.volume(volume),
					Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}}}
			s.must(s.admin.Create(s.ctx, theirs))
			var err error
			for range 10 {
				if _, _, err = s.exchange(); err != nil {
					break
				}
				s.controllers()
			}
			if !errors.Is(err, pipeline.ErrNameConflict) || !strings.Contains(err.Error(), filesExchange.Kept) {
				t.Errorf("error %v", err)
			}
			for _, name := range []string{"files", "files-r1"} {
				s.must(s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, &corev1.PersistentVolumeClaim{}))
			}
			theirs.Finalizers = nil
			s.must(s.admin.Update(s.ctx, theirs))
			s.must(s.admin.Delete(s.ctx, theirs))
			s.exchanged()
			s.wantExchanged()
		})
	}
}

// What GitOps does when a claim of its own is missing: it is made anew, without
// a volume. The reserved volume is what such a claim gets.
func TestAClaimMadeAnewByGitGetsTheReservedVolume(t *testing.T) {
	s := newSite(t)
	s.volumes()
	s.run("g")
	s.guard()
	key := client.ObjectKey{Namespace: s.namespace, Name: "files"}
	for range 40 {
		if _, _, err := s.exchange(); err != nil {
			t.Fatal(err)
		}
		s.controllers()
		if apierrors.IsNotFound(s.admin.Get(s.ctx, key, &corev1.PersistentVolumeClaim{})) {
			break
		}
	}
	s.must(s.admin.Create(s.ctx, &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "files", Labels: map[string]string{"app": "files"}, Annotations: map[string]string{"team": "files"}},
		Spec: corev1.PersistentVolumeClaimSpec{AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: ptr.To("fast"),
			VolumeName: s.volume("files-r1"), // as the controller that binds fills it in
			Resources:  corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}}},
	}))
	s.controllers()
	s.exchanged()
	s.wantExchanged()
}

func TestNothingIsDeletedWhenAVolumeIsNotRetained(t *testing.T) {
	s := newSite(t)
	s.volumes()
	s.run("g")
	s.guard()
	retain := func() bool {
		return s.pv(s.volume("files")).Spec.PersistentVolumeReclaimPolicy == corev1.PersistentVolumeReclaimRetain
	}
	for i := 0; !retain(); i++ {
		if _, _, err := s.exchange(); err != nil || i > 20 {
			t.Fatal("never retained", err)
		}
	}
	volume := s.pv(s.volume("files"))
	volume.Spec.PersistentVolumeReclaimPolicy = corev1.PersistentVolumeReclaimDelete
	s.must(s.admin.Update(s.ctx, volume))
	for range 10 {
		done, _, err := s.exchange()
		if done || err != nil {
			t.Fatalf("done %v, error %v", done, err)
		}
	}
	s.must(s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "files-r1"}, &corev1.PersistentVolumeClaim{}))
}
