// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"strings"
	"testing"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientfake "k8s.io/client-go/kubernetes/fake"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

var noon = metav1.NewTime(time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC))

// reader of a server that holds some objects. Logs of the fake are "fake logs".
func reader(t *testing.T, objects ...client.Object) Reader {
	t.Helper()
	scheme := runtime.NewScheme()
	if err := clientgoscheme.AddToScheme(scheme); err != nil {
		t.Fatal(err)
	}
	c := fake.NewClientBuilder().WithScheme(scheme).WithObjects(objects...).Build()
	return Reader{Client: c, Live: c, Logs: clientfake.NewClientset(),
		Clock: clocktesting.NewFakePassiveClock(noon.Time)}
}

// job that is over in some way; empty: it runs.
func job(over batchv1.JobConditionType) *batchv1.Job {
	j := &batchv1.Job{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "work", UID: "job-uid"}}
	if over != "" {
		j.Status.Conditions = []batchv1.JobCondition{{Type: over, Status: corev1.ConditionTrue, Message: "in the words of the Job"}}
	}
	return j
}

func podOf(j *batchv1.Job, change ...func(*corev1.Pod)) *corev1.Pod {
	p := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: "campus", Name: "work-x", Labels: map[string]string{batchv1.JobNameLabel: j.Name}, CreationTimestamp: noon,
			OwnerReferences: []metav1.OwnerReference{{APIVersion: "batch/v1", Kind: "Job", Name: j.Name, UID: j.UID, Controller: ptr.To(true)}},
		},
		Status: corev1.PodStatus{StartTime: &noon},
	}
	for _, c := range change {
		c(p)
	}
	return p
}

// reported lets the report container end with a result.
func reported(r task.Result) func(*corev1.Pod) {
	return func(p *corev1.Pod) {
		p.Status.ContainerStatuses = []corev1.ContainerStatus{{Name: "report", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
			Message: string(task.EncodeTermination(r)), FinishedAt: metav1.NewTime(noon.Add(time.Minute))}}}}
	}
}

// died lets the container that does the work end with a code.
func died(p *corev1.Pod) {
	p.Status.InitContainerStatuses = []corev1.ContainerStatus{{Name: "run", State: corev1.ContainerState{Terminated: &corev1.ContainerStateTerminated{
		ExitCode: 137, Reason: "OOMKilled", FinishedAt: metav1.NewTime(noon.Add(time.Second))}}}}
}

func TestOutcome(t *testing.T) {
	ok := task.Result{OK: true, Reason: task.Succeeded, Facts: map[string]string{"count.rows": "9"}}
	bad := task.Result{Reason: task.CountsDiffer, Message: "rows are missing"}
	for name, c := range map[string]struct {
		job   *batchv1.Job
		pod   func(*batchv1.Job) *corev1.Pod
		state pipeline.JobState
		why   string
	}{
		"it has no pod yet": {job(""), nil, pipeline.JobRunning, ""},
		"it succeeded":      {job(batchv1.JobComplete), func(j *batchv1.Job) *corev1.Pod { return podOf(j, reported(ok)) }, pipeline.JobSucceeded, ""},
		"it failed, and the agent says why": {
			job(batchv1.JobFailed), func(j *batchv1.Job) *corev1.Pod { return podOf(j, reported(bad)) }, pipeline.JobFailed, "rows are missing",
		},
		"the Job says complete and the agent does not": {
			job(batchv1.JobComplete), func(j *batchv1.Job) *corev1.Pod { return podOf(j, reported(bad)) }, pipeline.JobFailed, "rows are missing",
		},
		"it is complete and says nothing": {
			job(batchv1.JobComplete), func(j *batchv1.Job) *corev1.Pod { return podOf(j) }, pipeline.JobFailed, "without a result",
		},
		"it died":                        {job(batchv1.JobFailed), func(j *batchv1.Job) *corev1.Pod { return podOf(j, died) }, pipeline.JobFailed, "run ended with code 137 (OOMKilled)"},
		"it is over and its pod is gone": {job(batchv1.JobComplete), nil, pipeline.JobFailed, "lost"},
		"it failed and its pod is gone":  {job(batchv1.JobFailed), nil, pipeline.JobFailed, "in the words of the Job"},
		"a pod of somebody else with its label": {
			job(batchv1.JobComplete), func(j *batchv1.Job) *corev1.Pod {
				return podOf(j, reported(ok), func(p *corev1.Pod) { p.OwnerReferences[0].UID = "another" })
			}, pipeline.JobFailed, "lost",
		},
	} {
		t.Run(name, func(t *testing.T) {
			objects := []client.Object{c.job}
			if c.pod != nil {
				objects = append(objects, c.pod(c.job))
			}
			got, err := reader(t, objects...).Outcome(t.Context(), c.job)
			if err != nil {
				t.Fatal(err)
			}
			if got.State != c.state || c.why == "" != (got.Why() == "") && got.State == pipeline.JobFailed || !strings.Contains(got.Why(), c.why) {
				t.Errorf("%s: %q", got.State, got.Why())
			}
		})
	}
}

