// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"os"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/world"
)

// Versions and names of the demo.
const (
	before, after    = "1.0", "2.0"
	mailNamespace    = "campus-mail"
	witnessNamespace = "gradus-demo"
)

// up brings the live site at 1.0 with Gradus beside it. What an earlier run
// left in the way is removed first.
func (d *demo) up(ctx context.Context) error {
	if !d.Current {
		if err := d.step("local cluster is up", func() error { return d.start(ctx) }); err != nil {
			return err
		}
	}
	if err := d.connect(ctx); err != nil {
		return err
	}
	if d.used(ctx) {
		if err := d.step("an earlier run is cleared away", func() error { return d.Clear(ctx, world.Site) }); err != nil {
			return err
		}
	}
	for _, s := range []struct {
		what string
		do   func() error
	}{
		{"images are built and loaded", func() error { return d.Images(ctx) }},
		{"the mail server catches what the site sends", func() error { return d.mail(ctx) }},
		{"the live site serves " + before + " and holds its data", func() error { return d.LiveSite(ctx, world.Site) }},
		{"Gradus runs: two accounts, two managers", func() error { return d.Gradus(ctx) }},
		{"the owner gives Gradus its rights, a vault, and the Site", func() error {
			if err := d.Owner(ctx, world.Site); err != nil {
				return err
			}
			return d.SiteReady(ctx, world.Site)
		}},
		{"a witness asks the door of the site four times a second", func() error { return d.witness(ctx) }},
	} {
		if err := d.step(s.what, s.do); err != nil {
			return err
		}
	}
	return nil
}

// start starts the local cluster; it repairs one that runs.
func (d *demo) start(ctx context.Context) error {
	d.say("the local cluster starts: seconds; the first time it builds Kubernetes, 15 to 30 minutes")
	loud := d.Options
	loud.Out = os.Stdout
	w, err := world.Repository(loud)
	if err != nil {
		return err
	}
	_, err = w.Cluster(ctx, "up")
	return err
}

// used says whether the live site is not one at 1.0 that no plan has touched.
func (d *demo) used(ctx context.Context) bool {
	var web appsv1.Deployment
	if err := d.Get(ctx, client.ObjectKey{Namespace: world.Site, Name: "campus-web"}, &web); err != nil {
		return d.Get(ctx, client.ObjectKey{Name: world.Site}, &corev1.Namespace{}) == nil
	}
	var plans v1alpha1.UpgradePlanList
	var backs v1alpha1.RollbackList
	_ = d.List(ctx, &plans, client.InNamespace(world.Site))
	_ = d.List(ctx, &backs, client.InNamespace(world.Site))
	image := web.Spec.Template.Spec.Containers[0].Image
	return image != "localhost/campus:"+before || len(plans.Items)+len(backs.Items) > 0
}

func (d *demo) mail(ctx context.Context) error {
	if err := d.deploy(ctx, "hack/demo/manifests/mail"); err != nil {
		return err
	}
	// The test site's own rule would keep copies away: here their fence must.
	_, err := d.Kubectl(ctx, "delete", "networkpolicy", "live-site-only", "-n", mailNamespace, "--ignore-not-found")
	if err != nil {
		return err
	}
	return d.Available(ctx, mailNamespace, "mail")
}

func (d *demo) witness(ctx context.Context) error {
	if err := d.deploy(ctx, "hack/demo/manifests/witness"); err != nil {
		return err
	}
	// A new log, with the program that was just built.
	err := d.DeleteAllOf(ctx, &corev1.Pod{}, client.InNamespace(witnessNamespace), client.GracePeriodSeconds(0))
	if err != nil {
		return fmt.Errorf("restart witness: %w", err)
	}
	return d.Available(ctx, witnessNamespace, "witness")
}

func (d *demo) deploy(ctx context.Context, dir string) error {
	objects, err := d.Render(ctx, dir)
	if err != nil {
		return err
	}
	return d.Put(ctx, objects)
}

func named(namespace, name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: namespace, Name: name}
}
