// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"encoding/json"
	"fmt"
	"strings"

	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// The exchange of two volumes behind the name of a claim, in an order that a
// crash between any two lines leaves safe:
//
//	retain   both volumes keep their data whatever becomes of their claims
//	free     the claim of the volume that comes is deleted
//	keep     a claim for the volume that goes, which knows the labels of the live one
//	reserve  the volume that comes belongs to the live claim's name
//	swap     the live claim is deleted, and made again on the volume that comes
//	hand     the volume that goes belongs to the claim made for it
//
// Were the live claim deleted before the other volume is reserved for its
// name, a StatefulSet or a pipeline would make it anew and get an empty volume.
// There are never more than two claims: a quota that let the second be made
// does not stop an exchange half-way.

// claims of an exchange as they are; nil where there is none.
type claims struct {
	live, beside, kept *corev1.PersistentVolumeClaim
	// goes and comes are the volumes.
	goes, comes string
}

// Exchange carries one exchange on, and says whether it is done. The site must
// be closed and without pods. Deleting a claim of the site is the one thing
// that Gradus deletes there: by UID, with both volumes read live as Retain and
// the other volume reserved.
func (s *Session) Exchange(
	ctx context.Context, owner pipeline.Owner, step string, x pipeline.Exchange,
) (bool, *v1alpha1.Change, error) {
	now, err := s.readClaims(ctx, x)
	if err != nil {
		return false, nil, err
	}
	if now.goes, now.comes, err = s.volumes(x, now); err != nil {
		return false, nil, err
	}
	if reserved, foreign, err := s.reserve(ctx, owner, step, x, now); !reserved || err != nil {
		return false, foreign, err
	}
	if swapped, err := s.swap(ctx, x, now); !swapped || err != nil {
		return false, nil, err
	}
	hand := s.claimRef("hand-"+x.ID, now.goes, x.Kept)
	if stands, foreign, err := s.Ensure(ctx, owner, step, hand); !stands || err != nil {
		return false, foreign, err
	}
	return bound(now.live, now.comes) && bound(now.kept, now.goes), nil, nil
}

// reserve goes as far as the live claim can be deleted: retain, free, keep, reserve.
func (s *Session) reserve(
	ctx context.Context, owner pipeline.Owner, step string, x pipeline.Exchange, now claims,
) (bool, *v1alpha1.Change, error) {
	const kind, field = "PersistentVolume", v1alpha1.FieldReclaimPolicy
	retain := []v1alpha1.Change{
		Want("retain-live-"+x.ID, kind, now.goes, field, "", retained, v1alpha1.UndoNever),
		Want("retain-new-"+x.ID, kind, now.comes, field, "", retained, v1alpha1.UndoNever),
	}
	if stands, foreign, err := s.Ensure(ctx, owner, step, retain); !stands || err != nil {
		return false, foreign, err
	}
	switch {
	case now.kept != nil && !now.keeps():
		return false, nil, fmt.Errorf("claim %s, which is to keep volume %s: %w", x.Kept, now.goes, pipeline.ErrNameConflict)
	case now.beside != nil:
		return false, nil, s.deleteClaim(ctx, now.beside)
	case now.kept == nil:
		return false, nil, s.keepClaim(ctx, x, now)
	}
	return s.Ensure(ctx, owner, step, s.claimRef("reserve-"+x.ID, now.comes, x.Claim))
}

// keeps says whether the kept claim is the one that Gradus made. One that a person made anew as
// they were told is as good, once the live claim is gone.
func (c claims) keeps() bool {
	made := c.kept.Annotations[wasAnnotation] != ""
	return c.kept.Spec.VolumeName == c.goes && (made || c.live == nil || c.live.Spec.VolumeName != c.goes)
}

// swap deletes the live claim and makes it again on the volume that comes. It
// says whether the claim is there; the volume may be yet to be bound.
func (s *Session) swap(ctx context.Context, x pipeline.Exchange, now claims) (bool, error) {
	switch {
	case now.live == nil:
		return false, s.makeClaim(ctx, now.kept, remembered(now.kept), x.Claim, now.comes)
	case now.live.Spec.VolumeName == now.goes:
		return false, s.deleteClaim(ctx, now.live)
	case now.live.Spec.VolumeName != "" && now.live.Spec.VolumeName != now.comes:
		return false, fmt.Errorf("claim %s was made anew by somebody, on volume %s instead of %s: delete it, "+
			"with its volume retained, and Gradus goes on", x.Claim, now.live.Spec.VolumeName, now.comes)
	}
	return true, nil
}

const retained = string(corev1.PersistentVolumeReclaimRetain)

func bound(claim *corev1.PersistentVolumeClaim, volume string) bool {
	return claim.Status.Phase == corev1.ClaimBound && claim.Spec.VolumeName == volume
}

// claimRef re-points a volume to a claim of the site's namespace.
func (s *Session) claimRef(id, volume, claim string) []v1alpha1.Change {
	place := map[string]string{"namespace": s.owner.GetNamespace(), "name": claim}
	return []v1alpha1.Change{
		Want(id, "PersistentVolume", volume, v1alpha1.FieldClaimRef, "", place, v1alpha1.UndoNever),
	}
}

