// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

const (
	subject = "sha256:1111111111111111"
	planUID = "0b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11"
)

// planOf gives a plan with the terms of gate GoLive.
func planOf(change ...func(*v1alpha1.UpgradePlan)) *v1alpha1.UpgradePlan {
	p := &v1alpha1.UpgradePlan{ObjectMeta: metav1.ObjectMeta{
		Namespace: "campus", Name: "autumn", UID: planUID,
		Annotations: map[string]string{v1alpha1.AuthorsAnnotation: "ann,argocd"},
	}}
	for _, c := range change {
		c(p)
	}
	return p
}

// quorums gives terms such as "owners 1", "dpo 2".
func quorums(pairs ...string) func(*v1alpha1.UpgradePlan) {
	return func(p *v1alpha1.UpgradePlan) {
		terms := v1alpha1.GateTerms{Name: v1alpha1.GateGoLive}
		for _, pair := range pairs {
			var q v1alpha1.Quorum
			if _, err := fmt.Sscanf(pair, "%s %d", &q.Group, &q.Count); err != nil {
				panic(err)
			}
			terms.Approvals = append(terms.Approvals, q)
		}
		p.Spec.ChangeControl.Gates = append(p.Spec.ChangeControl.Gates, terms)
	}
}

// approval by somebody of some groups; each is a minute younger than the one before.
func approval(who string, groups string, change ...func(*v1alpha1.UpgradeApproval)) v1alpha1.UpgradeApproval {
	a := v1alpha1.UpgradeApproval{
		ObjectMeta: metav1.ObjectMeta{Name: "by-" + who, CreationTimestamp: metav1.NewTime(noon.Add(-time.Hour))},
		Spec: v1alpha1.UpgradeApprovalSpec{
			PlanRef: &v1alpha1.PlanRef{Name: "autumn"}, Gate: v1alpha1.GateGoLive, Digest: subject,
			Decision: v1alpha1.DecisionApprove, Approver: who, Groups: strings.Fields(groups),
		},
	}
	for _, c := range change {
		c(&a)
	}
	return a
}

func decides(d v1alpha1.Decision) func(*v1alpha1.UpgradeApproval) {
	return func(a *v1alpha1.UpgradeApproval) { a.Spec.Decision = d }
}

func aged(d time.Duration) func(*v1alpha1.UpgradeApproval) {
	return func(a *v1alpha1.UpgradeApproval) { a.CreationTimestamp = metav1.NewTime(noon.Add(-d)) }
}

type approvals = []v1alpha1.UpgradeApproval

var (
	reject, override = decides(v1alpha1.DecisionReject), decides(v1alpha1.DecisionOverride)
	owners           = quorums("owners 1")
)

type countCase struct {
	plan      *v1alpha1.UpgradePlan
	given     approvals
	state     v1alpha1.GateState
	missing   string
	uncounted string // part of the reason
}

