// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
		if step.Needs != nil || step.Finally || step.Repeatable != nil {
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

func TestAHopMayTakeAsLongAsThePlanSays(t *testing.T) {
	s := tell(t, campus(t, func(v *View) { v.Env.Spec.Upgrade.HopDeadline = &metav1.Duration{Duration: 9 * time.Hour} }))
	s.walk()
	hops := 0
	for _, obj := range s.made {
		job, ok := obj.(*batchv1.Job)
		if !ok || !strings.Contains(job.Name, "hop") {
			continue
		}
		hops++
		if got := *job.Spec.ActiveDeadlineSeconds; got <= int64((9 * time.Hour).Seconds()) {
			t.Errorf("%s is ended after %d s", job.Name, got)
		}
	}
	if hops != 2 {
		t.Errorf("%d hops", hops)
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

// The first Job with the LMS's own code asks it for its version, and no copy fails
// because it does not tell.
func TestTheCodeIsAskedForItsVersion(t *testing.T) {
	v := campus(t)
	actions := v.asksVersion()
	if len(actions) == 0 || slices.ContainsFunc(actions, func(a task.Action) bool { return !a.Advisory }) {
		t.Errorf("asks by %+v", actions)
	}
	for _, fact := range []string{"version.disk", "version.version"} {
		result := task.Result{OK: true, Facts: map[string]string{fact: "1.0+" + strings.Repeat("x", 99)}}
		neutralise.Record(v, pipeline.At{}, pipeline.Seen{Jobs: map[string]pipeline.JobOutcome{"job": {Result: result}}})
		if got := v.Env.Status.CodeVersion; len(got) != 64 || !strings.HasPrefix(got, "1.0+") {
			t.Errorf("by fact %s the code is %q", fact, got)
		}
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
