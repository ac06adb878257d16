// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"errors"
	"regexp"
	"strings"
	"testing"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

func TestNames(t *testing.T) {
	label := regexp.MustCompile(`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`)
	owner := func(name, uid string) Owner {
		return &v1alpha1.StagingEnvironment{ObjectMeta: metav1.ObjectMeta{Name: name, UID: types.UID(uid)}}
	}
	const a, b = "0b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11", "1b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11"
	if got := Name(owner("autumn", a), "hop", "4.5", 2); got != "autumn-hop-4-5-2-0b4cdd3e" {
		t.Errorf("got %s", got)
	}
	if got := Name(owner("autumn-trial-1-77777777", a), "hop", "", 1); got != "autumn-trial-hop-1-0b4cdd3e" {
		t.Errorf("a grandchild is called %s: the tail of its owner must go", got)
	}
	long := strings.Repeat("long-name-", 6)
	seen := map[string]string{}
	for what, name := range map[string]string{
		"plain": Name(owner("autumn", a), "hop", "4.5", 1), "another attempt": Name(owner("autumn", a), "hop", "4.5", 2),
		"another key": Name(owner("autumn", a), "hop", "5.0", 1), "another thing": Name(owner("autumn", a), "verify", "4.5", 1),
		"another owner of the same name": Name(owner("autumn", b), "hop", "4.5", 1),
		"a long owner":                   Name(owner(long, a), "hop", "4.5", 1),
		"a long owner, another key":      Name(owner(long, a), "hop", "5.0", 1),
		"a long owner, another end":      Name(owner(long+"x", a), "hop", "4.5", 1),
		"a key with capitals":            Name(owner("autumn", a), "copy", "FileDir", 1),
	} {
		if len(name) > 63 || !label.MatchString(name) {
			t.Errorf("%s: %q is no label of at most 63 characters", what, name)
		}
		if other, ok := seen[name]; ok {
			t.Errorf("%q names both %s and %s", name, what, other)
		}
		seen[name] = what
	}
}

func TestChildrenAreMadeOnceAndRemembered(t *testing.T) {
	w := begin(t, judges("A", makesJob))
	w.view.says["A"] = Wait("Working", "working")
	for range 3 {
		w.run()
	}
	if got := strings.Join(w.writes, ", "); got != "create "+w.jobs()[0] {
		t.Errorf("three runs wrote %q", got)
	}
	children := w.entry("A", "").Children
	if len(children) != 1 || children[0].UID != "uid-1" || children[0].Kind != "Job" || children[0].Namespace != "campus" {
		t.Errorf("remembered %+v", children)
	}
}

func TestMarks(t *testing.T) {
	w := begin(t, judges("A", makesJob))
	w.view.says["A"] = Wait("Working", "working")
	w.run()
	var job batchv1.Job
	if err := w.engine.Client.Get(t.Context(), client.ObjectKey{Namespace: "campus", Name: w.jobs()[0]}, &job); err != nil {
		t.Fatal(err)
	}
	for key, want := range map[string]string{
		v1alpha1.OwnerUIDLabel: string(w.owner.UID), v1alpha1.OwnerKindLabel: "UpgradePlan", v1alpha1.StepLabel: "A",
	} {
		if job.Labels[key] != want {
			t.Errorf("label %s is %q, want %q", key, job.Labels[key], want)
		}
	}
	if job.Annotations[v1alpha1.OwnerAnnotation] != "campus/autumn" || job.Annotations[v1alpha1.SpecHashAnnotation] == "" {
		t.Errorf("annotations %v", job.Annotations)
	}
}