// countCases are approvals, and whether the gate opens.
var countCases = map[string]countCase{
	"nobody has decided":          {planOf(owners), nil, "Waiting", "owners (1)", ""},
	"one of one":                  {planOf(owners), approvals{approval("bob", "owners")}, "Open", "", ""},
	"one of two":                  {planOf(quorums("owners 2")), approvals{approval("bob", "owners")}, "Waiting", "owners (1)", ""},
	"one person counts once":      {planOf(quorums("owners 2")), approvals{approval("bob", "owners"), approval("bob", "owners")}, "Waiting", "owners (1)", ""},
	"one person fills one quorum": {planOf(quorums("owners 1", "dpo 1")), approvals{approval("bob", "owners dpo")}, "Waiting", "dpo (1)", ""},
	"a member of another group":   {planOf(owners), approvals{approval("bob", "teachers")}, "Waiting", "owners (1)", ""},
	"people sit where they are needed": {
		planOf(quorums("owners 1", "dpo 1")), approvals{approval("bob", "owners dpo"), approval("eve", "owners")}, "Open", "", "",
	},
	"people move twice": {
		planOf(quorums("a 1", "b 1", "c 1")),
		approvals{approval("bob", "a b"), approval("eve", "b c"), approval("dan", "a")}, "Open", "", "",
	},
	"who approves again as a member counts": {
		planOf(owners), approvals{approval("bob", "teachers"), approval("bob", "owners")}, "Open", "", "",
	},
	"no terms: one of the approvers": {
		planOf(func(p *v1alpha1.UpgradePlan) { p.Spec.ChangeControl.Approvers = []string{"owners", "board"} }),
		approvals{approval("bob", "board")}, "Open", "", "",
	},
	"no terms: not one of the approvers": {
		planOf(func(p *v1alpha1.UpgradePlan) { p.Spec.ChangeControl.Approvers = []string{"owners", "board"} }),
		approvals{approval("bob", "teachers")}, "Waiting", "owners or board (1)", "",
	},
	"no terms at all: anybody with the right": {planOf(), approvals{approval("bob", "")}, "Open", "", ""},
	"an author": {planOf(owners), approvals{approval("ann", "owners")}, "Waiting", "owners (1)", "author"},
	"nobody is recorded as author": {
		planOf(owners, func(p *v1alpha1.UpgradePlan) { p.Annotations = nil }),
		approvals{approval("bob", "owners")}, "Waiting", "owners (1)", "author of autumn",
	},
	"an author with a comma in the name": {
		planOf(owners, func(p *v1alpha1.UpgradePlan) { p.Annotations[v1alpha1.AuthorsAnnotation] = "argocd,cn=bob%2Cou=it" }),
		approvals{approval("cn=bob,ou=it", "owners")}, "Waiting", "owners (1)", "author",
	},
	"an author with a percent sign in the name": {
		planOf(owners, func(p *v1alpha1.UpgradePlan) { p.Annotations[v1alpha1.AuthorsAnnotation] = "100%25bob" }),
		approvals{approval("100%bob", "owners")}, "Waiting", "owners (1)", "author",
	},
	"a part of an author's name is another person": {
		planOf(owners, func(p *v1alpha1.UpgradePlan) { p.Annotations[v1alpha1.AuthorsAnnotation] = "cn=bob%2Cou=it" }),
		approvals{approval("cn=bob", "owners")}, "Open", "", "",
	},
	"a requester": {
		planOf(owners, func(p *v1alpha1.UpgradePlan) { p.Spec.ChangeControl.Requesters = []string{"bob"} }),
		approvals{approval("bob", "owners")}, "Waiting", "owners (1)", "requesters",
	},
	"a service account": {
		planOf(owners), approvals{approval("system:serviceaccount:argocd:app", "owners")}, "Waiting", "owners (1)", "approve as a person",
	},
	"a service account where the gate allows it": {
		planOf(owners, func(p *v1alpha1.UpgradePlan) { p.Spec.ChangeControl.Gates[0].Automation = "Allow" }),
		approvals{approval("system:serviceaccount:argocd:app", "owners")}, "Open", "", "",
	},
	"for another digest": {
		planOf(owners), approvals{approval("bob", "owners", func(a *v1alpha1.UpgradeApproval) { a.Spec.Digest = "sha256:2222222222" })},
		"Waiting", "owners (1)", "another subject (22222222)",
	},
	"for an earlier plan of the name": {
		planOf(owners), approvals{approval("bob", "owners", func(a *v1alpha1.UpgradeApproval) { a.Spec.PlanRef.UID = "another" })},
		"Waiting", "owners (1)", "earlier plan",
	},
	"for this plan by UID": {
		planOf(owners), approvals{approval("bob", "owners", func(a *v1alpha1.UpgradeApproval) { a.Spec.PlanRef.UID = planUID })},
		"Open", "", "",
	},
	"for another plan": {
		planOf(owners), approvals{approval("bob", "owners", func(a *v1alpha1.UpgradeApproval) { a.Spec.PlanRef.Name = "spring" })},
		"Waiting", "owners (1)", "",
	},
	"for another gate": {
		planOf(owners), approvals{approval("bob", "owners", func(a *v1alpha1.UpgradeApproval) { a.Spec.Gate = v1alpha1.GateOpen })},
		"Waiting", "owners (1)", "",
	},
	"for a rollback": {
		planOf(owners), approvals{approval("bob", "owners", func(a *v1alpha1.UpgradeApproval) { a.Spec.PlanRef = nil })},
		"Waiting", "owners (1)", "",
	},
	"without a name of the API server's": {planOf(owners), approvals{approval("", "owners")}, "Waiting", "owners (1)", "not in force"},
	"in its last minute":                 {planOf(owners), approvals{approval("bob", "owners", aged(14*24*time.Hour))}, "Open", "", ""},
	"a minute too old":                   {planOf(owners), approvals{approval("bob", "owners", aged(14*24*time.Hour+time.Minute))}, "Waiting", "owners (1)", "expired on 2026-09-23"},
	"too old for the gate's own terms": {
		planOf(owners, func(p *v1alpha1.UpgradePlan) { p.Spec.ChangeControl.Gates[0].ValidDays = 2 }),
		approvals{approval("bob", "owners", aged(49*time.Hour))}, "Waiting", "owners (1)", "expired",
	},
	"a rejection closes": {
		planOf(owners), approvals{approval("bob", "owners"), approval("eve", "", reject)}, "Rejected", "rejected by eve", "",
	},
	"an author may reject": {planOf(owners), approvals{approval("ann", "", reject)}, "Rejected", "rejected by ann", ""},
	"a rejection of another subject": {
		planOf(owners), approvals{approval("bob", "owners"), approval("eve", "", reject,
			func(a *v1alpha1.UpgradeApproval) { a.Spec.Digest = "sha256:2222222222" })}, "Open", "", "another subject",
	},
	"a rejection goes before an override": {
		planOf(owners), approvals{approval("bob", "", override), approval("eve", "", reject)}, "Rejected", "rejected by eve", "",
	},
	"an override opens":         {planOf(quorums("owners 3")), approvals{approval("bob", "", override)}, "Open", "", ""},
	"an author cannot override": {planOf(owners), approvals{approval("ann", "owners", override)}, "Waiting", "owners (1)", "author"},
	"an override of another subject opens nothing": {
		planOf(owners), approvals{approval("bob", "", override, func(a *v1alpha1.UpgradeApproval) { a.Spec.Digest = "sha256:22" })},
		"Waiting", "owners (1)", "another subject (22)",
	},
}

