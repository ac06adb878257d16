// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
)

// prefix of the lease's holder while the watchdog undoes the rest names.
const prefix = "Watchdog/"

// Dog watches the lease of one site.
type Dog struct {
	Client          client.Client
	Clock           clock.PassiveClock
	Namespace, Site string
	// Targets that the run may change: where our notes are if its journal is lost.
	Targets []v1alpha1.ChangeTarget
	// Duration of silence after which the lease is taken.
	Duration time.Duration
	// Poll is how often the lease is read, Alarm how often a closed site is told of.
	Poll, Alarm time.Duration
	Tell        Teller

	silence Silence
	alarmed time.Time
	// State is for /metrics and readiness.
	State State
}

// State is what the watchdog last knew.
type State struct {
	// Ready: the lease was read.
	Ready bool
	// Silence since the holder was last seen.
	Silence time.Duration
	// Abandoned: the point is Committed and nobody renews.
	Abandoned bool
	// Undone is how many runs were undone.
	Undone int
}

// Teller tells people.
type Teller interface {
	Tell(ctx context.Context, reason, message string) error
}

// Look polls once and does what is due.
func (d *Dog) Look(ctx context.Context) error {
	d.silence.Longest = 2 * d.Poll
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: d.Namespace, Name: production.LeaseName(d.Site)}
	err := d.Client.Get(ctx, key, lease)
	if apierrors.IsNotFound(err) {
		d.silence.Heard("", d.Clock.Now())
		d.State.Ready, d.State.Silence, d.State.Abandoned = true, 0, false
		return nil
	}
	if err != nil {
		d.silence.Missed()
		d.State.Silence = d.silence.Total()
		return fmt.Errorf("get Lease %s: %w", key.Name, err)
	}
	who := ptr.Deref(lease.Spec.HolderIdentity, "")
	d.silence.Heard(record(lease), d.Clock.Now())
	d.State.Ready, d.State.Silence = true, d.silence.Total()
	switch {
	case who == "":
		d.State.Silence, d.State.Abandoned = 0, false
		return nil
	case strings.HasPrefix(who, prefix):
		return d.undo(ctx, lease) // taken before we were restarted
	case d.silence.Total() < d.Duration:
		d.State.Abandoned = false
		return nil
	case lease.Annotations[v1alpha1.PointAnnotation] == string(v1alpha1.PointReversible):
		return d.takeOver(ctx, lease)
	}
	return d.alarm(ctx, who)
}

// record is what changes when the holder lives.
func record(lease *coordinationv1.Lease) string {
	renewed := ""
	if lease.Spec.RenewTime != nil {
		renewed = lease.Spec.RenewTime.UTC().Format(time.RFC3339Nano)
	}
	return fmt.Sprintf("%s %s %d %s %s", lease.UID, ptr.Deref(lease.Spec.HolderIdentity, ""),
		ptr.Deref(lease.Spec.LeaseTransitions, 0), renewed, lease.Annotations[v1alpha1.PointAnnotation])
}

// takeOver is one compare-and-swap against the holder's renewal and commit.
func (d *Dog) takeOver(ctx context.Context, lease *coordinationv1.Lease) error {
	was := *lease.Spec.HolderIdentity
	now := metav1.NewMicroTime(d.Clock.Now())
	lease.Spec.HolderIdentity = ptr.To(prefix + was)
	lease.Spec.LeaseTransitions = ptr.To(ptr.Deref(lease.Spec.LeaseTransitions, 0) + 1)
	lease.Spec.AcquireTime, lease.Spec.RenewTime = &now, &now
	if err := d.Client.Update(ctx, lease); err != nil {
		if apierrors.IsConflict(err) {
			return nil // somebody lives
		}
		return fmt.Errorf("take Lease %s: %w", lease.Name, err)
	}
	if err := d.Tell.Tell(ctx, "LeaseTaken", fmt.Sprintf("%s was silent for %s before the point of no return: "+
		"its changes to the site are undone", was, d.silence.Total().Round(time.Second))); err != nil {
		return err
	}
	return d.undo(ctx, lease)
}

