// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"time"

	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/proof"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// claims collects what was claimed and whether it holds.
type claims struct {
	*demo
	broken int
}

// claim prints one line; objections break it.
func (c *claims) claim(what string, objections []string, detail string, args ...any) {
	mark := "ok  "
	if len(objections) > 0 {
		mark = "NOT "
		c.broken++
	}
	c.say("%s %s: %s", mark, what, fmt.Sprintf(detail, args...))
	for _, o := range objections {
		c.say("         %s", o)
	}
}

// verify compares the site with what it was, and looks for what copies left
// and where they went.
func (d *demo) verify(ctx context.Context) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	rec, err := d.load()
	if err != nil {
		return err
	}
	plan := &v1alpha1.UpgradePlan{}
	if err := d.Get(ctx, client.ObjectKey{Namespace: world.Site, Name: planName}, plan); err != nil {
		return fmt.Errorf("get UpgradePlan: %w", err)
	}
	now, err := d.data(ctx)
	if err != nil {
		return err
	}
	goLive := &v1alpha1.GoLive{}
	key := client.ObjectKey{Namespace: world.Site, Name: plan.Status.GoLive}
	if err := d.Get(ctx, key, goLive); err != nil {
		return fmt.Errorf("get GoLive: %w", err)
	}
	d.table(plan, goLive.Status.Parts)
	c := &claims{demo: d}
	c.serves(now, after)
	c.claim("no row and no file is lost", rec.Before.Differences(now), "%s; each file has the hash that is its name", now)
	for _, check := range []func(context.Context, *claims, *record) error{
		d.verifyDoor, d.verifyScale(goLive), d.verifyMail, d.verifyFence, d.verifyGone, d.verifyAudit,
	} {
		if err := check(ctx, c, rec); err != nil {
			return err
		}
	}
	d.say("the review: kubectl -n %s get configmap %s -o yaml", world.Site, reviewOf(plan))
	return c.verdict()
}

// serves claims that a release is served.
func (c *claims) serves(now proof.Data, want string) {
	var wrong []string
	if now.Release != want {
		wrong = []string{"it serves " + now.Release}
	}
	c.claim("the site serves "+want, wrong, "release %s", now.Release)
}

// verdict is an error if a claim does not hold.
func (c *claims) verdict() error {
	if c.broken > 0 {
		return fmt.Errorf("%d claims do not hold", c.broken)
	}
	c.say("all claims hold")
	return nil
}

// reviewOf names the ConfigMap that holds the review.
func reviewOf(plan *v1alpha1.UpgradePlan) string {
	for _, s := range plan.Status.Steps {
		for _, e := range s.Evidence {
			if e.Name == "review.md" {
				return e.ConfigMap
			}
		}
	}
	return "(not written)"
}

// verifyDoor reads what a user saw who asked four times a second.
func (d *demo) verifyDoor(ctx context.Context, c *claims, rec *record) error {
	door, err := d.door(ctx, rec.Began)
	if err != nil {
		return err
	}
	c.claim("users saw the old site, the holding page, the new site", door.Objections(before, after),
		"%d × %s, %d × page, %d × %s; shut out for %s",
		door.Count(before), before, door.Count(proof.Page), door.Count(after), after,
		door.Outage(before, after).Round(100*time.Millisecond))
	return nil
}

func (d *demo) door(ctx context.Context, since time.Time) (proof.Door, error) {
	log, err := d.logs(ctx, witnessNamespace, "witness", "door")
	return proof.ReadDoor(log, since), err
}

// verifyScale compares the number of pods with what it was, and with what
// there was once users were let in.
func (d *demo) verifyScale(goLive *v1alpha1.GoLive) func(context.Context, *claims, *record) error {
	return func(ctx context.Context, c *claims, rec *record) error {
		now, err := d.replicas(ctx)
		if err != nil {
			return err
		}
		var wrong []string
		for name, n := range rec.Replicas {
			if now[name] != n {
				wrong = append(wrong, fmt.Sprintf("Deployment %s has %d replicas, it had %d", name, now[name], n))
			}
		}
		most, web := 0, world.Site+"-web"
		if opened := goLive.Status.Opened; opened != nil {
			most = rec.Roll.Most(world.Site, web, opened.Time)
		}
		if most <= int(rec.Replicas[web]) {
			wrong = append(wrong, "the extra pods of the plan were never seen")
		}
		c.claim("more pods while it mattered, then as before", wrong,
			"%d pods of %s after the doors opened, %d in the end", most, web, now[web])
		return nil
	}
}

// logs reads the log of the only pod of a Deployment.
func (d *demo) logs(ctx context.Context, namespace, app, container string) (string, error) {
	var pods corev1.PodList
	if err := d.List(ctx, &pods, client.InNamespace(namespace), client.MatchingLabels{"app": app}); err != nil {
		return "", fmt.Errorf("list pods of %s: %w", app, err)
	}
	for i := range pods.Items {
		if pods.Items[i].Status.Phase == corev1.PodRunning {
			return d.LogOf(ctx, &pods.Items[i], container)
		}
	}
	return "", fmt.Errorf("read log of %s: no pod of it runs", app)
}

// verifyAudit asks the API server's own record what our accounts wrote.
func (d *demo) verifyAudit(ctx context.Context, c *claims, rec *record) error {
	if d.Current {
		d.say("left out: the audit log, which only the local cluster gives")
		return nil
	}
	file, err := d.since(ctx, "audit", rec.Audit)
	if err != nil {
		return err
	}
	defer file.Close()
	writes, err := proof.ReadWrites(file)
	if err != nil {
		return fmt.Errorf("read audit log: %w", err)
	}
	live := map[proof.Object]bool{}
	for _, o := range rec.Live {
		live[o] = true
	}
	a := proof.Judge(writes, live, proof.Object{Resource: "leases", Namespace: world.Site, Name: "gradus-" + world.Site})
	c.claim("only go-live wrote to the live site, and held its lease", a.Objections,
		"%d writes by gradus-manager, none to the site; %d by gradus-production, %d of them to the site; "+
			"nothing deleted that Gradus did not make",
		a.OfManager, a.OfProduction, a.Live)
	return nil
}
