// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// follow prints what happens to the plan, lets the owner decide when the gate
// waits, and returns when the plan is over.
func (d *demo) follow(ctx context.Context, owner *world.World, rec *record) error {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: named(world.Site, planName)}
	seen := ledger{}
	decided := false
	going, stop := context.WithCancel(ctx)
	defer stop()
	_, err := world.Await(ctx, d.World, plan, func(p *v1alpha1.UpgradePlan) (string, error) {
		d.tell(seen, p)
		if name := p.Status.GoLive; name != "" && !seen["go-live"].told {
			seen["go-live"] = entry{told: true}
			go d.followGoLive(going, name)
		}
		if gate := waiting(p); gate != nil && !decided {
			decided = true
			if err := d.tryFence(ctx, p, rec); err != nil {
				return "", err
			}
			if err := d.decide(ctx, owner, p, gate); err != nil {
				return "", err
			}
		}
		return ended(p)
	})
	return err
}

// tell prints what is new of the 18 steps.
func (d *demo) tell(seen ledger, p *v1alpha1.UpgradePlan) {
	for i, s := range p.Status.Steps {
		if s.Name == v1alpha1.StepGoLive && s.State == v1alpha1.StepRunning {
			s.Message = "" // its own steps are told below
		}
		if s.Message = plain(s); seen.changed(s) {
			d.say("%2d/18 %-22s %-8s %s", i+1, s.Name, s.State, s.Message)
		}
	}
}

// ended says what a plan still lacks to be done.
func ended(p *v1alpha1.UpgradePlan) (string, error) {
	sum := p.Status.Summary
	switch sum.State {
	case v1alpha1.PlanDone:
		return "", nil
	case v1alpha1.PlanBlocked, v1alpha1.PlanAborted, v1alpha1.PlanRolledBack:
		return "", fmt.Errorf("the plan is %s at %s: %s", sum.State, sum.Step, sum.WaitsFor)
	}
	return sum.Step + " " + sum.WaitsFor, nil
}

// plain leaves out the names of children before what a running step waits for.
func plain(s v1alpha1.StepStatus) string {
	if s.State != v1alpha1.StepRunning {
		return s.Message
	}
	return strings.TrimSpace(s.Message[strings.LastIndex(strings.TrimSuffix(s.Message, ": "), ": ")+1:])
}

// followGoLive prints the steps of the cutover.
func (d *demo) followGoLive(ctx context.Context, name string) {
	seen := ledger{}
	goLive := &v1alpha1.GoLive{ObjectMeta: named(world.Site, name)}
	_, err := world.Await(ctx, d.World, goLive, func(g *v1alpha1.GoLive) (string, error) {
		d.steps(seen, g.Status.Steps)
		if g.Status.Opened != nil && g.Status.Lease == nil {
			return "", nil
		}
		return "it runs", nil
	})
	if err != nil && !errors.Is(err, context.Canceled) {
		d.say("GoLive %s: %v", name, err)
	}
}

// steps prints the steps of a run whose state changed.
func (d *demo) steps(seen ledger, steps []v1alpha1.StepStatus) {
	for _, s := range steps {
		if s.State != v1alpha1.StepPending && seen.changed(s) {
			d.say("         %-20s %-8s %s", s.Name+keyed(s.Key), s.State, s.Message)
		}
	}
}

func keyed(key string) string {
	if key == "" {
		return ""
	}
	return "/" + key
}

// waiting gives the gate that waits for people, if that is what the plan waits for.
func waiting(p *v1alpha1.UpgradePlan) *v1alpha1.GateStatus {
	turn := strings.HasPrefix(p.Status.Summary.Step, "15/18")
	for i, g := range p.Status.Gates {
		if turn && g.Name == v1alpha1.GateGoLive && g.State == v1alpha1.GateWaiting {
			return &p.Status.Gates[i]
		}
	}
	return nil
}

// decide shows the owner what the gate binds to, and lets them approve that.
func (d *demo) decide(
	ctx context.Context, owner *world.World, p *v1alpha1.UpgradePlan, gate *v1alpha1.GateStatus,
) error {
	d.say("gate %s waits for %s; this is what they are asked to approve:", gate.Name, strings.Join(gate.Missing, ", "))
	for _, line := range gate.Summary {
		d.say("         | %s", line)
	}
	approval := &v1alpha1.UpgradeApproval{Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: p.Name, UID: p.UID}, Gate: gate.Name, Digest: gate.Digest,
		Decision: v1alpha1.DecisionApprove, Comment: "demo",
	}}
	approval.Namespace, approval.GenerateName = p.Namespace, p.Name+"-golive-"
	if err := owner.Create(ctx, approval); err != nil {
		return fmt.Errorf("approve as owner: %w", err)
	}
	d.say("         | %s approved %.15s… with a certificate of their own", approval.Spec.Approver, gate.Digest)
	return nil
}

// tryFence starts a pod inside the staging copy and lets it try to get out.
func (d *demo) tryFence(ctx context.Context, p *v1alpha1.UpgradePlan, rec *record) error {
	var env v1alpha1.StagingEnvironment
	if err := d.Get(ctx, client.ObjectKey{Namespace: p.Namespace, Name: p.Status.Staging}, &env); err != nil {
		return fmt.Errorf("get StagingEnvironment: %w", err)
	}
	targets := []string{
		"campus-db-0.campus-db." + p.Namespace + ".svc:5432", "campus-web." + p.Namespace + ".svc:80",
		"mail." + mailNamespace + ".svc:1025", "mail." + mailNamespace + ".svc:8025", "kubernetes.default.svc:443",
	}
	var log string
	var err error
	// Its pod, or a part of its log, may be lost where something is killed.
	for tries := 0; tries < 3 && strings.Count(log, "\n") < len(targets) && !strings.Contains(log, `"reached"`); tries++ {
		log, err = d.Witness(ctx, env.Status.Namespace, append([]string{"reach"}, targets...)...)
	}
	rec.Tried, rec.Reached = strings.Count(log, "\n"), nil
	for _, line := range strings.Split(log, "\n") {
		if strings.Contains(line, `"reached"`) {
			rec.Reached = append(rec.Reached, line)
		}
	}
	if err != nil && len(rec.Reached) == 0 {
		return fmt.Errorf("try the fence of %s: %w", env.Status.Namespace, err)
	}
	d.say("a pod in the copy %s tried %d addresses outside, and reached %d",
		env.Status.Namespace, rec.Tried, len(rec.Reached))
	return d.save(rec)
}

// ledger remembers what was printed of each step.
type ledger map[string]entry

type entry struct {
	state   v1alpha1.StepState
	message string
	told    bool
}

// changed says whether there is something new to tell of a step, and takes
// note of it. A message that changes while a step runs is told, too.
func (l ledger) changed(s v1alpha1.StepStatus) bool {
	name := s.Name + "/" + s.Key
	now := entry{state: s.State, message: s.Message}
	if s.State == v1alpha1.StepPending || l[name] == now {
		return false
	}
	l[name] = now
	return true
}
