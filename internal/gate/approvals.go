// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"cmp"
	"fmt"
	"slices"
	"strings"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
)

// maxCounted is the API's bound on those who count, and on those who do not.
const maxCounted = 32

// DefaultValidDays after which approvals must be given again.
const DefaultValidDays = 14

// Terms gives what a gate needs: what the plan says, else one of its
// approvers, else one person who may approve and is no author.
func Terms(control v1alpha1.ChangeControl, name string) v1alpha1.GateTerms {
	for _, g := range control.Gates {
		if g.Name == name {
			return g
		}
	}
	return v1alpha1.GateTerms{Name: name}
}

// Asked says whether the plan has a gate of this name. GoLive always has one.
func Asked(control v1alpha1.ChangeControl, name string) bool {
	return name == v1alpha1.GateGoLive ||
		slices.ContainsFunc(control.Gates, func(g v1alpha1.GateTerms) bool { return g.Name == name })
}

// Count decides whether the approvals of a gate suffice. Authors and
// requesters of the plan never count, service accounts only where the gate
// allows them. One rejection that binds to the digest closes the gate.
func Count(
	plan *v1alpha1.UpgradePlan, name, digest string, approvals []v1alpha1.UpgradeApproval, now time.Time,
) v1alpha1.GateStatus {
	terms := Terms(plan.Spec.ChangeControl, name)
	gate := v1alpha1.GateStatus{Name: name, State: v1alpha1.GateWaiting, Digest: digest}
	control := plan.Spec.ChangeControl
	b := ballot{
		asked: asked{name: plan.Name, authors: Authors(plan), own: "is an author of the plan",
			requesters: control.Requesters},
		approvers: control.Approvers, terms: terms, gate: &gate, digest: digest, now: now,
	}
	b.count(approvals, func(a v1alpha1.UpgradeApproval) bool {
		return a.Spec.PlanRef != nil && a.Spec.PlanRef.Name == plan.Name
	}, func(a v1alpha1.UpgradeApproval) bool {
		return a.Spec.PlanRef.UID == "" || a.Spec.PlanRef.UID == plan.UID
	})
	return gate
}

// asked is the object about which people decide.
type asked struct {
	name string
	// authors do not decide on what is their own; own says so.
	authors []string
	own     string
	// requesters are named by the object and do not decide either.
	requesters []string
}

// ballot counts the approvals of one gate.
type ballot struct {
	asked
	approvers  []string
	terms      v1alpha1.GateTerms
	gate       *v1alpha1.GateStatus
	digest     string
	now        time.Time
	rejected   string
	overridden bool
}

// count decides by the approvals about an object: about says by name which
// these are, same whether one was given for this object and no earlier one.
func (b *ballot) count(approvals []v1alpha1.UpgradeApproval, about, same func(v1alpha1.UpgradeApproval) bool) {
	approvals = slices.Clone(approvals)
	slices.SortStableFunc(approvals, func(x, y v1alpha1.UpgradeApproval) int {
		return x.CreationTimestamp.Compare(y.CreationTimestamp.Time)
	})
	var fresh []v1alpha1.UpgradeApproval
	for _, a := range approvals {
		if a.Spec.Gate == b.gate.Name && about(a) && b.admit(a, same(a)) {
			fresh = append(fresh, a)
		}
	}
	b.fill(fresh)
	switch {
	case b.rejected != "":
		b.gate.State, b.gate.Missing = v1alpha1.GateRejected, []string{"rejected by " + b.rejected}
	case b.overridden || len(b.gate.Missing) == 0:
		b.gate.State, b.gate.Missing = v1alpha1.GateOpened, nil
	}
}

// admit says whether a decision is one to be counted, and notes why not.
func (b *ballot) admit(a v1alpha1.UpgradeApproval, same bool) bool {
	who := a.Spec.Approver
	refuse := func(format string, args ...any) bool {
		if len(b.gate.NotCounted) < maxCounted {
			b.gate.NotCounted = append(b.gate.NotCounted, v1alpha1.UncountedApproval{
				Who: cmp.Or(who, "somebody"), Why: message.Clip(fmt.Sprintf(format, args...), message.Line),
			})
		}
		return false
	}
	expires := a.CreationTimestamp.AddDate(0, 0, int(cmp.Or(b.terms.ValidDays, DefaultValidDays)))
	if why := b.misses(a, same); why != "" {
		return refuse("%s", why)
	}
	if a.Spec.Decision == v1alpha1.DecisionReject {
		b.rejected = who
		return false
	}
	switch own := b.wrote(who); {
	case own != "":
		return refuse("%s", own)
	case strings.HasPrefix(who, "system:serviceaccount:") && b.terms.Automation != "Allow":
		return refuse("is a service account; approve as a person: create an UpgradeApproval of gate %s with kubectl",
			b.gate.Name)
	case b.now.After(expires):
		return refuse("expired on %s", expires.Format(time.DateOnly))
	}
	until := metav1.NewTime(expires)
	if b.gate.ValidUntil == nil || until.Before(b.gate.ValidUntil) {
		b.gate.ValidUntil = &until
	}
	if a.Spec.Decision == v1alpha1.DecisionOverride {
		// It opens the gate by itself, and the record says so.
		b.overridden = true
		b.note(a, "override")
		return false
	}
	return true
}