func TestOutcomeOfOneThatSucceeded(t *testing.T) {
	j := job(batchv1.JobComplete)
	r := reader(t, podOf(j, reported(task.Result{OK: true, Reason: task.Succeeded, Facts: map[string]string{"count.rows": "9"}})))
	got, err := r.Outcome(t.Context(), j)
	if err != nil || got.Result.Facts["count.rows"] != "9" || got.Ended.Sub(got.Started) != time.Minute {
		t.Errorf("%+v %v", got, err)
	}
}

func TestTheLogOfOneThatDied(t *testing.T) {
	j := job(batchv1.JobFailed)
	got, err := reader(t, podOf(j, died)).Outcome(t.Context(), j)
	if err != nil || string(got.Documents["run.log"]) != "fake logs" {
		t.Errorf("%v %v", got.Documents, err)
	}
}

func TestTheNewestPodCounts(t *testing.T) {
	j := job(batchv1.JobComplete)
	old := podOf(j, died, func(p *corev1.Pod) {
		p.Name, p.CreationTimestamp = "work-old", metav1.NewTime(noon.Add(-time.Hour))
	})
	got, err := reader(t, old, podOf(j, reported(task.Result{OK: true, Reason: task.Succeeded}))).Outcome(t.Context(), j)
	if err != nil || got.State != pipeline.JobSucceeded {
		t.Errorf("%+v %v", got, err)
	}
}

func TestWhyAPodDoesNotStart(t *testing.T) {
	waiting := func(reason string) func(*corev1.Pod) {
		return func(p *corev1.Pod) {
			p.Status.InitContainerStatuses = []corev1.ContainerStatus{{State: corev1.ContainerState{
				Waiting: &corev1.ContainerStateWaiting{Reason: reason, Message: "campus:9"}}}}
		}
	}
	for want, change := range map[string]func(*corev1.Pod){
		"":                           waiting("PodInitializing"),
		"ImagePullBackOff: campus:9": waiting("ImagePullBackOff"),
		"0/3 nodes are available": func(p *corev1.Pod) {
			p.Status.Conditions = []corev1.PodCondition{{Type: corev1.PodScheduled, Status: corev1.ConditionFalse, Message: "0/3 nodes are available"}}
		},
	} {
		j := job("")
		got, err := reader(t, podOf(j, change)).Outcome(t.Context(), j)
		if err != nil || got.Pending != want || got.State != pipeline.JobRunning {
			t.Errorf("pending %q, want %q (%v)", got.Pending, want, err)
		}
	}
}

func owner() *v1alpha1.TrialUpgrade {
	return &v1alpha1.TrialUpgrade{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "autumn", UID: "trial-uid"}}
}

func stored(t *testing.T, r Reader, e v1alpha1.Evidence) *corev1.ConfigMap {
	t.Helper()
	cm := &corev1.ConfigMap{}
	if err := r.Client.Get(t.Context(), client.ObjectKey{Namespace: "campus", Name: e.ConfigMap}, cm); err != nil {
		t.Fatal(err)
	}
	return cm
}