// volumes tells which volume goes and which comes: from the claims at first,
// and from the journal ever after, for the claims change.
func (s *Session) volumes(x pipeline.Exchange, now claims) (goes, comes string, err error) {
	live, other := s.find("retain-live-"+x.ID), s.find("retain-new-"+x.ID)
	switch {
	case live != nil && other != nil:
		return live.Target.Name, other.Target.Name, nil
	case now.live == nil:
		return "", "", fmt.Errorf("claim %s does not exist", x.Claim)
	case now.beside == nil:
		return "", "", fmt.Errorf("claim %s, made from the backup, does not exist", x.Beside)
	case now.live.Spec.VolumeName == "":
		return "", "", fmt.Errorf("claim %s has no volume", x.Claim)
	case now.beside.Spec.VolumeName == "":
		return "", "", fmt.Errorf("claim %s, made from the backup, has no volume yet", x.Beside)
	}
	return now.live.Spec.VolumeName, now.beside.Spec.VolumeName, nil
}

func (s *Session) readClaims(ctx context.Context, x pipeline.Exchange) (claims, error) {
	var now claims
	for name, into := range map[string]**corev1.PersistentVolumeClaim{
		x.Claim: &now.live, x.Beside: &now.beside, x.Kept: &now.kept,
	} {
		claim := &corev1.PersistentVolumeClaim{}
		err := s.writer.Live.Get(ctx, client.ObjectKey{Namespace: s.owner.GetNamespace(), Name: name}, claim)
		switch {
		case apierrors.IsNotFound(err):
			continue
		case err != nil:
			return now, fmt.Errorf("get PersistentVolumeClaim %s: %w", name, err)
		}
		*into = claim
	}
	return now, nil
}

// wasAnnotation keeps, at the claim of a volume that was switched away, the
// labels and annotations of the live claim. They are not the kept claim's own:
// a GitOps controller that knows its objects by label would prune it.
const wasAnnotation = "lms.gradus.dev/was"

// was is what that annotation holds.
type was struct {
	Labels      map[string]string `json:"labels,omitempty"`
	Annotations map[string]string `json:"annotations,omitempty"`
}

// keepClaim makes the claim under which the volume that goes stays. It knows
// the live claim's labels: from it the live one is made again.
func (s *Session) keepClaim(ctx context.Context, x pipeline.Exchange, now claims) error {
	if now.live == nil || now.live.Spec.VolumeName != now.goes {
		return fmt.Errorf("claim %s, which keeps volume %s, is gone: make it anew on that volume, "+
			"with the annotations of %s, and Gradus goes on", x.Kept, now.goes, x.Claim)
	}
	note, err := json.Marshal(was{Labels: now.live.Labels, Annotations: ownNotes(now.live.Annotations)})
	if err != nil {
		return fmt.Errorf("note the labels of claim %s: %w", x.Claim, err)
	}
	own := was{Annotations: map[string]string{wasAnnotation: string(note)}}
	return s.makeClaim(ctx, now.live, own, x.Kept, now.goes)
}

// remembered gives the labels and annotations that the live claim had.
func remembered(kept *corev1.PersistentVolumeClaim) was {
	var out was
	if err := json.Unmarshal([]byte(kept.Annotations[wasAnnotation]), &out); err != nil {
		return was{Labels: kept.Labels, Annotations: ownNotes(kept.Annotations)} // a person made it anew
	}
	return out
}

// makeClaim makes a claim like another, on a volume. It is nobody's child:
// nothing that is deleted later takes it along.
func (s *Session) makeClaim(
	ctx context.Context, like *corev1.PersistentVolumeClaim, own was, name, volume string,
) error {
	if err := s.writer.Leases.Fence(ctx, s.owner); err != nil {
		return err
	}
	claim := &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: like.Namespace, Name: name, Labels: own.Labels, Annotations: own.Annotations,
		},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: like.Spec.AccessModes, Resources: like.Spec.Resources, StorageClassName: like.Spec.StorageClassName,
			VolumeMode: like.Spec.VolumeMode, VolumeName: volume,
		},
	}
	s.wrote = true
	err := s.writer.Client.Create(ctx, claim, client.FieldOwner(FieldOwner))
	if err != nil && !apierrors.IsAlreadyExists(err) {
		return fmt.Errorf("create PersistentVolumeClaim %s on volume %s: %w", name, volume, err)
	}
	return nil
}

// ownNotes are the annotations of a claim but for those that the controllers
// of volumes keep there.
func ownNotes(all map[string]string) map[string]string {
	out := map[string]string{}
	for key, value := range all {
		if strings.HasPrefix(key, "pv.kubernetes.io/") || strings.HasPrefix(key, "volume.") {
			continue
		}
		out[key] = value
	}
	return out
}

// deleteClaim deletes a claim by UID; its volume was read live as retained.
func (s *Session) deleteClaim(ctx context.Context, claim *corev1.PersistentVolumeClaim) error {
	if !claim.DeletionTimestamp.IsZero() {
		return nil // it waits for pods that mount it
	}
	if err := s.writer.Leases.Fence(ctx, s.owner); err != nil {
		return err
	}
	s.wrote = true
	err := s.writer.Client.Delete(ctx, claim, client.Preconditions{UID: ptr.To(claim.UID)})
	if err != nil && !apierrors.IsNotFound(err) && !apierrors.IsConflict(err) {
		return fmt.Errorf("delete PersistentVolumeClaim %s: %w", claim.Name, err)
	}
	return nil
}
