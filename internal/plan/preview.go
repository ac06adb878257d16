// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
)

// preview lists what will be made, and every field of production that will be
// changed.
func preview(v View) []byte {
	var b strings.Builder
	fmt.Fprintf(&b, "# What plan %s will do\n\n", v.Plan.Name)
	for _, hop := range v.Plan.Status.Hops {
		fmt.Fprintf(&b, "- hop %s to %s: %s\n", hop.From, hop.To, hop.Reason)
	}
	section := func(title string, lines ...string) {
		fmt.Fprintf(&b, "\n## %s\n\n", title)
		for _, line := range lines {
			fmt.Fprintf(&b, "- %s\n", line)
		}
	}
	section("Made before the go-live, and removed again",
		"one namespace for the proof of the backup, one for the trial and one for staging: closed networks, clones of the "+
			"volumes, new passwords",
		"Jobs in the site's namespace that can only read: stocktake, dump, copy of files")
	section("Made for the go-live, and removed again",
		"the holding page: a Deployment in the site's namespace",
		"the watchdog: a Deployment with an account and a Role of its own",
		"Jobs in the site's namespace: a look at the door, hops with the releases' images on the live volumes, counts, "+
			"a smoke test")
	section("Made, and kept", v.kept()...)
	section("Fields of production that go-live changes", v.changed()...)
	return []byte(b.String())
}

// kept lists what stays when all is over.
func (v View) kept() []string {
	var lines []string
	for _, location := range v.Site.Spec.Backup.Locations {
		lines = append(lines, fmt.Sprintf("a backup of %v in location %s (failure domain %s), and another of the closed site",
			location.Holds, location.Name, location.FailureDomain))
	}
	return append(lines, "evidence: ConfigMaps in the site's namespace",
		"Lease gradus-"+v.Site.Name+": free when nobody works on the site")
}

// changed lists the fields, by object.
func (v View) changed() []string {
	release := v.Plan.Spec.Target.Version
	lines := []string{fmt.Sprintf("Service %s: spec.selector, to the holding page and back",
		v.Site.Spec.Traffic.ServiceRef.Name)}
	for _, w := range v.Site.Spec.Workloads {
		lines = append(lines, fmt.Sprintf("%s %s: spec.replicas, to 0 and back; then the images of %s%s",
			w.TargetRef.Kind, w.TargetRef.Name, release, v.variables()))
	}
	lines = append(lines, fmt.Sprintf("every CronJob of namespace %s whose pods use the site's volumes or Secrets: "+
		"spec.suspend, and back; then the images of %s", v.Site.Namespace, release))
	for _, scale := range v.Plan.Spec.Infrastructure.Scale {
		lines = append(lines, fmt.Sprintf("workload %s: spec.replicas, or the floor of its autoscaler, to %d until "+
			"support ends", scale.Workload, scale.Replicas))
	}
	return append(lines, fmt.Sprintf("Namespace %s: label %s, until the end", v.Site.Namespace, v1alpha1.LockedByLabel),
		"on each of these, as long as it is changed: annotation "+v1alpha1.HeldAnnotation+", how it was found")
}

// variables names the environment that comes with the images.
func (v View) variables() string {
	names := map[string]bool{}
	target := v.Plan.Spec.Target
	for _, container := range environment.Images(v.Site, target.Releases, target.Version) {
		for _, variable := range container.Env {
			names[variable.Name] = true
		}
	}
	if len(names) == 0 {
		return ""
	}
	return " and the variables " + strings.Join(slices.Sorted(maps.Keys(names)), ", ")
}
