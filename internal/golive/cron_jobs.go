// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive

import (
	"maps"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// CronJobs of a site are no workloads of it, and run the LMS's code all the
// same: left alone, they would run the old code on the new database. Their
// containers are known by the image's repository.

// releaseCronJobs gives the CronJobs of the site the images of the target.
func (v View) releaseCronJobs(images map[string]v1alpha1.ContainerImage) []v1alpha1.Change {
	var changes []v1alpha1.Change
	for _, cron := range v.CronJobs {
		if here := ofRelease(cron, images); len(here) > 0 {
			changes = append(changes, production.Want(closing.ReleaseID("cronjob-"+cron.Name), "CronJob", cron.Name,
				v1alpha1.FieldTemplate, "", production.Template(here), v1alpha1.UndoNever))
		}
	}
	return changes
}

// ofRelease gives the containers of a CronJob that run the LMS, with the image
// that the release has for them.
func ofRelease(cron batchv1.CronJob, images map[string]v1alpha1.ContainerImage) []v1alpha1.ContainerImage {
	var here []v1alpha1.ContainerImage
	pod := cron.Spec.JobTemplate.Spec.Template.Spec
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		if image, ok := images[c.Name]; ok && repository(image.Image) == repository(c.Image) {
			here = append(here, image)
			continue
		}
		for _, name := range slices.Sorted(maps.Keys(images)) {
			if repository(images[name].Image) == repository(c.Image) {
				here = append(here, v1alpha1.ContainerImage{Name: c.Name, Image: images[name].Image})
				break
			}
		}
	}
	return here
}

// repository of an image, without tag and digest.
func repository(image string) string {
	image, _, _ = strings.Cut(image, "@")
	if colon := strings.LastIndex(image, ":"); colon > strings.LastIndex(image, "/") {
		image = image[:colon]
	}
	return image
}

// unknownCronJob names a CronJob that works on the site with an image that no
// release replaces; "" when there is none. One that is suspended stays as it is,
// but for those that this run suspended and would wake.
func (v View) unknownCronJob() string {
	images := v.images(v.target())
	for _, cron := range v.CronJobs {
		asleep := ptr.Deref(cron.Spec.Suspend, false) && !v.Suspends(cron.Name)
		if !asleep && len(ofRelease(cron, images)) == 0 {
			return cron.Name
		}
	}
	return ""
}

// cronJobsMustBeKnown: one may have been resumed, or have come, since the first look.
func cronJobsMustBeKnown(v View) *pipeline.Verdict {
	if v.Site == nil {
		return nil // said elsewhere
	}
	name := v.unknownCronJob()
	if name == "" {
		return nil
	}
	return against("SiteUnfit", "CronJob %[1]s works on the site's volumes or database, and no release of the plan has "+
		"an image of its repository: suspend it (kubectl patch cronjob %[1]s -p '{\"spec\":{\"suspend\":true}}'), "+
		"or it would run as it is on the upgraded site", name)
}
