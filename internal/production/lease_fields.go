// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// hold writes who holds the lease from now on.
func (l Leases) hold(lease *coordinationv1.Lease, who string, fence int32) {
	now := metav1.NewMicroTime(l.Clock.Now())
	if holder(lease) != who {
		lease.Spec.AcquireTime = &now
	}
	lease.Spec.HolderIdentity, lease.Spec.LeaseTransitions, lease.Spec.RenewTime = &who, &fence, &now
	lease.Spec.LeaseDurationSeconds = ptr.To(int32(l.duration().Seconds()))
}

func (l Leases) due(lease *coordinationv1.Lease) bool {
	return lease.Spec.RenewTime == nil || !l.Clock.Now().Before(lease.Spec.RenewTime.Add(l.Every()))
}

// unattended says that nobody was there to renew the lease, or could.
func (l Leases) unattended(lease *coordinationv1.Lease) bool {
	return lease.Spec.RenewTime != nil && l.Clock.Now().After(lease.Spec.RenewTime.Add(2*l.Every()))
}

// Every is how often a holder must be seen: a third of the lease at most.
func (l Leases) Every() time.Duration {
	every := l.Renew
	if every == 0 {
		every = DefaultRenew
	}
	return min(every, l.duration()/3)
}

func (l Leases) duration() time.Duration {
	if l.Duration == 0 {
		return DefaultDuration
	}
	return l.Duration
}

// seize records the lease in the owner's status.
func seize(owner Owner, lease *coordinationv1.Lease) Grip {
	at := point(lease)
	owner.SetHeld(&v1alpha1.HeldLease{Name: lease.Name, Fence: ptr.Deref(lease.Spec.LeaseTransitions, 0), Point: at})
	return Grip{Held: true, Point: at, Fence: owner.Held().Fence}
}

func mine(lease *coordinationv1.Lease, owner Owner) bool {
	return lease != nil && holder(lease) == Identity(owner) &&
		ptr.Deref(lease.Spec.LeaseTransitions, 0) == owner.Held().Fence
}

// letGo says that a run which wants to let its lease go need not any more: it did, before a
// crash, and somebody may hold the site since; or the lease was taken from it. A free one that
// says Committed under its number was emptied: it takes that back, and lets it go as it should be.
func letGo(lease *coordinationv1.Lease, owner Owner) bool {
	switch holder(lease) {
	case Identity(owner):
		return false
	case "":
		return point(lease) != v1alpha1.PointCommitted || ptr.Deref(lease.Spec.LeaseTransitions, 0) > owner.Held().Fence
	}
	return true
}

func holder(lease *coordinationv1.Lease) string {
	if lease == nil {
		return ""
	}
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}

func point(lease *coordinationv1.Lease) v1alpha1.LeasePoint {
	if lease == nil {
		return ""
	}
	return v1alpha1.LeasePoint(lease.Annotations[v1alpha1.PointAnnotation])
}

func setPoint(lease *coordinationv1.Lease, at v1alpha1.LeasePoint) {
	if at == "" {
		delete(lease.Annotations, v1alpha1.PointAnnotation)
		return
	}
	if lease.Annotations == nil {
		lease.Annotations = map[string]string{}
	}
	lease.Annotations[v1alpha1.PointAnnotation] = string(at)
}
