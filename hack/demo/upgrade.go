// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

const (
	planName = "campus-2-0"
	// patience with the whole upgrade.
	patience = 40 * time.Minute
)

// upgrade brings one plan to its end and looks at what came of it.
func (d *demo) upgrade(ctx context.Context) error {
	if err := d.connect(ctx); err != nil {
		return err
	}
	if err := d.run(ctx, func() {}); err != nil {
		return err
	}
	return d.verify(ctx)
}

// run lets one person write a plan and another approve it, and says when the
// plan is applied.
func (d *demo) run(ctx context.Context, applied func()) error {
	ctx, stop := context.WithTimeoutCause(ctx, patience, errors.New("the upgrade took too long"))
	defer stop()
	planner, err := d.As(ctx, "planner", "lms-planners")
	if err != nil {
		return err
	}
	owner, err := d.As(ctx, "owner", "lms-owners")
	if err != nil {
		return err
	}
	rec, err := d.begin(ctx, planner)
	if err != nil {
		return err
	}
	watching, done := context.WithCancel(ctx)
	pods := d.watchPods(watching)
	applied()
	err = d.follow(watching, owner, rec)
	done()
	<-pods.done
	rec.Roll = append(rec.Roll, pods.all()...)
	return errors.Join(err, d.save(rec))
}

// begin takes down how the site is and applies the plan, or goes on with one
// that an earlier run left in the middle.
func (d *demo) begin(ctx context.Context, planner *world.World) (*record, error) {
	plan := &v1alpha1.UpgradePlan{ObjectMeta: named(world.Site, planName)}
	err := d.Get(ctx, client.ObjectKeyFromObject(plan), plan)
	if err == nil {
		d.say("plan %s exists: going on with it", planName)
		return d.load()
	}
	if !apierrors.IsNotFound(err) {
		return nil, fmt.Errorf("get UpgradePlan %s: %w", planName, err)
	}
	// Mail is on its way when the copies are made: they must not send it again.
	began := time.Now()
	if err := d.write(ctx, "student0002"); err != nil {
		return nil, err
	}
	d.say("a student wrote a post: the live site sends mail and calls its webhook")
	rec, err := d.first(ctx, began)
	if err != nil {
		return nil, err
	}
	if rec.Before.Release != before {
		return nil, fmt.Errorf("the site is at %s: run up, which puts a new one at %s in its place",
			rec.Before.Release, before)
	}
	if err := d.save(rec); err != nil {
		return nil, err
	}
	d.say("before: release %s; %s", rec.Before.Release, rec.Before)
	if plan, err = d.plan(ctx); err != nil {
		return nil, err
	}
	if err := planner.Create(ctx, plan); err != nil {
		return nil, fmt.Errorf("create UpgradePlan as planner: %w", err)
	}
	window := plan.Spec.Rollout.Window
	d.say("planner applied plan %s: %s to %s, window %s to %s", planName, before, after, window.Opens, window.Closes)
	return rec, nil
}

// write lets a user write a post, as any user does.
func (d *demo) write(ctx context.Context, user string) error {
	_, err := d.Witness(ctx, world.Site, "post", "http://campus-web."+world.Site+".svc", user)
	return err
}

// plan reads the demo's plan and gives it a window that is open now.
func (d *demo) plan(ctx context.Context) (*v1alpha1.UpgradePlan, error) {
	text, err := os.ReadFile(filepath.Join(d.Root, "hack", "demo", "manifests", "plan.yaml"))
	if err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	objects, err := world.Decode(text)
	if err != nil {
		return nil, err
	}
	plan, err := planOf(objects[0])
	if err != nil {
		return nil, err
	}
	window, err := d.window(ctx)
	plan.Spec.Rollout.Window = window
	return plan, err
}

func planOf(o *unstructured.Unstructured) (*v1alpha1.UpgradePlan, error) {
	plan := &v1alpha1.UpgradePlan{}
	if err := runtime.DefaultUnstructuredConverter.FromUnstructured(o.Object, plan); err != nil {
		return nil, fmt.Errorf("read plan: %w", err)
	}
	return plan, nil
}

// window opens now and closes in five hours, on the clock of the Site's zone.
func (d *demo) window(ctx context.Context) (*v1alpha1.Window, error) {
	var site v1alpha1.Site
	if err := d.Get(ctx, client.ObjectKey{Namespace: world.Site, Name: world.Site}, &site); err != nil {
		return nil, fmt.Errorf("get Site: %w", err)
	}
	zone, err := time.LoadLocation(site.Spec.TimeZone)
	if err != nil {
		return nil, fmt.Errorf("read time zone of the Site: %w", err)
	}
	const layout = "2006-01-02T15:04"
	now := time.Now().In(zone)
	opens, closes := now.Add(-time.Minute), now.Add(5*time.Hour)
	return &v1alpha1.Window{Opens: opens.Format(layout), Closes: closes.Format(layout)}, nil
}
