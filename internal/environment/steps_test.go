// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"encoding/json"
	"fmt"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// Law 3 is an order: whoever changes it changes this test as well, and says why.
func TestTheOrderIsLaw3(t *testing.T) {
	want := []string{
		"Resolve", "MakeNamespace", "BindRights", "CloseNetwork", // closed before anything can run
		"CloneVolumes", "CopySettings", "RecoverDatabase", "StartDatabase", // data, and no application
		"Neutralise",        // off, and proven to be off
		"Upgrade", "Verify", // in Jobs
		"StartApplication", "Smoke", // and only then the application
	}
	var got []string
	for _, step := range Steps {
		got = append(got, step.Name)
		if step.Judge == nil || len(step.Name) > 40 {
			t.Errorf("step %s cannot be judged, or its name is too long", step.Name)
		}
		if step.Needs != nil || step.Finally || step.Repeatable {
			t.Errorf("step %s does not simply follow the one before it", step.Name)
		}
	}
	if diff := cmp.Diff(want, got); diff != "" {
		t.Error(diff)
	}
}

func TestACopyIsMade(t *testing.T) {
	s := tell(t, campus(t))
	verdict := s.walk()
	if verdict.State != v1alpha1.StepPassed {
		t.Fatalf("%+v\n%s", verdict, ledger(s))
	}
	env := s.view.Env.Status
	if env.Address != "http://campus-web.autumn-copy-1-0b4cdd3e.svc" || env.Namespace != "autumn-copy-1-0b4cdd3e" || env.Silence == "" {
		t.Errorf("status %+v", env)
	}
	if len(env.Hops) != 2 || len(env.Before) == 0 || len(env.After) == 0 || !slices.ContainsFunc(env.Dropped, func(d string) bool {
		return strings.Contains(d, "hidden-payment")
	}) {
		t.Errorf("hops %v, before %v, after %v, dropped %v", env.Hops, env.Before, env.After, env.Dropped)
	}
}

func ledger(s *story) string {
	var b strings.Builder
	for _, e := range s.view.Env.Status.Steps {
		fmt.Fprintf(&b, "%s %s %s: %s %s\n", e.Name, e.Key, e.State, e.Reason, e.Message)
	}
	return b.String()
}

// pod gives the pod that an object runs.
func pod(obj client.Object) *corev1.PodSpec {
	switch o := obj.(type) {
	case *batchv1.Job:
		return &o.Spec.Template.Spec
	case *appsv1.Deployment:
		return &o.Spec.Template.Spec
	case *appsv1.StatefulSet:
		return &o.Spec.Template.Spec
	}
	return nil
}

func TestEveryPodOfACopyStartsDead(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	kinds := map[string]int{}
	for _, obj := range s.made {
		spec := pod(obj)
		if spec == nil {
			continue
		}
		name := fmt.Sprintf("%T %s", obj, obj.GetName())
		kinds[fmt.Sprintf("%T", obj)]++
		first := spec.InitContainers[0]
		if first.Name != "await-closed" {
			t.Errorf("%s: %s runs before the network is known to be closed", name, first.Name)
		}
		for _, canary := range s.view.Install.Canaries {
			if !slices.Contains(first.Args, "--canary="+canary) {
				t.Errorf("%s does not ask canary %s", name, canary)
			}
		}
		if ptr.Deref(spec.AutomountServiceAccountToken, true) || spec.ServiceAccountName != "" {
			t.Errorf("%s has a token or an account", name)
		}
		if spec.SecurityContext.FSGroup != nil || spec.HostNetwork || spec.HostPID {
			t.Errorf("%s has an fsGroup or a namespace of the host", name)
		}
		for _, v := range spec.Volumes {
			if v.HostPath != nil || v.Projected != nil {
				t.Errorf("%s mounts %s", name, v.Name)
			}
			if v.Secret != nil && !slices.Contains([]string{"campus-config", "smtp", "campus-db", "campus-db-reader"}, v.Secret.SecretName) {
				t.Errorf("%s mounts Secret %s", name, v.Secret.SecretName)
			}
		}
	}
	if kinds["*v1.Job"] != 6 || kinds["*v1.Deployment"] != 1 || kinds["*v1.StatefulSet"] != 1 {
		t.Errorf("pods of %v: want recover, neutralise, two hops, verify, smoke; the web application; the database", kinds)
	}
}