func TestStore(t *testing.T) {
	r := reader(t)
	first, err := r.Store(t.Context(), owner(), attempt(1), "report.md", []byte("# Report"))
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256([]byte("# Report"))
	if first.Digest != "sha256:"+hex.EncodeToString(sum[:]) || first.Size != 8 {
		t.Errorf("%+v", first)
	}
	cm := stored(t, r, first)
	if !ptr.Deref(cm.Immutable, false) || string(cm.BinaryData["report.md"]) != "# Report" || len(cm.OwnerReferences) > 0 ||
		cm.Labels[v1alpha1.OwnerUIDLabel] != "trial-uid" {
		t.Errorf("kept as %+v", cm)
	}
	again, err := r.Store(t.Context(), owner(), attempt(1), "report.md", []byte("# Report"))
	if err != nil || again != first {
		t.Errorf("kept twice: %+v %v", again, err)
	}
	// After a crash the same document tells another time.
	later, err := r.Store(t.Context(), owner(), attempt(1), "report.md", []byte("# Report, later"))
	if err != nil || later != first {
		t.Errorf("kept twice: %+v %v", later, err)
	}
	for _, other := range []struct {
		entry *v1alpha1.StepStatus
		name  string
	}{{attempt(2), "report.md"}, {attempt(1), "other.md"}} {
		if e, err := r.Store(t.Context(), owner(), other.entry, other.name, []byte("# Another")); err != nil || e.ConfigMap == first.ConfigMap {
			t.Errorf("two documents in one place: %+v %v", e, err)
		}
	}
}

func attempt(n int32) *v1alpha1.StepStatus {
	return &v1alpha1.StepStatus{Name: "Report", Attempt: n}
}

func TestAStrangerCannotPlantEvidence(t *testing.T) {
	for name, change := range map[string]func(*corev1.ConfigMap){
		"without our labels":    func(cm *corev1.ConfigMap) { cm.Labels = nil },
		"with another content":  func(cm *corev1.ConfigMap) { cm.BinaryData["report.md"] = []byte("# All is well") },
		"that can be changed":   func(cm *corev1.ConfigMap) { cm.Immutable = nil },
		"with a document added": func(cm *corev1.ConfigMap) { cm.BinaryData["more.md"] = nil },
	} {
		r := reader(t)
		kept, err := r.Store(t.Context(), owner(), attempt(1), "report.md", []byte("# Report"))
		if err != nil {
			t.Fatal(err)
		}
		planted := stored(t, r, kept)
		planted.ResourceVersion = ""
		change(planted)
		if _, err = reader(t, planted).Store(t.Context(), owner(), attempt(1), "report.md", []byte("# Report")); !errors.Is(err, pipeline.ErrNameConflict) {
			t.Errorf("a ConfigMap %s was taken for evidence: %v", name, err)
		}
	}
}

func TestADocumentThatIsTooLarge(t *testing.T) {
	r := reader(t)
	content := append(bytes.Repeat([]byte("a"), largest), []byte("the end")...)
	kept, err := r.Store(t.Context(), owner(), attempt(1), "run.log", content)
	if err != nil {
		t.Fatal(err)
	}
	sum := sha256.Sum256(content)
	got := stored(t, r, kept).BinaryData["run.log"]
	if kept.Size != int64(len(content)) || kept.Digest != "sha256:"+hex.EncodeToString(sum[:]) || len(got) != largest || !bytes.HasSuffix(got, []byte("the end")) {
		t.Errorf("kept %d of %d bytes", len(got), kept.Size)
	}
}

func TestKeepNamesByJob(t *testing.T) {
	r := reader(t)
	kept, err := r.Keep(t.Context(), owner(), "Upgrade", job(batchv1.JobComplete),
		pipeline.JobOutcome{Documents: map[string][]byte{"b.json": []byte("{}"), "a.log": []byte("x")}})
	if err != nil || len(kept) != 2 || kept[0].Name != "a.log" || !strings.HasPrefix(kept[0].ConfigMap, "work-") {
		t.Errorf("%+v %v", kept, err)
	}
}

// The document of a Job is ours by its labels: whoever planted the same could delete it.
func TestAStrangerCannotPlantWhatAJobSaid(t *testing.T) {
	r := reader(t)
	keep := func(r Reader) ([]v1alpha1.Evidence, error) {
		return r.Keep(t.Context(), owner(), "Upgrade", job(batchv1.JobComplete),
			pipeline.JobOutcome{Documents: map[string][]byte{"a.log": []byte("x")}})
	}
	kept, err := keep(r)
	if err != nil {
		t.Fatal(err)
	}
	if again, err := keep(r); err != nil || again[0] != kept[0] {
		t.Errorf("kept twice: %+v %v", again, err)
	}
	planted := stored(t, r, kept[0])
	planted.ResourceVersion, planted.Labels = "", nil
	if _, err := keep(reader(t, planted)); !errors.Is(err, pipeline.ErrNameConflict) {
		t.Errorf("a ConfigMap without our labels was taken for evidence: %v", err)
	}
}