// wrote says why a decision may be about what is somebody's own.
func (b *ballot) wrote(who string) string {
	switch {
	case len(b.authors) == 0:
		return "nobody is recorded as the author of " + b.name + ": the admission policies of Gradus were not in force"
	case slices.Contains(b.authors, who):
		return b.own
	case slices.Contains(b.requesters, who):
		return "is named in requesters"
	}
	return ""
}

// misses says why a decision, for or against, is not about this subject.
func (b *ballot) misses(a v1alpha1.UpgradeApproval, same bool) string {
	switch {
	case !same:
		return "was given for an earlier plan of this name"
	case a.Spec.Digest != b.digest:
		return fmt.Sprintf("was given for another subject (%s)", short(a.Spec.Digest))
	case a.Spec.Approver == "":
		return "has no approver: the admission policies of Gradus are not in force"
	}
	return ""
}

// fill seats people in the quorums. One person counts once for a gate, and
// sits where the others leave something missing.
func (b *ballot) fill(approvals []v1alpha1.UpgradeApproval) {
	quorums := b.quorums()
	free := make([]int32, len(quorums))
	for i, q := range quorums {
		free[i] = q.Count
	}
	seats := map[string]seat{}
	for i := range quorums {
		for free[i] > 0 && sit(quorums, approvals, seats, i, map[string]bool{}) {
			free[i]--
		}
	}
	for i, q := range quorums {
		for _, a := range approvals {
			if s, ok := seats[a.Spec.Approver]; ok && s.quorum == i && s.approval == a.Name {
				b.note(a, message.Clip(q.name, message.Line))
			}
		}
		if free[i] > 0 {
			b.gate.Missing = append(b.gate.Missing, fmt.Sprintf("%s (%d)", message.Clip(q.name, message.Line-10), free[i]))
		}
	}
}

// note tells whose word counts, and for whom: as many as a status takes. What
// opens a gate is that nobody is missing.
func (b *ballot) note(a v1alpha1.UpgradeApproval, seat string) {
	if len(b.gate.Counted) < maxCounted {
		b.gate.Counted = append(b.gate.Counted, v1alpha1.CountedApproval{
			Name: a.Name, Approver: a.Spec.Approver, For: seat, At: a.CreationTimestamp,
		})
	}
}

// seat is the quorum that a person fills, and by which approval.
type seat struct {
	quorum   int
	approval string
}

// sit finds one more person for a quorum; who sits elsewhere moves if another
// can take that seat.
func sit(
	quorums []quorum, approvals []v1alpha1.UpgradeApproval, seats map[string]seat, i int, asked map[string]bool,
) bool {
	for _, a := range approvals {
		who := a.Spec.Approver
		if asked[who] || !quorums[i].holds(a.Spec.Groups) {
			continue
		}
		asked[who] = true
		if s, sits := seats[who]; !sits || s.quorum != i && sit(quorums, approvals, seats, s.quorum, asked) {
			seats[who] = seat{i, a.Name}
			return true
		}
	}
	return false
}

// quorum is a number of people out of some groups.
type quorum struct {
	v1alpha1.Quorum
	name   string
	groups []string
}

func (q quorum) holds(groups []string) bool {
	return len(q.groups) == 0 ||
		slices.ContainsFunc(q.groups, func(g string) bool { return slices.Contains(groups, g) })
}

func (b *ballot) quorums() []quorum {
	var out []quorum
	for _, q := range b.terms.Approvals {
		q.Count = max(q.Count, 1)
		out = append(out, quorum{Quorum: q, name: q.Group, groups: []string{q.Group}})
	}
	if len(out) > 0 {
		return out
	}
	one := quorum{Quorum: v1alpha1.Quorum{Count: 1}, name: "a person with the right to approve"}
	if len(b.approvers) > 0 {
		one.name, one.groups = strings.Join(b.approvers, " or "), b.approvers
	}
	return []quorum{one}
}

// Authors lists who created the plan or changed its spec, as admission keeps it.
func Authors(plan *v1alpha1.UpgradePlan) []string { return authors(plan.Annotations) }

// plainName undoes how admission writes commas and percent signs of names.
var plainName = strings.NewReplacer("%2C", ",", "%25", "%")

// authors takes names as they are: one that is trimmed, or left out since it
// cannot be unescaped, is another's, and its owner may approve.
func authors(annotations map[string]string) []string {
	var out []string
	for _, a := range strings.Split(annotations[v1alpha1.AuthorsAnnotation], ",") {
		if a != "" {
			out = append(out, plainName.Replace(a))
		}
	}
	return out
}