func TestNothingIsMadeBeforeItsTime(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	index := func(name string) int {
		i := slices.IndexFunc(s.made, func(o client.Object) bool { return strings.HasPrefix(fmt.Sprintf("%T/%s", o, o.GetName()), name) })
		if i < 0 {
			t.Fatalf("%s was not made", name)
		}
		return i
	}
	firstPod := slices.IndexFunc(s.made, func(o client.Object) bool { return pod(o) != nil })
	order := []int{
		index("*v1.Namespace/"), index("*v1.RoleBinding/"), index("*v1.NetworkPolicy/gradus-closed"), index("*v1.ResourceQuota/"),
		index("*v1.VolumeSnapshotContent/"), index("*v1.Secret/campus-db"), firstPod, index("*v1.Job/autumn-neutralise"),
		index("*v1.Job/autumn-hop-1-5"), index("*v1.Job/autumn-hop-3-0"), index("*v1.Job/autumn-verify"), index("*v1.Deployment/campus-web"),
	}
	if !slices.IsSorted(order) {
		t.Errorf("the order of making is %v", order)
	}
	for _, obj := range s.made {
		if ns := obj.GetNamespace(); ns != "" && ns != s.view.namespace() {
			t.Errorf("%T %s was made in namespace %s", obj, obj.GetName(), ns)
		}
	}
}

func TestWithoutProofOfSilenceNoApplication(t *testing.T) {
	for _, failing := range []string{"neutralise", "recover", "hop-1-5", "hop-3-0", "verify"} {
		s := tell(t, campus(t))
		s.fails["autumn-"+failing+"-1-0b4cdd3e"] = task.Result{Reason: "CommandFailed", Message: "mail is still on"}
		verdict := s.walk()
		if verdict.State != v1alpha1.StepFailed || verdict.Reason != "CommandFailed" {
			t.Errorf("%s fails: %+v", failing, verdict)
		}
		for _, obj := range s.made {
			if _, ok := obj.(*appsv1.Deployment); ok {
				t.Errorf("%s fails and the application starts", failing)
			}
		}
	}
}

func TestAHopThatFailedAndIsTriedAgain(t *testing.T) {
	s := tell(t, campus(t))
	s.fails["autumn-hop-1-5-1-0b4cdd3e"] = task.Result{Reason: "CommandFailed", Message: "no room"}
	s.walk()
	if slices.ContainsFunc(s.made, func(o client.Object) bool { return strings.Contains(o.GetName(), "hop-3-0") }) {
		t.Error("the second hop ran on what the first left")
	}
	s.view.Env.Annotations = map[string]string{v1alpha1.RetryAnnotation: "Upgrade@1"}
	if verdict := s.walk(); verdict.State != v1alpha1.StepPassed {
		t.Fatalf("after a retry: %+v\n%s", verdict, ledger(s))
	}
	var results []string
	for _, hop := range s.view.Env.Status.Hops {
		results = append(results, hop.To+" "+hop.Verdict)
	}
	if got := strings.Join(results, ", "); got != "1.5 Passed, 3.0 Passed" {
		t.Errorf("results are %s", got)
	}
}

