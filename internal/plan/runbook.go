// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"fmt"
	"regexp"
	"strings"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/profile"
)

// book is a page of commands for a shell.
type book struct {
	strings.Builder
	v View
}

func runbook(v View) []byte {
	b := &book{v: v}
	b.line("# Runbook: %s, %s to %s\n", v.Site.Name, v.Plan.Status.Summary.From, v.Plan.Spec.Target.Version)
	b.line("Every command but the last works without Gradus, in one shell and one folder, with rights on namespace %s.",
		v.Site.Namespace)
	b.line("The commands of the LMS are those that the trial ran; nobody has typed the rest: try it on a copy first.\n")
	b.close()
	b.save()
	for i, hop := range v.Plan.Status.Hops {
		b.hop(i+3, hop)
	}
	b.open()
	b.back()
	return []byte(b.String())
}

func (b *book) line(format string, a ...any) { fmt.Fprintf(b, format+"\n", a...) }

// kubectl writes a command about the site's namespace; none of its words is read by the shell.
func (b *book) kubectl(words ...string) {
	b.line("    kubectl -n %s %s", b.v.Site.Namespace, shellWords(words))
}

// scale gives the number of pods to every workload.
func (b *book) scale(replicas func(was int32) int32, note string) {
	for _, w := range b.v.Site.Spec.Workloads {
		was := int32(1)
		if d := b.v.Workloads[w.Name]; d != nil {
			was = ptr.Deref(d.Spec.Replicas, 1)
		}
		after := ""
		if note != "" {
			after = fmt.Sprintf("  # "+note, was)
		}
		b.line("    kubectl -n %s scale %s --replicas=%d%s", b.v.Site.Namespace, target(w), replicas(was), after)
	}
}

func none(int32) int32       { return 0 }
func before(was int32) int32 { return was }

func (b *book) close() {
	door := b.v.Site.Spec.Traffic.ServiceRef.Name
	b.line("## 1. Close\n")
	b.line("    test -s door.json || kubectl -n %s get service %s -o jsonpath='{.spec.selector}' > door.json",
		b.v.Site.Namespace, door)
	b.kubectl("patch", "service", door, "--type=json", "-p",
		`[{"op": "replace", "path": "/spec/selector", "value": {"closed-by-hand": "true"}}]`)
	b.scale(none, "it had %d")
	b.line("\nSuspend every CronJob that works on the site, and wait until no pod of these workloads is left.\n")
}

func (b *book) save() {
	site := b.v.Site
	owner := func(key string) string {
		return fmt.Sprintf(`"$(kubectl -n %s get secret %s -o jsonpath='{.data.%s}' | base64 -d)"`,
			site.Namespace, site.Spec.Database.OwnerSecretRef.Name, key)
	}
	in := ""
	if ref := site.Spec.Database.WorkloadRef; ref != nil {
		in = fmt.Sprintf("kubectl -n %s exec -i statefulset/%s -- ", site.Namespace, ref.Name)
	}
	b.line("## 2. Save\n")
	b.line("    database() { %senv PGHOST=%s PGPORT=%d \\\n      PGUSER=%s \\\n      PGPASSWORD=%s \"$@\"; }",
		in, b.v.databaseHost(), site.Spec.Database.Port, owner("username"), owner("password"))
	b.line("    database pg_dump --format=custom %s > before.dump </dev/null", site.Spec.Database.Name)
	for _, volume := range site.Spec.Volumes {
		if class := snapshotClass(site); class != "" {
			b.line("    kubectl create -f - <<EOF\n    {apiVersion: snapshot.storage.k8s.io/v1, kind: VolumeSnapshot, "+
				"metadata: {generateName: %s-by-hand-, namespace: %s},\n     spec: {volumeSnapshotClassName: %s, "+
				"source: {persistentVolumeClaimName: %s}}}\n    EOF", volume.Name, site.Namespace, class, volume.ClaimName)
		}
	}
	b.line("\nThe newest verified backup is SiteBackup `%s`.\n", b.v.Plan.Status.Backup)
}

func (b *book) hop(number int, hop v1alpha1.HopResult) {
	b.line("## %d. Hop %s to %s\n", number, hop.From, hop.To)
	for _, w := range b.v.Site.Spec.Workloads {
		b.images(w, environment.Images(b.v.Site, b.v.Plan.Spec.Target.Releases, hop.To))
	}
	web, _ := b.v.web()
	b.kubectl("scale", target(web), "--replicas=1")
	b.line("\nWhen its pod runs, and nobody gets in yet:\n")
	for _, verb := range []profile.VerbName{profile.UpgradeVerb, profile.DrainVerb} {
		for _, argv := range b.v.commands(verb, hop.To) {
			b.kubectl(append([]string{"exec", target(web), "-c", web.ApplicationContainer, "--"}, argv...)...)
		}
	}
	if sql := b.v.Profile.Truth.Version; sql != "" {
		b.line("    database psql --tuples-only --dbname=%s --command=%s </dev/null", b.v.Site.Spec.Database.Name,
			shellWord(strings.ReplaceAll(sql, "{{prefix}}", b.v.prefix())))
	}
	b.kubectl("scale", target(web), "--replicas=0")
	if hop.Took != nil {
		b.line("\nThe trial took %s.", hop.Took.Duration)
	}
	b.line("\nDone means: nothing pending, no lock, and the database says %s. An exit code proves nothing.\n", hop.To)
}