func TestOwnerReferencesGoOnlyToWhatMayDieWithItsOwner(t *testing.T) {
	s := scheme(t)
	here := metav1.ObjectMeta{Namespace: "campus", Name: "x"}
	for name, c := range map[string]struct {
		obj  client.Object
		dies bool
	}{
		"a Job of the same namespace":        {&batchv1.Job{ObjectMeta: here}, true},
		"a copy":                             {&v1alpha1.StagingEnvironment{ObjectMeta: here}, true},
		"a trial":                            {&v1alpha1.TrialUpgrade{ObjectMeta: here}, true},
		"a backup":                           {&v1alpha1.SiteBackup{ObjectMeta: here}, false},
		"a go-live":                          {&v1alpha1.GoLive{ObjectMeta: here}, false},
		"a rollback":                         {&v1alpha1.Rollback{ObjectMeta: here}, false},
		"a watchdog":                         {&appsv1.Deployment{ObjectMeta: here}, false},
		"its account":                        {&corev1.ServiceAccount{ObjectMeta: here}, false},
		"its rights":                         {&rbacv1.Role{ObjectMeta: here}, false},
		"and how it has them":                {&rbacv1.RoleBinding{ObjectMeta: here}, false},
		"a snapshot":                         {&snapshotv1.VolumeSnapshot{ObjectMeta: here}, false},
		"an alias content":                   {&snapshotv1.VolumeSnapshotContent{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, false},
		"a namespace":                        {&corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "x"}}, false},
		"a Job in another namespace":         {&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "copy", Name: "x"}}, false},
		"a claim in the namespace of a copy": {&corev1.PersistentVolumeClaim{ObjectMeta: metav1.ObjectMeta{Namespace: "copy", Name: "x"}}, false},
	} {
		mark(c.obj, owner(), "A", s)
		if got := metav1.IsControlledBy(c.obj, owner()); got != c.dies {
			t.Errorf("%s: dies with its owner: %v, want %v", name, got, c.dies)
		}
		if c.obj.GetLabels()[v1alpha1.OwnerUIDLabel] != string(owner().UID) {
			t.Errorf("%s carries no UID of its owner", name)
		}
	}
}

// An earlier version made it and died before it could say so; this one would ask
// for it in other words.
func TestAChildThatAnEarlierVersionMade(t *testing.T) {
	w := begin(t, judges("A", makesJob))
	child := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{
		Namespace: "campus", Name: At{Attempt: 1, owner: owner()}.Name("work-a")}}
	child.Spec.BackoffLimit = ptr.To[int32](9)
	mark(child, owner(), "A", w.engine.Client.Scheme())
	w.stranger(child)
	if _, err := w.try(); err != nil {
		t.Fatal(err)
	}
	if got := w.entry("A", "").Children; len(got) != 1 {
		t.Errorf("remembers %v, want the Job", got)
	}
}

func TestAStrangerOfTheSameName(t *testing.T) {
	name := At{Attempt: 1, owner: owner()}.Name("work-a")
	for what, change := range map[string]func(*batchv1.Job){
		"with no labels": func(*batchv1.Job) {},
		"with our label, and of no step": func(j *batchv1.Job) {
			j.Labels = map[string]string{v1alpha1.OwnerUIDLabel: string(owner().UID)}
		},
		"of another owner": func(j *batchv1.Job) {
			j.Labels = map[string]string{v1alpha1.OwnerUIDLabel: "another"}
		},
	} {
		t.Run(what, func(t *testing.T) {
			w := begin(t, judges("A", makesJob))
			stranger := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name}}
			change(stranger)
			w.stranger(stranger)
			_, err := w.try()
			if !errors.Is(err, ErrNameConflict) || !strings.Contains(err.Error(), name) {
				t.Fatalf("got %v, want ErrNameConflict with the name", err)
			}
			if len(w.writes) > 0 || len(w.entry("A", "").Children) > 0 {
				t.Errorf("wrote %v, remembers %v", w.writes, w.entry("A", "").Children)
			}
		})
	}
}

// staleCache finds nothing, as a cache does that has not heard of a write yet.
type staleCache struct{ client.Client }

func (c staleCache) Get(_ context.Context, key client.ObjectKey, _ client.Object, _ ...client.GetOption) error {
	return apierrors.NewNotFound(schema.GroupResource{Resource: "jobs"}, key.Name)
}

func TestAStaleCacheCostsNothing(t *testing.T) {
	w := begin(t, judges("A", makesJob))
	w.view.says["A"] = Wait("Working", "working")
	w.run()
	uid := w.entry("A", "").Children[0].UID
	server := w.engine.Client
	w.engine.Client = staleCache{server}
	for name, ledger := range map[string][]v1alpha1.StepStatus{
		"the status was written": w.ledger, "and it was not": Ledger(w.steps),
	} {
		w.ledger = ledger
		w.run()
		if got := w.entry("A", "").Children; len(got) != 1 || got[0].UID != uid {
			t.Errorf("%s: remembers %+v, want %s", name, got, uid)
		}
	}
	w.engine.Client = server
	if got := w.jobs(); len(got) != 1 {
		t.Errorf("Jobs %v", got)
	}
}