func TestNoTrackingLabelComesAlong(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	for _, obj := range s.made {
		for key, value := range with(obj.GetLabels()) {
			if value == "tracked" {
				t.Errorf("%T %s has label %s: what tracks the live site would prune it", obj, obj.GetName(), key)
			}
		}
		for key, value := range obj.GetAnnotations() {
			if value == "tracked" {
				t.Errorf("%T %s has annotation %s", obj, obj.GetName(), key)
			}
		}
	}
	// Pods keep what selectors need: without it the copy's Service finds nobody.
	i := slices.IndexFunc(s.made, func(o client.Object) bool { _, ok := o.(*appsv1.Deployment); return ok })
	web := s.made[i].(*appsv1.Deployment)
	for key, value := range web.Spec.Selector.MatchLabels {
		if web.Spec.Template.Labels[key] != value {
			t.Errorf("the selector asks for %s=%s and the pods have %v", key, value, web.Spec.Template.Labels)
		}
	}
	if len(web.Spec.Template.Annotations) > 0 || web.Spec.Template.Labels["helm.sh/chart"] != "" {
		t.Errorf("pods came with %v %v", web.Spec.Template.Annotations, web.Spec.Template.Labels)
	}
}

func TestSettingsOfACopy(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	secrets := map[string]*corev1.Secret{}
	for _, obj := range s.made {
		if secret, ok := obj.(*corev1.Secret); ok {
			secrets[secret.Name] = secret
		}
	}
	var names []string
	for name := range secrets {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"campus-config", "campus-db", "campus-db-reader", "smtp"}, names); diff != "" {
		t.Errorf("Secrets of the copy: %s", diff)
	}
	owner, reader := string(secrets["campus-db"].Data["password"]), string(secrets["campus-db-reader"].Data["password"])
	if owner == reader || len(owner) < 40 || string(secrets["campus-db"].Data["username"]) != "campus" {
		t.Errorf("passwords %q, %q", owner, reader)
	}
	for _, obj := range s.made {
		content, err := json.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := obj.(*corev1.Secret); !ok && strings.Contains(string(content), owner) {
			t.Errorf("%T %s holds a password in the clear", obj, obj.GetName())
		}
	}
}

func TestPasswords(t *testing.T) {
	base := campus(t)
	same := campus(t)
	if base.password("campus") != same.password("campus") {
		t.Error("two calls give two passwords: the second would lock the copy out")
	}
	seen := map[string]string{base.password("campus"): "the first"}
	for name, got := range map[string]string{
		"another role":          base.password("campus_reader"),
		"another environment":   campus(t, func(v *View) { v.Env.UID = "another" }).password("campus"),
		"another configuration": campus(t, func(v *View) { v.Secrets[0].Data["config.php"] = []byte("<?php //") }).password("campus"),
		"one Secret more": campus(t, func(v *View) {
			v.Secrets = append(v.Secrets, corev1.Secret{Data: map[string][]byte{"x": []byte("y")}})
		}).password("campus"),
	} {
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the password of %s", name, other)
		}
		seen[got] = name
	}
}

func TestClones(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	aliases := map[string]string{}
	claims := map[string]string{}
	for _, obj := range s.made {
		switch o := obj.(type) {
		case *snapshotv1.VolumeSnapshotContent:
			if o.Spec.DeletionPolicy != snapshotv1.VolumeSnapshotContentRetain {
				t.Errorf("alias %s says %s", o.Name, o.Spec.DeletionPolicy)
			}
			aliases[o.Name] = *o.Spec.Source.SnapshotHandle
		case *corev1.PersistentVolumeClaim:
			claims[o.Name] = aliases[o.Spec.DataSource.Name]
		}
	}
	want := map[string]string{"campus-files": "handle-campus-files", "data-campus-db-0": "handle-data-campus-db-0"}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims and the snapshots behind them: %s", diff)
	}
}

func TestAScratchCopyRunsTheDatabaseOnly(t *testing.T) {
	s := tell(t, campus(t, func(v *View) { v.Env.Spec.Purpose, v.Env.Spec.Upgrade = v1alpha1.PurposeScratch, nil }))
	if verdict := s.walk(); verdict.State != v1alpha1.StepPassed {
		t.Fatalf("%+v\n%s", verdict, ledger(s))
	}
	for _, obj := range s.made {
		if _, ok := obj.(*appsv1.Deployment); ok || strings.Contains(obj.GetName(), "hop") || strings.Contains(obj.GetName(), "smoke") {
			t.Errorf("made %T %s", obj, obj.GetName())
		}
	}
	if s.view.Env.Status.Address != "" || s.view.Env.Status.Silence != "" {
		t.Errorf("address %q, silence %q", s.view.Env.Status.Address, s.view.Env.Status.Silence)
	}
}

