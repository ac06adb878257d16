// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"fmt"
	"slices"
	"strings"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

// script is the view of these tests: what each step answers, by its name or by
// name/key, and what it recorded.
type script struct {
	says     map[string]Verdict
	keys     []string
	recorded []string
}

func (s *script) answer(name, key string) Verdict {
	if v, ok := s.says[name+"/"+key]; ok {
		return v
	}
	if v, ok := s.says[name]; ok {
		return v
	}
	return Pass("%s is done", name)
}

// judges gives a step that answers what the script says.
func judges(name string, change ...func(*Step[*script])) Step[*script] {
	step := Step[*script]{
		Name:   name,
		Judge:  func(s *script, at At, _ Seen) Verdict { return s.answer(name, at.Key) },
		Record: func(s *script, at At, _ Seen) { s.recorded = append(s.recorded, name+"/"+at.Key) },
	}
	for _, c := range change {
		c(&step)
	}
	return step
}

func needs(names ...string) func(*Step[*script]) {
	return func(s *Step[*script]) { s.Needs = append([]string{}, names...) }
}

func finally(s *Step[*script]) { s.Finally = true }

// each spreads a step over the keys of the script.
func each(s *Step[*script]) { s.Each = func(v *script) []string { return v.keys } }

// makesJob lets a step ask for one Job.
func makesJob(s *Step[*script]) {
	what := "work-" + strings.ToLower(s.Name)
	s.Create = func(_ *script, at At) []client.Object {
		return []client.Object{&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: at.Name(what)}}}
	}
}

// world is a fake API server and one owner with its ledger.
type world struct {
	t      *testing.T
	engine Engine
	clock  *clocktesting.FakeClock
	owner  *v1alpha1.UpgradePlan
	steps  []Step[*script]
	view   *script
	ledger []v1alpha1.StepStatus
	// cache answers Get in the engine; nil is the server itself.
	writes  []string
	reports *reports
}

// reports plays the pods: every Job is in the state that the test gave it.
type reports struct {
	outcomes map[string]JobOutcome
	kept     []string
	refuse   error
}

func (r *reports) Outcome(_ context.Context, job *batchv1.Job) (JobOutcome, error) {
	if o, ok := r.outcomes[job.Name]; ok {
		return o, nil
	}
	return JobOutcome{State: JobRunning}, nil
}

func (r *reports) Keep(
	_ context.Context, _ Owner, step string, job *batchv1.Job, o JobOutcome,
) ([]v1alpha1.Evidence, error) {
	if r.refuse != nil {
		return nil, r.refuse
	}
	r.kept = append(r.kept, step+"/"+job.Name)
	var out []v1alpha1.Evidence
	for name := range o.Documents {
		out = append(out, v1alpha1.Evidence{Name: name, Digest: "sha256:aa"})
	}
	return out, nil
}

func (r *reports) Store(_ context.Context, _ Owner, entry *v1alpha1.StepStatus, name string, _ []byte) (v1alpha1.Evidence, error) {
	if r.refuse != nil {
		return v1alpha1.Evidence{}, r.refuse
	}
	r.kept = append(r.kept, entry.Name+"/"+name)
	return v1alpha1.Evidence{Name: name, Digest: "sha256:bb"}, nil
}

func scheme(t *testing.T) *runtime.Scheme {
	t.Helper()
	s := runtime.NewScheme()
	for _, add := range []func(*runtime.Scheme) error{
		clientgoscheme.AddToScheme, snapshotv1.AddToScheme, v1alpha1.AddToScheme,
	} {
		if err := add(s); err != nil {
			t.Fatal(err)
		}
	}
	return s
}

func owner() *v1alpha1.UpgradePlan {
	return &v1alpha1.UpgradePlan{ObjectMeta: metav1.ObjectMeta{
		Namespace: "campus", Name: "autumn", UID: "0b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11",
	}}
}

func begin(t *testing.T, steps ...Step[*script]) *world {
	t.Helper()
	w := &world{
		t: t, clock: clocktesting.NewFakeClock(noon), owner: owner(), steps: steps,
		view: &script{says: map[string]Verdict{}}, ledger: Ledger(steps), reports: &reports{outcomes: map[string]JobOutcome{}},
	}
	uids := 0
	server := fake.NewClientBuilder().WithScheme(scheme(t)).WithInterceptorFuncs(interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.CreateOption) error {
			w.writes = append(w.writes, "create "+obj.GetName())
			uids++
			obj.SetUID(types.UID(fmt.Sprintf("uid-%d", uids)))
			return c.Create(ctx, obj, opts...)
		},
		Delete: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.DeleteOption) error {
			w.writes = append(w.writes, "delete "+obj.GetName())
			return c.Delete(ctx, obj, opts...)
		},
		Update: func(ctx context.Context, c client.WithWatch, obj client.Object, opts ...client.UpdateOption) error {
			w.writes = append(w.writes, "update "+obj.GetName())
			return c.Update(ctx, obj, opts...)
		},
		Patch: func(ctx context.Context, c client.WithWatch, obj client.Object, p client.Patch, opts ...client.PatchOption) error {
			w.writes = append(w.writes, "patch "+obj.GetName())
			return c.Patch(ctx, obj, p, opts...)
		},
	}).Build()
	w.engine = Engine{Client: server, Live: server, Clock: w.clock, Reports: w.reports}
	return w
}

// run walks once and fails the test on an error.
func (w *world) run() Verdict {
	w.t.Helper()
	verdict, err := w.try()
	if err != nil {
		w.t.Fatalf("run: %v", err)
	}
	return verdict
}

func (w *world) try() (Verdict, error) {
	return Run(w.t.Context(), w.engine, w.owner, w.steps, w.view, &w.ledger)
}

// states gives the ledger in one line: "Probe:Passed Clone/a:Running".
func (w *world) states() string {
	out := ""
	for _, e := range w.ledger {
		name := e.Name
		if e.Key != "" {
			name += "/" + e.Key
		}
		if out != "" {
			out += " "
		}
		out += name + ":" + string(e.State)
	}
	return out
}

func (w *world) wants(states string) {
	w.t.Helper()
	if got := w.states(); got != states {
		w.t.Fatalf("the ledger is\n%s, want\n%s", got, states)
	}
}

func (w *world) entry(name, key string) *v1alpha1.StepStatus {
	w.t.Helper()
	i := slices.IndexFunc(w.ledger, func(e v1alpha1.StepStatus) bool { return e.Name == name && e.Key == key })
	if i < 0 {
		w.t.Fatalf("no entry %s/%s in %s", name, key, w.states())
	}
	return &w.ledger[i]
}

// jobs lists what is on the server.
func (w *world) jobs() []string {
	w.t.Helper()
	var list batchv1.JobList
	if err := w.engine.Client.List(w.t.Context(), &list); err != nil {
		w.t.Fatal(err)
	}
	var names []string
	for _, job := range list.Items {
		names = append(names, job.Name)
	}
	return names
}

// stranger puts an object of another onto the server.
func (w *world) stranger(obj client.Object) {
	w.t.Helper()
	if err := w.engine.Client.Create(w.t.Context(), obj); err != nil {
		w.t.Fatal(err)
	}
	w.writes = nil
}
