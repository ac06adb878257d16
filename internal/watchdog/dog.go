// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"context"
	"errors"
	"fmt"
	"io"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/production"
)

// prefix of the lease's holder while the watchdog undoes the rest names.
const prefix = "Watchdog/"

// Dog watches the lease of one site.
type Dog struct {
	Client          client.Client
	Clock           clock.PassiveClock
	Namespace, Site string
	// Run is the holder whose journal it may read: it takes the lease from no other.
	Run string
	// Targets that the run may change: where our notes are if its journal is lost.
	Targets []v1alpha1.ChangeTarget
	// Duration of silence after which the lease is taken.
	Duration time.Duration
	// Poll is how often the lease is read, Alarm how often a closed site is told of.
	Poll, Alarm time.Duration
	Tell        Teller
	// Log takes what went wrong and stops nothing; nil is nowhere.
	Log io.Writer

	silence Silence
	alarmed time.Time
	// refused is what people were told that cannot be put back.
	refused string
	// nudged are the changes under way that can arrive no more.
	nudged map[string]bool
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
	// Refused is how many changes the API server does not let us put back.
	Refused int
	// Untold is how many Events could not be written.
	Untold int
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
	case who == prefix+d.Run:
		return d.undo(ctx, lease) // taken before we were restarted
	case d.silence.Total() < d.Duration:
		d.State.Abandoned = false
		return nil
	case lease.Annotations[v1alpha1.PointAnnotation] != string(v1alpha1.PointReversible):
		d.alarm(ctx, who)
	case who == d.Run:
		return d.takeOver(ctx, lease)
	}
	return nil
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
	d.tell(ctx, "LeaseTaken", fmt.Sprintf("%s was silent for %s before the point of no return: "+
		"its changes to the site are undone", was, d.silence.Total().Round(time.Second)))
	return d.undo(ctx, lease)
}

// tell tells people, and tells whether it could. Nothing waits for it: a quota
// for Events must not keep a site closed.
func (d *Dog) tell(ctx context.Context, reason, message string) bool {
	err := d.Tell.Tell(ctx, reason, message)
	if err == nil {
		return true
	}
	d.State.Untold++
	if d.Log != nil {
		fmt.Fprintf(d.Log, "gradus watchdog: %s: %v\n", reason, err)
	}
	return false
}

// undo puts everything back, and lets go. What the API server refuses is tried
// again at every poll: until it is put back nobody else may have the site.
func (d *Dog) undo(ctx context.Context, lease *coordinationv1.Lease) error {
	was := strings.TrimPrefix(*lease.Spec.HolderIdentity, prefix)
	// A journal that is known in part is undone as far as it is known.
	journal, unknown := d.journal(ctx, was)
	if unknown != nil && len(journal) == 0 {
		return unknown
	}
	if d.nudged == nil {
		d.nudged = map[string]bool{}
	}
	undoer := production.Undoer{
		Client: d.Client, Live: d.Client, Clock: d.Clock, Nudged: d.nudged,
		Fence: func(ctx context.Context) error { return d.fence(ctx, lease) },
	}
	done, err := undoer.Undo(ctx, d.Namespace, journal)
	d.tellRefused(ctx, journal)
	if err = errors.Join(unknown, err); err != nil || !done {
		return err
	}
	message := fmt.Sprintf("%d changes of %s are undone; the site is open as it was", len(journal), was)
	reason := "SiteReopened"
	if foreign := foreigners(journal); foreign != "" {
		reason, message = "SiteReopenedInPart", "left as somebody else wrote it: "+foreign
	}
	d.tell(ctx, reason, message)
	lease.Spec.HolderIdentity = ptr.To("")
	delete(lease.Annotations, v1alpha1.PointAnnotation)
	if err := d.Client.Update(ctx, lease); err != nil {
		return fmt.Errorf("let go of Lease %s: %w", lease.Name, err)
	}
	d.State.Undone++
	d.nudged = nil
	return nil
}

// tellRefused tells what keeps the site from being put back: once, and again
// when it is something else.
func (d *Dog) tellRefused(ctx context.Context, journal []v1alpha1.Change) {
	var all []string
	for _, c := range journal {
		if one := production.Refused([]v1alpha1.Change{c}); one != nil {
			value, command := production.Mend(d.Namespace, c, c.Before)
			all = append(all, fmt.Sprintf("%s of %s %s to %s (%s); by hand: %s",
				c.Field, c.Target.Kind, c.Target.Name, value, c.Foreign, command))
		}
	}
	d.State.Refused = len(all)
	said := strings.Join(all, "; ")
	if said == d.refused {
		return
	}
	d.refused = said
	if said != "" {
		d.tell(ctx, "UndoRefused", message.Clip("cannot be put back, and is tried again: "+said, message.Event))
	}
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
func (d *Dog) alarm(ctx context.Context, who string) {
	d.State.Abandoned = true
	now := d.Clock.Now()
	if !d.alarmed.IsZero() && now.Sub(d.alarmed) < d.Alarm {
		return
	}
	if d.tell(ctx, "SiteAbandoned", fmt.Sprintf("%s is silent for %s after the point of no return: "+
		"the site stays closed until the operator is back or a person decides; see docs/spec/production.md",
		who, d.silence.Total().Round(time.Second))) {
		d.alarmed = now
	}
}

// lostCause tells an error that ends a run of the watchdog from one to retry.
func lostCause(err error) bool { return errors.Is(err, context.Canceled) }
