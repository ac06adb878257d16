// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func TestTheWayBack(t *testing.T) {
	run := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Name: "golive-1"}, Spec: v1alpha1.GoLiveSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}},
		Status: v1alpha1.GoLiveStatus{FixPoint: "golive-1-fixpoint",
			Steps: []v1alpha1.StepStatus{{Name: "Commit", State: v1alpha1.StepPassed}}}}
	back := func(name, of string, change ...func(*v1alpha1.Rollback)) v1alpha1.Rollback {
		r := v1alpha1.Rollback{ObjectMeta: metav1.ObjectMeta{Name: name}, Spec: v1alpha1.RollbackSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}}}
		r.Spec.To.GoLiveRef = &v1alpha1.LocalRef{Name: of}
		for _, c := range change {
			c(&r)
		}
		return r
	}
	under := func(r *v1alpha1.Rollback) { r.Status.Lease = &v1alpha1.HeldLease{} }
	over := func(r *v1alpha1.Rollback) {
		r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.SucceededCondition, Status: metav1.ConditionTrue}}
	}
	stuck := func(r *v1alpha1.Rollback) {
		r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.StalledCondition, Status: metav1.ConditionTrue}}
	}
	asks := func(r *v1alpha1.Rollback) {
		r.Status.Conditions = []metav1.Condition{{Type: v1alpha1.WaitingCondition, Status: metav1.ConditionTrue}}
	}
	to := func(backup string) func(*v1alpha1.Rollback) {
		return func(r *v1alpha1.Rollback) {
			r.Spec.To = v1alpha1.RollbackTarget{BackupRef: &v1alpha1.LocalRef{Name: backup}}
		}
	}
	notes := func(r *v1alpha1.Rollback) { r.Status.Source = &v1alpha1.RollbackSource{GoLive: "golive-1"} }
	run.UID = "u1"
	for name, c := range map[string]struct {
		all  []v1alpha1.Rollback
		want string
	}{
		"none": {nil, ""}, "of another go-live": {[]v1alpha1.Rollback{back("a", "golive-0", over)}, ""},
		"waits for its price": {[]v1alpha1.Rollback{back("a", "golive-1")}, ""}, "under way": {[]v1alpha1.Rollback{back("a", "golive-1", under)}, "a"},
		"stuck":                         {[]v1alpha1.Rollback{back("a", "golive-1", under, stuck)}, "a"},
		"asks for somebody":             {[]v1alpha1.Rollback{back("a", "golive-1", under, asks)}, "a"},
		"to the backup that it made":    {[]v1alpha1.Rollback{back("a", "", under, to("golive-1-fixpoint"))}, "a"},
		"to another backup":             {[]v1alpha1.Rollback{back("a", "", under, to("nightly"))}, ""},
		"noted, of one that is there":   {[]v1alpha1.Rollback{back("a", "", under, to("nightly"), notes)}, ""},
		"one that succeeded goes first": {[]v1alpha1.Rollback{back("a", "golive-1", under), back("b", "golive-1", over)}, "b"},
	} {
		got := WayBack(run, c.all)
		if got == nil != (c.want == "") || got != nil && got.Name != c.want {
			t.Errorf("%s: %v", name, got)
		}
		verdict, goes := RolledBack(View{Rollback: got})
		if goes != (c.want != "") || c.want == "b" && verdict.State != v1alpha1.StepPassed {
			t.Errorf("%s: %+v", name, verdict)
		}
		if stands := verdict.State == v1alpha1.StepFailed; stands != (name == "stuck" || name == "asks for somebody") {
			t.Errorf("%s: waits for a person %v: %+v", name, stands, verdict)
		}
	}
}

// A rollback that is deleted says so through its plan, and whoever deleted the
// go-live too still sees what holds the site.
func TestTheWayBackIsDeleted(t *testing.T) {
	now := metav1.Now()
	back := &v1alpha1.Rollback{ObjectMeta: metav1.ObjectMeta{Name: "way", DeletionTimestamp: &now}}
	back.Status.Lease, back.Status.Closed = &v1alpha1.HeldLease{Name: "gradus-campus", Point: v1alpha1.PointReversible}, &now
	back.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Message: "the site is put back as it was"}}
	verdict, goes := RolledBack(View{Rollback: back})
	if want := "Rollback way, deleted: the site is put back as it was"; !goes || verdict.Message != want {
		t.Errorf("%q, want %q", verdict.Message, want)
	}
	if got, want := production(View{Rollback: back}), "closed, Reversible, by Rollback way"; got != want {
		t.Errorf("%q, want %q", got, want)
	}
	if got := Held(nil, back); len(got) != 1 || got[0].What != "gradus-campus, Reversible" {
		t.Errorf("held: %+v", got)
	}
}
