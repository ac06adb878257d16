// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package status

import (
	"context"
	"errors"
	"fmt"
	"strings"
	"testing"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/tools/events"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

func TestConclude(t *testing.T) {
	broken := errors.New("the API server is away")
	terminal := reconcile.TerminalError(errors.New("spec cannot be read"))
	for name, c := range map[string]struct {
		verdict pipeline.Verdict
		err     error
		which   string
		reason  string
		message string
	}{
		"passed":               {pipeline.Pass("done"), nil, "Ready", "Passed", "done"},
		"skipped":              {pipeline.Skip("NothingToDo", "nothing"), nil, "Ready", "NothingToDo", "nothing"},
		"running":              {pipeline.Wait("CopyingFiles", "copying"), nil, "Reconciling", "CopyingFiles", "copying"},
		"waiting for people":   {pipeline.Await("Approval", "ask Ann"), nil, "Reconciling", "Approval", "ask Ann"},
		"failed":               {pipeline.Fail("CloneFailed", "no room"), nil, "Stalled", "CloneFailed", "no room"},
		"an error is retried":  {pipeline.Verdict{}, broken, "Reconciling", "ProgressingWithRetry", "the API server is away"},
		"an error goes first":  {pipeline.Pass("done"), broken, "Reconciling", "ProgressingWithRetry", "the API server is away"},
		"a terminal error":     {pipeline.Pass("done"), terminal, "Stalled", "TerminalError", terminal.Error()},
		"no verdict, no error": {pipeline.Verdict{}, nil, "Reconciling", "Working", ""},
		"a terminal one joined": {
			pipeline.Verdict{}, errors.Join(broken, terminal), "Stalled", "TerminalError", errors.Join(broken, terminal).Error(),
		},
	} {
		for _, before := range []string{"nothing", "Ready", "Reconciling", "Stalled"} {
			t.Run(name+" after "+before, func(t *testing.T) {
				var conds []metav1.Condition
				switch before {
				case "Ready":
					Conclude(&conds, 1, pipeline.Pass("was ready"), nil)
				case "Reconciling":
					Conclude(&conds, 1, pipeline.Wait("Before", "was working"), nil)
				case "Stalled":
					Conclude(&conds, 1, pipeline.Fail("Before", "was stalled"), nil)
				}
				Set(&conds, "Passed", metav1.ConditionTrue, 1, "Verdict", "a condition of another")
				Conclude(&conds, 2, c.verdict, c.err)
				var held []string
				for _, kind := range []string{"Ready", "Reconciling", "Stalled"} {
					if meta.IsStatusConditionTrue(conds, kind) {
						held = append(held, kind)
					}
				}
				if len(held) != 1 || held[0] != c.which {
					t.Fatalf("True are %v, want %s alone", held, c.which)
				}
				if ready := meta.FindStatusCondition(conds, "Ready"); ready == nil || ready.Reason != c.reason ||
					ready.Message != c.message || ready.ObservedGeneration != 2 {
					t.Errorf("Ready is %+v", ready)
				}
				if !meta.IsStatusConditionTrue(conds, "Passed") {
					t.Error("a condition of another was touched")
				}
			})
		}
	}
}

func TestTransitionTimeStaysWithItsStatus(t *testing.T) {
	var conds []metav1.Condition
	Conclude(&conds, 1, pipeline.Wait("One", "one"), nil)
	then := metav1.NewTime(noon)
	for i := range conds {
		conds[i].LastTransitionTime = then
	}
	Conclude(&conds, 2, pipeline.Wait("Two", "two"), nil)
	for _, c := range conds {
		if !c.LastTransitionTime.Equal(&then) || c.Reason != "Two" {
			t.Errorf("%s: %s since %s", c.Type, c.Reason, c.LastTransitionTime)
		}
	}
}

// desk is a server that counts the writes of a status.
type desk struct {
	settler  Settler
	recorder *events.FakeRecorder
	writes   int
	refuse   error
}

func open(t *testing.T, obj client.Object) *desk {
	t.Helper()
	s := runtime.NewScheme()
	if err := v1alpha1.AddToScheme(s); err != nil {
		t.Fatal(err)
	}
	d := &desk{recorder: events.NewFakeRecorder(20)}
	c := fake.NewClientBuilder().WithScheme(s).WithObjects(obj).WithStatusSubresource(obj).WithInterceptorFuncs(interceptor.Funcs{
		SubResourcePatch: func(
			ctx context.Context, c client.Client, sub string, obj client.Object, p client.Patch, opts ...client.SubResourcePatchOption,
		) error {
			d.writes++
			if d.refuse != nil {
				return d.refuse
			}
			if obj.(*v1alpha1.TrialUpgrade).Status.Environment == "not valid" {
				return apierrors.NewInvalid(schema.GroupKind{Kind: "TrialUpgrade"}, obj.GetName(), nil)
			}
			return c.SubResource(sub).Patch(ctx, obj, p, opts...)
		},
	}).Build()
	d.settler = Settler{Client: c, Events: Events{Recorder: d.recorder}}
	return d
}

func (d *desk) told() []string {
	var out []string
	for {
		select {
		case e := <-d.recorder.Events:
			out = append(out, e)
		default:
			return out
		}
	}
}

func stored(t *testing.T, d *desk) *v1alpha1.TrialUpgrade {
	t.Helper()
	trial := &v1alpha1.TrialUpgrade{}
	if err := d.settler.Client.Get(t.Context(), client.ObjectKey{Namespace: "campus", Name: "autumn"}, trial); err != nil {
		t.Fatal(err)
	}
	return trial
}

func autumn() *v1alpha1.TrialUpgrade {
	return &v1alpha1.TrialUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn", Generation: 3}}
}

func TestSettleWritesOnceAndOnlyWhatChanged(t *testing.T) {
	d := open(t, autumn())
	for round, want := range []int{1, 1, 2} {
		trial := stored(t, d)
		before := trial.DeepCopy()
		// The API keeps seconds: this is no news.
		trial.Status.KeptUntil = &metav1.Time{Time: noon.Add(time.Duration(round+1) * time.Millisecond)}
		verdict := pipeline.Wait("Working", "working")
		if round == 2 {
			verdict = pipeline.Pass("done")
		}
		result, err := d.settler.Settle(t.Context(), before, trial, verdict.By(noon.Add(time.Hour)), nil, noon)
		if err != nil || result.RequeueAfter != time.Hour {
			t.Fatalf("got %v, %v", result, err)
		}
		if d.writes != want {
			t.Fatalf("round %d: %d writes, want %d", round, d.writes, want)
		}
	}
	trial := stored(t, d)
	if trial.Status.ObservedGeneration != 3 || !meta.IsStatusConditionTrue(trial.Status.Conditions, v1alpha1.ReadyCondition) {
		t.Errorf("the server has %+v", trial.Status)
	}
}

func TestAConflictIsQuietAndComesBack(t *testing.T) {
	d := open(t, autumn())
	trial := stored(t, d)
	before := trial.DeepCopy()
	other := stored(t, d)
	other.Status.Environment = "written by another"
	if err := d.settler.Client.Status().Update(t.Context(), other); err != nil {
		t.Fatal(err)
	}
	result, err := d.settler.Settle(t.Context(), before, trial, pipeline.Fail("Broken", "broken"), nil, noon)
	if err != nil || result.RequeueAfter != time.Second {
		t.Errorf("got %v, %v, want another look in a second", result, err)
	}
	if got := d.told(); len(got) > 0 {
		t.Errorf("told %v of a write that did not happen", got)
	}
	if got := stored(t, d); got.Status.Environment != "written by another" || len(got.Status.Conditions) > 0 {
		t.Errorf("the write of another was overwritten: %+v", got.Status)
	}
}

// A status that the API refuses would otherwise be refused for ever, without a word.
func TestAStatusThatIsRefusedIsTold(t *testing.T) {
	d := open(t, autumn())
	for round := range 3 {
		trial := stored(t, d)
		before := trial.DeepCopy()
		trial.Status.Environment = "not valid"
		if _, err := d.settler.Settle(t.Context(), before, trial, pipeline.Wait("Working", "working"), nil, noon); !apierrors.IsInvalid(err) {
			t.Fatalf("round %d: error %v, want the refusal, so that it is tried again", round, err)
		}
	}
	got := stored(t, d).Status
	if c := meta.FindStatusCondition(got.Conditions, v1alpha1.StalledCondition); c == nil || c.Reason != "StatusRefused" || got.Environment != "" {
		t.Errorf("status %+v", got)
	}
	if d.writes != 4 { // three that are refused, and one that says so
		t.Errorf("%d writes", d.writes)
	}
	trial := stored(t, d)
	if _, err := d.settler.Settle(t.Context(), trial.DeepCopy(), trial, pipeline.Pass("done"), nil, noon); err != nil {
		t.Fatal(err)
	}
	if c := meta.FindStatusCondition(stored(t, d).Status.Conditions, v1alpha1.StalledCondition); c != nil {
		t.Errorf("still told: %s", c.Message)
	}
}

func TestErrors(t *testing.T) {
	gone := apierrors.NewNotFound(schema.GroupResource{Resource: "trialupgrades"}, "autumn")
	away := errors.New("the API server is away")
	terminal := reconcile.TerminalError(errors.New("cannot be read"))
	conflict := fmt.Errorf("create Job campus/work: %w", pipeline.ErrNameConflict)
	for name, c := range map[string]struct {
		err, write, want error
		stalled          string
	}{
		"of the reconcile":                       {err: away, want: away},
		"that is terminal":                       {err: terminal, want: terminal, stalled: v1alpha1.TerminalErrorReason},
		"of the write goes first":                {err: terminal, write: away, want: away},
		"of a write to what is gone":             {write: gone},
		"a stranger's name is no error to retry": {err: conflict, stalled: v1alpha1.NameConflictReason},
	} {
		t.Run(name, func(t *testing.T) {
			d := open(t, autumn())
			d.refuse = c.write
			trial := stored(t, d)
			next, err := d.settler.Settle(t.Context(), trial.DeepCopy(), trial, pipeline.Verdict{}, c.err, noon)
			if !errors.Is(err, c.want) || c.want == nil && err != nil {
				t.Errorf("got %v, want %v", err, c.want)
			}
			if c.write != nil && errors.Is(err, reconcile.TerminalError(nil)) {
				t.Error("the write would never be tried again")
			}
			stalled := meta.FindStatusCondition(trial.Status.Conditions, v1alpha1.StalledCondition)
			if c.stalled != "" && (stalled == nil || stalled.Reason != c.stalled) {
				t.Errorf("stalled is %+v, want %s", stalled, c.stalled)
			}
			if c.stalled == v1alpha1.NameConflictReason &&
				(!strings.Contains(stalled.Message, "remove or rename") || next.RequeueAfter != inTheWay) {
				t.Errorf("what to do, and when it is looked at again: %s, %s", stalled.Message, next.RequeueAfter)
			}
		})
	}
}