func TestWhole(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*View)
		state  v1alpha1.StepState
		says   string
	}{
		"all there":        {func(*View) {}, v1alpha1.StepPassed, "nightly"},
		"no Site":          {func(v *View) { v.Site = nil }, v1alpha1.StepWaiting, "Site campus"},
		"no backup":        {func(v *View) { v.Backup = nil }, v1alpha1.StepWaiting, "SiteBackup nightly"},
		"no profile":       {func(v *View) { v.Profile = nil }, v1alpha1.StepFailed, "spec.profile"},
		"something absent": {func(v *View) { v.Missing = []string{"Deployment campus-web"} }, v1alpha1.StepWaiting, "Deployment campus-web"},
	} {
		got, whole := Whole(campus(t, c.change))
		if got.State != c.state || !strings.Contains(got.Message, c.says) || whole != (c.state == v1alpha1.StepPassed) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestImages(t *testing.T) {
	releases := []v1alpha1.Release{
		{Version: "1.5", Image: "campus:1.5"},
		{Version: "3.0", Containers: []v1alpha1.ContainerImage{{Name: "app", Image: "campus:3.0", Env: []v1alpha1.EnvValue{{Name: "A", Value: "1"}}}, {Name: "static", Image: "nginx:2"}}},
	}
	for version, want := range map[string]map[string]v1alpha1.ContainerImage{
		"1.5": {"app": {Name: "app", Image: "campus:1.5"}},
		"3.0": {"app": releases[1].Containers[0], "static": releases[1].Containers[1]},
		"9.9": {},
	} {
		if diff := cmp.Diff(want, Images(liveSite(), releases, version)); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
	}
}

func TestSourcesOf(t *testing.T) {
	site := liveSite()
	site.Spec.Volumes = append(site.Spec.Volumes, v1alpha1.SiteVolume{Name: "cache", Clone: v1alpha1.VolumeClone{Method: v1alpha1.CloneOmit}})
	snap := func(volume, name string) v1alpha1.BackupCopy {
		return v1alpha1.BackupCopy{Volume: volume, Snapshot: &v1alpha1.SnapshotRef{Name: name}}
	}
	backup := &v1alpha1.SiteBackup{Status: v1alpha1.SiteBackupStatus{Copies: []v1alpha1.BackupCopy{
		{Volume: "database", Path: "dump"}, snap("database", "a"), snap("database", "b"), snap("files", "c"), snap("cache", "d"), snap("other", "e"),
	}}}
	var got []string
	for _, c := range SourcesOf(site, backup) {
		got = append(got, c.Snapshot.Name)
	}
	if diff := cmp.Diff([]string{"a", "c"}, got); diff != "" {
		t.Error(diff)
	}
}

func TestFindingsStayWithinTheAPI(t *testing.T) {
	var result task.Result
	for range 100 {
		result.Findings = append(result.Findings, task.Finding{Severity: task.Blocking, Code: "X", Message: strings.Repeat("ä", 2000)})
	}
	got := Findings(result)
	if len(got) > 64 || len(got) == 0 || len([]rune(got[0].Message)) > 1024 || got[0].Severity != v1alpha1.SeverityCritical {
		t.Errorf("%d findings, the first %s of %d bytes", len(got), got[0].Severity, len(got[0].Message))
	}
	failed := HopResult([]v1alpha1.Hop{{From: "1", To: "2", Reason: "next"}}, "2", pipeline.JobOutcome{
		State: pipeline.JobFailed, Result: task.Result{Message: strings.Repeat("x", 900)}})
	if failed.Verdict != "Failed" || len(failed.StoppedAt) > 512 || failed.From != "1" {
		t.Errorf("%+v", failed)
	}
}
