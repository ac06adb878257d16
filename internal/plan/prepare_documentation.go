// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"strings"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
)

// prepareDocumentation writes the runbook: what to do by hand, if Gradus is
// not there to do it.
var prepareDocumentation = pipeline.Step[View]{
	Name: v1alpha1.StepPrepareDocumentation, Needs: after(v1alpha1.StepUpgradeStaging, v1alpha1.StepMakeRolloutPlan),
	Judge: func(View, pipeline.At, pipeline.Seen) pipeline.Verdict {
		return pipeline.Pass("the runbook is written (runbook.md)")
	},
	Documents: func(v View, _ pipeline.At) map[string][]byte {
		return map[string][]byte{"runbook.md": runbook(v)}
	},
}

func runbook(v View) []byte {
	var b strings.Builder
	line := func(format string, a ...any) { fmt.Fprintf(&b, format+"\n", a...) }
	site, namespace := v.Site, v.Site.Namespace
	line("# Runbook: %s, %s to %s\n", site.Name, v.Plan.Status.Summary.From, v.Plan.Spec.Target.Version)
	line("It works without Gradus. Run every command with rights on namespace %s.\n", namespace)
	line("## 1. Close\n")
	for _, w := range site.Spec.Workloads {
		replicas := int32(1)
		if d := v.Workloads[w.Name]; d != nil && d.Spec.Replicas != nil {
			replicas = *d.Spec.Replicas
		}
		line("    kubectl -n %s scale %s/%s --replicas=0      # it had %d",
			namespace, strings.ToLower(w.TargetRef.Kind), w.TargetRef.Name, replicas)
	}
	line("\n## 2. Save\n")
	line("Dump database `%s` and snapshot every volume. The newest verified backup is SiteBackup `%s`.\n",
		site.Spec.Database.Name, v.Plan.Status.Backup)
	for i, hop := range v.Plan.Status.Hops {
		line("## %d. Hop %s to %s\n", i+3, hop.From, hop.To)
		line("Image: `%s`. In a pod with the site's configuration and volumes:\n", v.applicationImage(hop.To))
		for _, argv := range upgradeCommands(v, hop.To) {
			line("    %s", strings.Join(argv, " "))
		}
		if hop.Took != nil {
			line("\nThe trial took %s.", hop.Took.Duration)
		}
		line("\nDone means: nothing pending, no lock, and the database says %s. An exit code proves nothing.\n", hop.To)
	}
	line("## Open\n")
	line("Set the images of %s, scale back to the numbers above, sign in, open a course and a file, "+
		"then let users in.\n", v.Plan.Spec.Target.Version)
	for _, change := range v.capacity() {
		line("Before that, more pods until support ends: %s.\n", change)
	}
	line("## Back\n")
	line("Older code never runs on a newer database. Restore the dump into a new database, compare, " +
		"rename both in one transaction, set the old images.\n")
	line("    kubectl create -f - <<EOF")
	line("    {apiVersion: lms.gradus.dev/v1alpha1, kind: Rollback, metadata: {generateName: %s-back-, namespace: %s},",
		site.Name, namespace)
	line("     spec: {siteRef: {name: %s}, to: {backupRef: {name: %s}}}}\n    EOF", site.Name, v.Plan.Status.Backup)
	return []byte(b.String())
}

// upgradeCommands gives the commands that a hop runs.
func upgradeCommands(v View, to string) [][]string {
	params := v.liveParams()
	params.Target = to
	t, _, err := v.Profile.VerbTask(profile.UpgradeVerb, params)
	if err != nil {
		return nil
	}
	var out [][]string
	for _, action := range t.Actions {
		if action.Command != nil {
			out = append(out, action.Command.Argv)
		}
	}
	return out
}
