// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"fmt"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/clock"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// Times of the lease.
const (
	// DefaultDuration: an operator restart and a leader's failover fit.
	DefaultDuration = 120 * time.Second
	// DefaultRenew is how often the holder shows that it lives.
	DefaultRenew = 15 * time.Second
)

// ErrLeaseLost says that somebody else holds the site's lease. The run must stop; it
// never takes the lease back by itself.
var ErrLeaseLost = errors.New("the site's lease was lost")

// Owner is a GoLive or Rollback: it has a journal and may hold a site's lease.
type Owner interface {
	pipeline.Owner
	SiteName() string
	Journal() *[]v1alpha1.Change
	Held() *v1alpha1.HeldLease
	SetHeld(*v1alpha1.HeldLease)
}

// LeaseName names the Lease of a site: lock, fence and point in one.
func LeaseName(site string) string { return "gradus-" + site }

// Identity is how an owner holds a lease. It names the run and not the
// process: the next leader goes on with the same run.
func Identity(owner pipeline.Owner) string {
	return owner.OwnerKind() + "/" + owner.GetName() + "/" + string(owner.GetUID())
}

// Wish is what a run wants of its lease in this reconcile.
type Wish string

// Wishes.
const (
	// WishNothing neither takes nor gives up; what is held is renewed.
	WishNothing Wish = "Nothing"
	// WishHold takes the lease unless it is held.
	WishHold Wish = "Hold"
	// WishCommit moves the point from Reversible to Committed.
	WishCommit Wish = "Commit"
	// WishWane does nothing, and lets the lease run out before the point of no
	// return: the watchdog takes the site over then.
	WishWane Wish = "Wane"
	// WishLetGo gives the lease up.
	WishLetGo Wish = "LetGo"
)

// Grip is what a reconcile knows of its lease.
type Grip struct {
	// Held: it is ours, with our number.
	Held bool
	// Lost: we held it, and somebody else took it.
	Lost bool
	// Holder is who holds it, if not we.
	Holder string
	Point  v1alpha1.LeasePoint
	// Fence is the lease's number; 0 when there is none.
	Fence int32
	// Unattended: it is ours, and was not renewed for longer than it should.
	Unattended bool
}

func gripOf(lease *coordinationv1.Lease) Grip {
	grip := Grip{Holder: holder(lease), Point: point(lease)}
	if lease != nil {
		grip.Fence = ptr.Deref(lease.Spec.LeaseTransitions, 0)
	}
	return grip
}

// Leases takes, renews, commits and lets go. One request writes at most once.
type Leases struct {
	Client client.Client
	Live   client.Reader
	Clock  clock.PassiveClock
	// Duration and Renew have defaults.
	Duration, Renew time.Duration
}

// Keep reads the lease live, carries out the wish, and renews what is held.
// From names a holder that gives way past the point of no return (a go-live to
// its rollback), or nobody.
func (l Leases) Keep(ctx context.Context, owner Owner, wish Wish, from string) (Grip, error) {
	lease, err := l.Get(ctx, owner)
	if err != nil {
		return Grip{}, err
	}
	if owner.Held() == nil {
		if wish != WishHold && holder(lease) != Identity(owner) { // taken before a crash
			return gripOf(lease), nil
		}
		return l.take(ctx, owner, lease, from)
	}
	if wish == WishLetGo && letGo(lease, owner) {
		owner.SetHeld(nil)
		return Grip{}, nil
	}
	if !mine(lease, owner) {
		grip := gripOf(lease)
		grip.Lost = true
		return grip, nil
	}
	return l.keep(ctx, owner, lease, wish)
}

// Look says how things stand with the owner's lease, and writes nothing.
func (l Leases) Look(ctx context.Context, owner Owner) (Grip, error) {
	lease, err := l.Get(ctx, owner)
	if err != nil {
		return Grip{}, err
	}
	grip := gripOf(lease)
	switch {
	case owner.Held() == nil:
	case mine(lease, owner):
		grip.Held, grip.Holder = true, ""
	default:
		grip.Lost = true
	}
	return grip, nil
}

// Fence fails with ErrLeaseLost unless the lease is ours with our number.
func (l Leases) Fence(ctx context.Context, owner Owner) error {
	lease, err := l.Get(ctx, owner)
	if err != nil {
		return err
	}
	if owner.Held() == nil || !mine(lease, owner) {
		return fmt.Errorf("%w: %q holds it", ErrLeaseLost, holder(lease))
	}
	return nil
}

