// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"encoding/json"
	"fmt"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/watchdog"
)

// Names and reasons by which the lease's keeper knows what a run wants.
const (
	StepTakeLease     = "TakeLease"
	StepCommit        = "Commit"
	stepStartWatchdog = "StartWatchdog"
	stepHoldingPage   = "HoldingPage"
	stepSmoke         = "Smoke"
	stepUndo          = "Undo"
	reasonTaking      = "TakingLease"
	reasonReleasing   = "ReleasingLease"
	reasonCommitting  = "Committing"
	reasonRefused     = "ChangeRefused"
)

// Wish says what a run wants of the lease, by its ledger alone. A site that nobody gives way on
// is taken once it was seen to be free, and open.
func Wish(ledger []v1alpha1.StepStatus, from string) production.Wish {
	wish := production.WishNothing
	for _, entry := range ledger {
		working := entry.State == v1alpha1.StepRunning || entry.State == v1alpha1.StepWaiting
		switch {
		case !working:
		case entry.Name == StepTakeLease && (from != "" || entry.Reason == reasonTaking):
			wish = production.WishHold
		case entry.Reason == reasonReleasing:
			return production.WishLetGo
		}
	}
	return wish
}

// Taking says whether a ledger stands where a lease is taken that was seen to be free.
func Taking(ledger []v1alpha1.StepStatus) bool {
	return slices.ContainsFunc(ledger, func(e v1alpha1.StepStatus) bool {
		return e.Name == StepTakeLease && e.Reason == reasonTaking
	})
}

// Committing says whether the ledger stands right before the point of no return.
func Committing(ledger []v1alpha1.StepStatus) bool {
	for _, entry := range ledger {
		if entry.Name == StepCommit {
			return entry.State == v1alpha1.StepRunning && entry.Reason == reasonCommitting
		}
	}
	return false
}

// TakeLease waits until the site is ours. The lease itself is taken by the
// controller, when the ledger stands here.
func TakeLease[V Stage]() pipeline.Step[V] {
	return pipeline.Step[V]{
		Name: StepTakeLease,
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			switch {
			case s.Site == nil: // deleted while it was held by somebody else
				return pipeline.Fail(v1alpha1.SiteNotFoundReason, "Site %s was deleted", s.Owner.SiteName())
			case s.Held():
				return pipeline.Pass("the site is held by %s", s.Owner.GetName())
			case s.HolderGone && s.Committed():
				return pipeline.Await(v1alpha1.SiteBusyReason, "%s", s.leftHeld()).By(seen.Now.Add(15 * time.Second))
			case s.Grip.Holder != "":
				return pipeline.Await(v1alpha1.SiteBusyReason, "Site %s is held by %s", s.Site.Name, s.Grip.Holder).
					By(seen.Now.Add(15 * time.Second))
			}
			if shut := s.shut(seen.Now); shut != nil {
				return *shut
			}
			return pipeline.Wait(reasonTaking, "taking the lease of Site %s", s.Site.Name).By(seen.Now.Add(time.Second))
		},
	}
}

// shut says that another run has shut the site, whose lease was deleted or emptied: it takes that
// again, and goes on. A lease that still says Committed is the way to go on from a run that is
// lost, for a rollback that takes over the page which that left. Where there is no page, any run
// would begin past the point of no return, on a site that may be open.
func (s *Scene) shut(now time.Time) *pipeline.Verdict {
	busy := func(why string) *pipeline.Verdict {
		no := pipeline.Await(v1alpha1.SiteBusyReason, "%s", why).By(now.Add(15 * time.Second))
		return &no
	}
	run, command := production.ShutBy(s.Owner, s.Door)
	switch {
	case run != "" && (!s.Committed() || !slices.Contains(s.Inherits, run)):
		return busy(LeftShut(s.Site.Name, run, command))
	case run == "" && s.Committed():
		return busy(LeftCommitted(s.Site.Namespace, s.Site.Name))
	}
	return nil
}

// LeftShut tells of a site that a run has shut, whose lease nobody holds, and how it is opened.
func LeftShut(site, run, command string) string {
	return fmt.Sprintf("nobody holds the lease of Site %s, and users see the holding page of %s: that run, or a Rollback "+
		"that took the site over from it, takes the lease again and goes on. Only where there is none any more, and "+
		"database and workloads are sound, open the site: %s", site, run, command)
}