func (b *book) open() {
	web, _ := b.v.web()
	b.line("## Open\n")
	b.scale(before, "")
	for _, change := range b.v.capacity() {
		b.line("\nMore pods until support ends: %s.", change)
	}
	b.line("\nSign in, open a course and a file, through `kubectl -n %s port-forward %s 8080:PORT`, PORT being that "+
		"on which the LMS listens. Then let users in:\n", b.v.Site.Namespace, target(web))
	b.line(`    kubectl -n %s patch service %s --type=json -p `+
		`"[{\"op\": \"replace\", \"path\": \"/spec/selector\", \"value\": $(cat door.json)}]"`+"\n",
		b.v.Site.Namespace, b.v.Site.Spec.Traffic.ServiceRef.Name)
	b.cronJobs(b.v.Plan.Spec.Target.Version)
}

// cronJobs come last: left alone they would run the code of before on this database.
func (b *book) cronJobs(version string) {
	b.line("Give every CronJob the images of %s too, and resume it only then:\n", version)
	b.line("    kubectl -n %s set image cronjob/NAME CONTAINER=IMAGE\n", b.v.Site.Namespace)
}

func (b *book) back() {
	site, name := b.v.Site, b.v.Site.Spec.Database.Name
	b.line("## Back\n")
	b.line("Older code never runs on a newer database. Close as in 1, restore beside, compare, and only then switch. " +
		"The role must be one that may create databases.\n")
	b.line("    database createdb %s_back </dev/null", name)
	b.line("    database pg_restore --exit-on-error --dbname=%s_back < before.dump", name)
	b.line("    database psql --dbname=postgres --single-transaction \\\n"+
		"      --command='ALTER DATABASE %q RENAME TO %q' \\\n"+
		"      --command='ALTER DATABASE %q RENAME TO %q' </dev/null", name, name+"_newer", name+"_back", name)
	for _, w := range site.Spec.Workloads {
		if d := b.v.Workloads[w.Name]; d != nil {
			b.images(w, b.running(d.Spec.Template.Spec.Containers))
		}
	}
	b.line("\nFiles that were only added may stay; what was changed or removed comes from the snapshots of 2. " +
		"Open as above.\n")
	b.cronJobs(b.v.Plan.Status.Summary.From)
	b.line("With Gradus all of this is one object; it tells its price first:\n")
	b.line("    kubectl create -f - <<EOF")
	b.line("    {apiVersion: lms.gradus.dev/v1alpha1, kind: Rollback, metadata: {generateName: %s-back-, namespace: %s},",
		site.Name, site.Namespace)
	b.line("     spec: {siteRef: {name: %s}, to: {backupRef: {name: %s}}}}\n    EOF", site.Name, b.v.Plan.Status.Backup)
}

// running gives what the containers run now, with the value that each variable has which
// a release of the plan sets; no value takes it away again.
func (b *book) running(containers []corev1.Container) map[string]v1alpha1.ContainerImage {
	out := map[string]v1alpha1.ContainerImage{}
	for _, c := range containers {
		now := v1alpha1.ContainerImage{Name: c.Name, Image: c.Image}
		set := map[string]bool{}
		for _, hop := range b.v.Plan.Status.Hops {
			for _, e := range environment.Images(b.v.Site, b.v.Plan.Spec.Target.Releases, hop.To)[c.Name].Env {
				if value, plain := valueOf(c.Env, e.Name); plain && !set[e.Name] {
					now.Env = append(now.Env, v1alpha1.EnvValue{Name: e.Name, Value: value})
				}
				set[e.Name] = true
			}
		}
		out[c.Name] = now
	}
	return out
}

// valueOf gives the value of a variable; not plain is one that comes from elsewhere.
func valueOf(env []corev1.EnvVar, name string) (value string, plain bool) {
	for _, e := range env {
		if e.Name == name {
			return e.Value, e.ValueFrom == nil
		}
	}
	return "", true
}

// images gives a workload what its containers are to run. A workload that is not there
// has the application container at least.
func (b *book) images(w v1alpha1.Workload, images map[string]v1alpha1.ContainerImage) {
	containers := []corev1.Container{{Name: w.ApplicationContainer}}
	if d := b.v.Workloads[w.Name]; d != nil {
		containers = d.Spec.Template.Spec.Containers
	}
	set := []string{"set", "image", target(w)}
	var env [][]string
	for _, c := range containers {
		image, ok := images[c.Name]
		if !ok {
			continue
		}
		set = append(set, c.Name+"="+image.Image)
		for _, e := range image.Env {
			pair := e.Name + "=" + e.Value
			if e.Value == "" {
				pair = e.Name + "-"
			}
			env = append(env, []string{"set", "env", target(w), "-c", c.Name, pair})
		}
	}
	if len(set) > 3 {
		b.kubectl(set...)
	}
	for _, words := range env {
		b.kubectl(words...)
	}
}

// commands gives what the trial ran for a verb of a hop; none where the product has none.
func (v View) commands(verb profile.VerbName, to string) [][]string {
	params := v.liveParams()
	params.Target = to
	t, _, err := v.Profile.VerbTask(verb, params)
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

func snapshotClass(site *v1alpha1.Site) string {
	for _, location := range site.Spec.Backup.Locations {
		if location.VolumeSnapshot != nil {
			return location.VolumeSnapshot.ClassName
		}
	}
	return ""
}

func target(w v1alpha1.Workload) string {
	return strings.ToLower(w.TargetRef.Kind) + "/" + w.TargetRef.Name
}

// plain words mean the same with quotes and without.
var plain = regexp.MustCompile(`^[A-Za-z0-9_@%+=:,./-]+$`)

func shellWord(word string) string {
	if plain.MatchString(word) {
		return word
	}
	return "'" + strings.ReplaceAll(word, "'", `'\''`) + "'"
}

func shellWords(words []string) string {
	out := make([]string, len(words))
	for i, word := range words {
		out[i] = shellWord(word)
	}
	return strings.Join(out, " ")
}