func TestCount(t *testing.T) {
	for name, c := range countCases {
		t.Run(name, func(t *testing.T) {
			for i := range c.given {
				c.given[i].Name += fmt.Sprint(i)
			}
			got := Count(c.plan, v1alpha1.GateGoLive, subject, c.given, noon)
			if got.State != c.state || strings.Join(got.Missing, ", ") != c.missing {
				t.Errorf("gate is %s, missing %v; want %s, %q", got.State, got.Missing, c.state, c.missing)
			}
			var why []string
			for _, n := range got.NotCounted {
				why = append(why, n.Why)
			}
			if c.uncounted == "" != (len(why) == 0) || !strings.Contains(strings.Join(why, "; "), c.uncounted) {
				t.Errorf("not counted: %v, want %q", why, c.uncounted)
			}
			var who []string
			for _, a := range got.Counted {
				who = append(who, a.Approver)
			}
			if slices.Sort(who); len(slices.Compact(who)) != len(got.Counted) {
				t.Errorf("somebody counts twice: %+v", got.Counted)
			}
			if got.State == v1alpha1.GateOpened != (len(got.Counted) > 0 && got.ValidUntil != nil) && c.state == "Open" {
				t.Errorf("open by %+v until %v", got.Counted, got.ValidUntil)
			}
		})
	}
}

func TestCountNamesWhoOverrode(t *testing.T) {
	got := Count(planOf(quorums("owners 2")), v1alpha1.GateGoLive, subject,
		[]v1alpha1.UpgradeApproval{approval("bob", "owners", decides(v1alpha1.DecisionOverride))}, noon)
	if len(got.Counted) != 1 || got.Counted[0].For != "override" || got.Counted[0].Approver != "bob" {
		t.Errorf("counted %+v", got.Counted)
	}
}

// As many are told as a status takes.
func TestCountTellsOfSoMany(t *testing.T) {
	var all []v1alpha1.UpgradeApproval
	for range 40 {
		all = append(all, approval("bob", "owners", decides(v1alpha1.DecisionOverride)))
	}
	got := Count(planOf(quorums("owners 2")), v1alpha1.GateGoLive, subject, all, noon)
	if len(got.Counted) != 32 || got.State != v1alpha1.GateOpened {
		t.Errorf("%d counted, %s", len(got.Counted), got.State)
	}
}

func TestTheFirstToExpireEndsTheGate(t *testing.T) {
	got := Count(planOf(quorums("owners 2")), v1alpha1.GateGoLive, subject, []v1alpha1.UpgradeApproval{
		approval("bob", "owners"), approval("eve", "owners", aged(48*time.Hour)),
	}, noon)
	if want := noon.Add(-48*time.Hour).AddDate(0, 0, 14); got.ValidUntil == nil || !got.ValidUntil.Time.Equal(want) {
		t.Errorf("valid until %v, want %s", got.ValidUntil, want)
	}
}

func TestCountLeavesTheListAlone(t *testing.T) {
	given := []v1alpha1.UpgradeApproval{approval("bob", "owners"), approval("eve", "owners", aged(48*time.Hour))}
	Count(planOf(quorums("owners 2")), v1alpha1.GateGoLive, subject, given, noon)
	if given[0].Spec.Approver != "bob" {
		t.Error("the caller's list was sorted")
	}
}

func TestAsked(t *testing.T) {
	control := planOf(func(p *v1alpha1.UpgradePlan) {
		p.Spec.ChangeControl.Gates = []v1alpha1.GateTerms{{Name: v1alpha1.GateCopyData}}
	}).Spec.ChangeControl
	for name, want := range map[string]bool{v1alpha1.GateGoLive: true, v1alpha1.GateCopyData: true, v1alpha1.GateOpen: false} {
		if Asked(control, name) != want {
			t.Errorf("gate %s asked for: %v, want %v", name, !want, want)
		}
	}
}