// leftHeld tells of a lease that a run holds which is no more: how it is freed where this run goes
// on from what that left, and how it is deleted where nobody can.
func (s *Scene) leftHeld() string {
	lease := production.LeaseName(s.Site.Name)
	how := "Only where database and workloads are sound: kubectl delete lease -n %s %s"
	if run, _ := production.ShutBy(s.Owner, s.Door); run != "" && slices.Contains(s.Inherits, run) {
		how = `This run goes on from it when the lease is free: kubectl patch lease -n %s %s --type merge ` +
			`-p '{"spec":{"holderIdentity":""}}'`
	}
	return fmt.Sprintf("Lease %s is held by %s, which does not exist any more. "+how+
		" (verb breaklock on sites.lms.gradus.dev)", lease, s.Grip.Holder, s.Site.Namespace, lease)
}

// LeftCommitted tells of a free lease that says how far a run was, and how it is deleted.
func LeftCommitted(namespace, site string) string {
	lease := production.LeaseName(site)
	return fmt.Sprintf("nobody holds Lease %s, and it says that a run was past the point of no return: that run, or a "+
		"Rollback that took the site over from it, takes it again and goes on. Only where there is none any more, and "+
		"database and workloads are sound: kubectl delete lease -n %s %s (verb breaklock on sites.lms.gradus.dev)",
		lease, namespace, lease)
}

// StartWatchdog makes the watchdog before the first change, and waits until
// it watches.
func StartWatchdog[V Stage]() pipeline.Step[V] {
	return Guarded(pipeline.Step[V]{
		Name: stepStartWatchdog,
		Create: func(v V, _ pipeline.At) []client.Object {
			s := v.Stage()
			return watchdog.Spec{Namespace: s.Site.Namespace, Site: s.Site.Name, Image: s.Image, Owner: s.Owner,
				Targets: s.Targets(), Duration: s.LeaseDuration}.Objects()
		},
		Judge:   available[V]("StartingWatchdog", "the watchdog"),
		Timeout: Within[V](5 * time.Minute), Insists: Committed[V],
	})
}

// available waits for the step's Deployment.
func available[V any](reason, what string) func(V, pipeline.At, pipeline.Seen) pipeline.Verdict {
	return func(_ V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if d, ok := pipeline.First[*appsv1.Deployment](seen); ok && d != nil && d.Status.AvailableReplicas > 0 {
			return pipeline.Pass("%s runs", what)
		}
		return pipeline.Wait(reason, "%s starts", what)
	}
}

// HandOver takes our notes off what stays, and removes what we put beside it,
// and what those put there from whom the run took over.
func HandOver[V Stage](run func(V) Run, before func(V) []v1alpha1.StepStatus) pipeline.Step[V] {
	return pipeline.Step[V]{
		Name: "HandOver",
		Change: func(v V, _ pipeline.At) []v1alpha1.Change {
			var kept, left []v1alpha1.Change
			for _, c := range production.Open(*v.Stage().Owner.Journal()) {
				switch c.Undo {
				case v1alpha1.UndoNever:
					kept = append(kept, c)
				case v1alpha1.UndoAlways: // outlives the run: aftercare puts it back
				default:
					left = append(left, c)
				}
			}
			return append(production.Back(left), production.Keep(kept)...)
		},
		Remove: func(v V, _ pipeline.At) []v1alpha1.ChildRef {
			return append(Beside(run(v)), Recorded(before(v))...)
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			if verdict, ok := v.Stage().standing(seen, "what is held is given back"); !ok {
				return verdict
			}
			if seen.Left > 0 {
				return pipeline.Wait("Removing", "watchdog and holding page go").By(seen.Now.Add(2 * time.Second))
			}
			return pipeline.Pass("nothing of the site is held by Gradus")
		},
	}
}

// ReleaseLease lets the site go.
func ReleaseLease[V Stage]() pipeline.Step[V] {
	return pipeline.Step[V]{Name: "ReleaseLease", Judge: released[V]}
}

func released[V Stage](v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
	if v.Stage().Owner.Held() == nil {
		return pipeline.Pass("the lease is free")
	}
	return pipeline.Wait(reasonReleasing, "letting go of the lease").By(seen.Now.Add(time.Second))
}

// selectorOf reads a recorded selector.
func selectorOf(value *apiextensionsv1.JSON) map[string]string {
	if value == nil {
		return nil
	}
	var selector map[string]string
	if json.Unmarshal(value.Raw, &selector) != nil {
		return nil
	}
	return selector
}