func TestACrashBetweenCreateAndTheStatusWriteLosesNothing(t *testing.T) {
	w := begin(t, judges("A", makesJob), judges("B", each, makesJob))
	w.view.keys = []string{"files", "lang"}
	w.view.says["B"] = Wait("Working", "working")
	w.run()
	want, children := w.jobs(), w.entry("B", "files").Children
	w.ledger, w.writes = Ledger(w.steps), nil // the status never reached the API server
	w.run()
	if got := w.jobs(); strings.Join(got, " ") != strings.Join(want, " ") || len(w.writes) > 0 {
		t.Errorf("made %v anew; Jobs %v, want %v", w.writes, got, want)
	}
	if got := w.entry("B", "files").Children; got[0].UID != children[0].UID {
		t.Errorf("remembers %v, want %v", got, children)
	}
}

func TestAChildThatIsGoneIsNotMadeAgain(t *testing.T) {
	w := begin(t, judges("A", makesJob))
	w.view.says["A"] = Wait("Working", "working")
	w.run()
	name := w.jobs()[0]
	job := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name}}
	if err := w.engine.Client.Delete(t.Context(), job); err != nil {
		t.Fatal(err)
	}
	w.run()
	if e := w.entry("A", ""); e.State != v1alpha1.StepFailed || e.Reason != "ChildGone" || !strings.Contains(e.Message, name) {
		t.Fatalf("got %+v", e)
	}
	if got := w.jobs(); len(got) != 0 || len(w.view.recorded) != 0 {
		t.Fatalf("made %v again, recorded %v", got, w.view.recorded)
	}
	w.owner.Annotations = map[string]string{v1alpha1.RetryAnnotation: "A@1"}
	w.run()
	if got := w.jobs(); len(got) != 1 || got[0] == name {
		t.Errorf("a retry has %v", got)
	}
}

func TestRemoveIsByUID(t *testing.T) {
	remove := func(children ...v1alpha1.ChildRef) func(*Step[*script]) {
		return func(s *Step[*script]) {
			s.Remove = func(*script, At) []v1alpha1.ChildRef { return children }
			s.Judge = func(_ *script, _ At, seen Seen) Verdict {
				if seen.Left > 0 {
					return Wait("Removing", "%d are left", seen.Left)
				}
				return Pass("gone")
			}
		}
	}
	mine := v1alpha1.ChildRef{Kind: "Job", Namespace: "campus", Name: "mine", UID: "uid-1"}
	w := begin(t, judges("A", remove(
		mine, v1alpha1.ChildRef{Kind: "Job", Namespace: "campus", Name: "namesake", UID: "an-older-one"},
		v1alpha1.ChildRef{Kind: "Job", Namespace: "campus", Name: "gone", UID: "uid-9"})))
	for _, name := range []string{"mine", "namesake"} {
		w.stranger(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name}})
	}
	w.run()
	if got := strings.Join(w.writes, ", "); got != "delete mine" {
		t.Errorf("wrote %q", got)
	}
	w.run()
	w.wants("A:Passed")
	if got := strings.Join(w.jobs(), " "); got != "namesake" {
		t.Errorf("left %q, want the namesake alone", got)
	}
	// What no ledger knows goes if it carries its owner's UID, and a namesake stays.
	w = begin(t, judges("A", remove(v1alpha1.ChildRef{Kind: "Job", Namespace: "campus", Name: "unrecorded"},
		v1alpha1.ChildRef{Kind: "Job", Namespace: "campus", Name: "namesake"})))
	for name, uid := range map[string]string{"unrecorded": string(w.owner.GetUID()), "namesake": "another"} {
		w.stranger(&batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name,
			Labels: map[string]string{v1alpha1.OwnerUIDLabel: uid}}})
	}
	w.run()
	if got := strings.Join(w.jobs(), " "); got != "namesake" {
		t.Errorf("left %q, want the namesake alone", got)
	}
	w = begin(t, judges("A", remove(v1alpha1.ChildRef{Kind: "PersistentVolume", Name: "theirs", UID: "uid-1"})))
	if _, err := w.try(); err == nil {
		t.Error("a kind that Gradus never makes was to be removed, and no error")
	}
}

func TestNothingIsWrittenTwice(t *testing.T) {
	w := begin(t, judges("A", makesJob), judges("B", each, makesJob), judges("C"))
	w.view.keys = []string{"files", "lang"}
	w.view.says["B/files"], w.view.says["B/lang"] = Wait("Working", "working"), Await("Approval", "waiting")
	w.run()
	w.writes = nil
	before := append([]v1alpha1.StepStatus{}, w.ledger...)
	w.run()
	if len(w.writes) > 0 {
		t.Errorf("nothing changed and %v was written", w.writes)
	}
	same(t, before, w.ledger)
}