// undo puts everything back, and lets go when all is told.
func (d *Dog) undo(ctx context.Context, lease *coordinationv1.Lease) error {
	was := strings.TrimPrefix(*lease.Spec.HolderIdentity, prefix)
	journal, err := d.journal(ctx, was)
	if err != nil {
		return err
	}
	undoer := production.Undoer{
		Client: d.Client, Live: d.Client, Clock: d.Clock, Successor: true,
		Fence: func(ctx context.Context) error { return d.fence(ctx, lease) },
	}
	done, err := undoer.Undo(ctx, d.Namespace, journal)
	if err != nil || !done {
		return err
	}
	message := fmt.Sprintf("%d changes of %s are undone; the site is open as it was", len(journal), was)
	reason := "SiteReopened"
	if foreign := foreigners(journal); foreign != "" {
		reason, message = "SiteReopenedInPart", "left as somebody else wrote it: "+foreign
	}
	if err := d.Tell.Tell(ctx, reason, message); err != nil {
		return err
	}
	lease.Spec.HolderIdentity = ptr.To("")
	delete(lease.Annotations, v1alpha1.PointAnnotation)
	if err := d.Client.Update(ctx, lease); err != nil {
		return fmt.Errorf("let go of Lease %s: %w", lease.Name, err)
	}
	d.State.Undone++
	return nil
}

func (d *Dog) fence(ctx context.Context, mine *coordinationv1.Lease) error {
	now := &coordinationv1.Lease{}
	if err := d.Client.Get(ctx, client.ObjectKeyFromObject(mine), now); err != nil {
		return err
	}
	if ptr.Deref(now.Spec.HolderIdentity, "") != *mine.Spec.HolderIdentity ||
		ptr.Deref(now.Spec.LeaseTransitions, 0) != ptr.Deref(mine.Spec.LeaseTransitions, 0) {
		return production.ErrLeaseLost
	}
	return nil
}

func foreigners(journal []v1alpha1.Change) string {
	var out []string
	for _, c := range journal {
		if c.State == v1alpha1.ChangeForeign {
			out = append(out, fmt.Sprintf("%s of %s %s (%s)", c.Field, c.Target.Kind, c.Target.Name, c.Foreign))
		}
	}
	return strings.Join(out, ", ")
}

// journal reads what the holder recorded; when the object is lost, our notes
// on the targets tell the same.
func (d *Dog) journal(ctx context.Context, holder string) ([]v1alpha1.Change, error) {
	kind, rest, _ := strings.Cut(holder, "/")
	name, uid, _ := strings.Cut(rest, "/")
	var owner production.Owner = &v1alpha1.GoLive{}
	if kind == "Rollback" {
		owner = &v1alpha1.Rollback{}
	}
	err := d.Client.Get(ctx, client.ObjectKey{Namespace: d.Namespace, Name: name}, owner)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get %s %s: %w", kind, name, err)
	}
	if err == nil && string(owner.GetUID()) == uid {
		return *owner.Journal(), nil
	}
	return production.Recover(ctx, d.Client, d.Namespace, holder, d.Targets)
}

// alarm tells that a closed site has no keeper, now and then.
func (d *Dog) alarm(ctx context.Context, who string) error {
	d.State.Abandoned = true
	now := d.Clock.Now()
	if !d.alarmed.IsZero() && now.Sub(d.alarmed) < d.Alarm {
		return nil
	}
	err := d.Tell.Tell(ctx, "SiteAbandoned", fmt.Sprintf("%s is silent for %s after the point of no return: "+
		"the site stays closed until the operator is back or a person decides; see docs/spec/production.md",
		who, d.silence.Total().Round(time.Second)))
	if err == nil {
		d.alarmed = now
	}
	return err
}

// lostCause tells an error that ends a run of the watchdog from one to retry.
func lostCause(err error) bool { return errors.Is(err, context.Canceled) }