// Get reads the lease of the owner's site past every cache; nil when there is none.
func (l Leases) Get(ctx context.Context, owner Owner) (*coordinationv1.Lease, error) {
	lease := &coordinationv1.Lease{}
	key := client.ObjectKey{Namespace: owner.GetNamespace(), Name: LeaseName(owner.SiteName())}
	err := l.Live.Get(ctx, key, lease)
	if apierrors.IsNotFound(err) {
		return nil, nil
	}
	if err != nil {
		return nil, fmt.Errorf("get Lease %s: %w", key, err)
	}
	return lease, nil
}

func (l Leases) take(ctx context.Context, owner Owner, lease *coordinationv1.Lease, from string) (Grip, error) {
	me := Identity(owner)
	switch who := holder(lease); {
	case lease == nil:
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), Name: LeaseName(owner.SiteName()),
		}}
		l.hold(lease, me, 1)
		setPoint(lease, firstPoint(from))
		if err := l.Client.Create(ctx, lease); err != nil {
			return Grip{}, fmt.Errorf("create Lease %s: %w", lease.Name, err)
		}
	case who == me: // taken before a crash
	case who == "", from != "" && who == from:
		l.hold(lease, me, ptr.Deref(lease.Spec.LeaseTransitions, 0)+1)
		// Who lets go takes the point off. A free lease that has one was emptied
		// by somebody, and says the truth.
		if who == "" && point(lease) != v1alpha1.PointCommitted {
			setPoint(lease, firstPoint(from))
		}
		if err := l.update(ctx, lease); err != nil {
			return Grip{}, err
		}
	default:
		return gripOf(lease), nil
	}
	return seize(owner, lease), nil
}

// firstPoint is that of a lease which nobody holds. Whoever gives way did so past
// the point of no return: that somebody deleted the lease, or had it meanwhile
// and let it go, did not make the database whole again.
func firstPoint(from string) v1alpha1.LeasePoint {
	if from != "" {
		return v1alpha1.PointCommitted
	}
	return v1alpha1.PointReversible
}

// Regain takes back a lease that nobody holds, because it was deleted, emptied,
// or taken over and let go: at a point, and with a number above all that the
// run ever had. It is for a run that has something to end; see closing.AfterLoss.
func (l Leases) Regain(ctx context.Context, owner Owner, at v1alpha1.LeasePoint) (Grip, error) {
	lease, err := l.Get(ctx, owner)
	if err != nil {
		return Grip{}, err
	}
	me, fence := Identity(owner), owner.Held().Fence+1
	switch who := holder(lease); {
	case lease == nil:
		lease = &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), Name: LeaseName(owner.SiteName()),
		}}
		l.hold(lease, me, fence)
		setPoint(lease, at)
		if err := l.Client.Create(ctx, lease); err != nil {
			return Grip{}, fmt.Errorf("create Lease %s: %w", lease.Name, err)
		}
	case who == me: // regained before a crash
	case who == "":
		l.hold(lease, me, max(fence, ptr.Deref(lease.Spec.LeaseTransitions, 0)+1))
		if point(lease) != v1alpha1.PointCommitted {
			setPoint(lease, at)
		}
		if err := l.update(ctx, lease); err != nil {
			return Grip{}, err
		}
	default:
		grip := gripOf(lease)
		grip.Lost = true
		return grip, nil
	}
	return seize(owner, lease), nil
}

func (l Leases) keep(ctx context.Context, owner Owner, lease *coordinationv1.Lease, wish Wish) (Grip, error) {
	switch {
	case wish == WishLetGo:
		lease.Spec.HolderIdentity = ptr.To("")
		setPoint(lease, "")
		if err := l.update(ctx, lease); err != nil {
			return Grip{}, err
		}
		owner.SetHeld(nil)
		return Grip{}, nil
	case wish == WishCommit && point(lease) == v1alpha1.PointReversible:
		setPoint(lease, v1alpha1.PointCommitted)
	case !l.due(lease), wish == WishWane && point(lease) == v1alpha1.PointReversible:
		return seize(owner, lease), nil
	}
	unattended := l.unattended(lease)
	l.hold(lease, Identity(owner), ptr.Deref(lease.Spec.LeaseTransitions, 0))
	if err := l.update(ctx, lease); err != nil {
		return Grip{}, err
	}
	grip := seize(owner, lease)
	grip.Unattended = unattended
	return grip, nil
}

// update writes the lease if nobody wrote it since it was read.
func (l Leases) update(ctx context.Context, lease *coordinationv1.Lease) error {
	if err := l.Client.Update(ctx, lease, client.FieldOwner(FieldOwner)); err != nil {
		return fmt.Errorf("update Lease %s: %w", lease.Name, err)
	}
	return nil
}
