// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"maps"
	"reflect"
	"slices"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// ErrNameConflict says that an object that Gradus did not make has the name of
// one that it must make. A person must remove or rename it.
var ErrNameConflict = errors.New("an object of another has this name")

// Owner is the object that a pipeline works for. Its kind is spelled out
// because typed objects read from the API carry no TypeMeta.
type Owner interface {
	client.Object
	OwnerKind() string
}

// Reports reads what a finished Job said, and keeps it.
type Reports interface {
	// Outcome of a Job, from its pod.
	Outcome(ctx context.Context, job *batchv1.Job) (JobOutcome, error)
	// Keep writes the documents of a finished Job to immutable evidence.
	Keep(ctx context.Context, owner Owner, step string, job *batchv1.Job, o JobOutcome) ([]v1alpha1.Evidence, error)
	// Store keeps one document that Gradus wrote itself.
	Store(
		ctx context.Context, owner Owner, entry *v1alpha1.StepStatus, name string, content []byte,
	) (v1alpha1.Evidence, error)
}

// Production carries out changes to production; see internal/production.
type Production interface {
	// Ensure makes the changes stand. It reports true when all do, or the
	// change under which somebody else writes.
	Ensure(ctx context.Context, owner Owner, step string, want []v1alpha1.Change) (bool, *v1alpha1.Change, error)
	// Exchange puts another volume behind a claim, with the same answers.
	Exchange(ctx context.Context, owner Owner, step string, want Exchange) (bool, *v1alpha1.Change, error)
}

// Exchange of the volumes of two claims in the owner's namespace.
type Exchange struct {
	// ID tells it from others of the same owner.
	ID string
	// Claim whose name stays, and the claim whose volume it gets.
	Claim, Beside string
	// Kept is the name of the claim under which the volume that goes is kept.
	Kept string
}

// Engine performs the effects that steps ask for.
type Engine struct {
	Client client.Client
	// Live reads past the cache: needed to tell a stranger from a stale cache.
	Live    client.Reader
	Clock   clock.PassiveClock
	Reports Reports
	// Production is nil but for GoLive and Rollback.
	Production Production
	// Ending walks the Finally steps alone, and hears no retry: somebody else has
	// what the other steps work on.
	Ending bool
}

// perform makes what a step needs and reports what became of it.
func (w *walk[V]) perform(ctx context.Context, step Step[V], at At, entry *v1alpha1.StepStatus) (Seen, error) {
	seen := Seen{Now: w.now, Since: entry.Started.Time, Jobs: map[string]JobOutcome{}}
	if step.Change != nil {
		var err error
		if seen.Changed, seen.Foreign, err = w.change(ctx, step, at); err != nil || !seen.Changed {
			return seen, err
		}
	}
	if step.Remove != nil {
		left, err := w.engine.remove(ctx, step.Remove(w.view, at))
		if err != nil {
			return seen, err
		}
		seen.Left = left
	}
	if step.Exchange != nil {
		var err error
		if seen.Changed, seen.Foreign, err = w.exchange(ctx, step, at); err != nil || !seen.Changed {
			return seen, err
		}
	}
	if step.Create != nil {
		for _, want := range step.Create(w.view, at) {
			if err := w.engine.create(ctx, w.owner, step.Name, want, entry, &seen); err != nil {
				return seen, err
			}
		}
	}
	return seen, nil
}

// exchange carries out one exchange after the other.
func (w *walk[V]) exchange(ctx context.Context, step Step[V], at At) (bool, *v1alpha1.Change, error) {
	for _, want := range step.Exchange(w.view, at) {
		if w.engine.Production == nil {
			return false, nil, fmt.Errorf("step %s asks for changes to production: this engine cannot", step.Name)
		}
		if done, foreign, err := w.engine.Production.Exchange(ctx, w.owner, step.Name, want); !done || err != nil {
			return false, foreign, err
		}
	}
	return true, nil, nil
}

func (w *walk[V]) change(ctx context.Context, step Step[V], at At) (bool, *v1alpha1.Change, error) {
	want := step.Change(w.view, at)
	if len(want) == 0 {
		return true, nil, nil
	}
	if w.engine.Production == nil {
		return false, nil, fmt.Errorf("step %s asks for changes to production: this engine cannot", step.Name)
	}
	return w.engine.Production.Ensure(ctx, w.owner, step.Name, want)
}

// create makes the object once. Names are deterministic, so a stale cache can
// only cost an AlreadyExists.
func (e Engine) create(
	ctx context.Context, owner Owner, step string, want client.Object, entry *v1alpha1.StepStatus, seen *Seen,
) error {
	gvk, err := apiutil.GVKForObject(want, e.Client.Scheme())
	if err != nil {
		return err
	}
	kind, key := gvk.Kind, client.ObjectKeyFromObject(want)
	mark(want, owner, step, e.Client.Scheme())
	known := remembers(entry, kind, key)
	have, err := e.look(ctx, gvk, key, known)
	switch {
	case err == nil && have == nil && known:
		// A new try is a new name. What was made and is gone is not made again:
		// a Job that changes a schema must not run twice.
		seen.gone = kind + " " + want.GetName()
		return nil
	case err == nil && have == nil:
		if have, err = e.make(ctx, gvk, want); err == nil && have == nil {
			remember(entry, kind, want)
			seen.Objects = append(seen.Objects, nil)
			return nil
		}
	}
	if err == nil && !ours(have, want, entry) {
		err = ErrNameConflict
	}
	if err != nil {
		return fmt.Errorf("create %s %s: %w", kind, key, err)
	}
	remember(entry, kind, have)
	return e.see(ctx, have, seen)
}

// look reads an object; nil when there is none. Where it must be known, it
// asks past the cache. It reads into an empty object: what a stranger lacks
// must not be filled in with what we want.
func (e Engine) look(
	ctx context.Context, gvk schema.GroupVersionKind, key client.ObjectKey, surely bool,
) (client.Object, error) {
	have, err := e.empty(gvk)
	if err != nil {
		return nil, err
	}
	err = e.Client.Get(ctx, key, have)
	if apierrors.IsNotFound(err) && surely {
		err = e.Live.Get(ctx, key, have)
	}
	if err != nil {
		return nil, client.IgnoreNotFound(err)
	}
	return have, nil
}

// make creates an object; it gives what has the name already, if anything has.
func (e Engine) make(ctx context.Context, gvk schema.GroupVersionKind, want client.Object) (client.Object, error) {
	err := e.Client.Create(ctx, want)
	if !apierrors.IsAlreadyExists(err) {
		return nil, err
	}
	have, lookErr := e.look(ctx, gvk, client.ObjectKeyFromObject(want), true)
	if have == nil && lookErr == nil {
		return nil, err // it came and went: next time
	}
	return have, lookErr
}

// see notes an object, and the outcome of a Job.
func (e Engine) see(ctx context.Context, have client.Object, seen *Seen) error {
	seen.Objects = append(seen.Objects, have)
	job, ok := isJob(have)
	if !ok {
		return nil
	}
	outcome, err := e.Reports.Outcome(ctx, job)
	if err != nil {
		return fmt.Errorf("read outcome of Job %s/%s: %w", job.Namespace, job.Name, err)
	}
	seen.Jobs[job.Name] = outcome
	return nil
}

// ours tells our child from a stranger of the same name: by the UID that our
// Create returned, else by the owner label (which admission guards) and the
// hash of what we asked for.
func ours(have, want client.Object, entry *v1alpha1.StepStatus) bool {
	for _, child := range entry.Children {
		if child.UID == have.GetUID() {
			return true
		}
	}
	return have.GetLabels()[v1alpha1.OwnerUIDLabel] == want.GetLabels()[v1alpha1.OwnerUIDLabel] &&
		have.GetAnnotations()[v1alpha1.SpecHashAnnotation] == want.GetAnnotations()[v1alpha1.SpecHashAnnotation]
}

// remembers says whether an attempt has made an object of this name.
func remembers(entry *v1alpha1.StepStatus, kind string, key client.ObjectKey) bool {
	return slices.ContainsFunc(entry.Children, func(c v1alpha1.ChildRef) bool {
		return c.Kind == kind && c.Namespace == key.Namespace && c.Name == key.Name
	})
}

func remember(entry *v1alpha1.StepStatus, kind string, obj client.Object) {
	for _, child := range entry.Children {
		if child.UID == obj.GetUID() {
			return
		}
	}
	entry.Children = append(entry.Children, v1alpha1.ChildRef{
		Kind: kind, Namespace: obj.GetNamespace(), Name: obj.GetName(), UID: obj.GetUID(),
	})
}

// remove deletes children by UID and reports how many still exist.
func (e Engine) remove(ctx context.Context, children []v1alpha1.ChildRef) (int, error) {
	left := 0
	for _, child := range children {
		target, err := e.empty(kinds[child.Kind].WithKind(child.Kind))
		if err != nil {
			return 0, fmt.Errorf("remove %s %s: %w", child.Kind, child.Name, err)
		}
		key := client.ObjectKey{Namespace: child.Namespace, Name: child.Name}
		err = e.Live.Get(ctx, key, target)
		if apierrors.IsNotFound(err) || err == nil && target.GetUID() != child.UID {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("get %s %s: %w", child.Kind, key, err)
		}
		left++
		if target.GetDeletionTimestamp() != nil {
			continue
		}
		uid := child.UID
		err = e.Client.Delete(ctx, target, client.Preconditions{UID: &uid},
			client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			return 0, fmt.Errorf("delete %s %s: %w", child.Kind, key, err)
		}
	}
	return left, nil
}

// keep stores the documents of the step's Jobs before the entry is settled.
func (e Engine) keep(ctx context.Context, owner Owner, entry *v1alpha1.StepStatus, seen Seen) error {
	for _, obj := range seen.Objects {
		job, ok := isJob(obj)
		if !ok || seen.Jobs[job.Name].State == JobRunning {
			continue
		}
		kept, err := e.Reports.Keep(ctx, owner, entry.Name, job, seen.Jobs[job.Name])
		if err != nil {
			return fmt.Errorf("keep evidence of Job %s: %w", job.Name, err)
		}
		entry.Evidence = append(entry.Evidence, kept...)
	}
	return nil
}

// write keeps the documents that a step wrote itself.
func (e Engine) write(ctx context.Context, owner Owner, entry *v1alpha1.StepStatus, documents map[string][]byte) error {
	for _, name := range slices.Sorted(maps.Keys(documents)) {
		kept, err := e.Reports.Store(ctx, owner, entry, name, documents[name])
		if err != nil {
			return err
		}
		entry.Evidence = append(entry.Evidence, kept)
	}
	return nil
}

// outlives lists the kinds that must not die with their owner. Beside a site
// Deployments are its watchdog and its holding page: a run that is lost while
// the site is closed must leave both behind.
func outlives(obj client.Object) bool {
	switch obj.(type) {
	case *v1alpha1.SiteBackup, *v1alpha1.GoLive, *v1alpha1.Rollback,
		*appsv1.Deployment, *corev1.ServiceAccount, *rbacv1.Role, *rbacv1.RoleBinding:
		return true
	}
	return kinds[reflect.TypeOf(obj).Elem().Name()].Group == "snapshot.storage.k8s.io"
}

// mark writes who made the object, for what, and what was asked for.
func mark(obj client.Object, owner Owner, step string, scheme *runtime.Scheme) {
	labels, annotations := obj.GetLabels(), obj.GetAnnotations()
	if labels == nil {
		labels = map[string]string{}
	}
	if annotations == nil {
		annotations = map[string]string{}
	}
	annotations[v1alpha1.SpecHashAnnotation] = hash(obj)
	annotations[v1alpha1.OwnerAnnotation] = client.ObjectKeyFromObject(owner).String()
	labels[v1alpha1.OwnerUIDLabel] = string(owner.GetUID())
	labels[v1alpha1.OwnerKindLabel] = owner.OwnerKind()
	labels[v1alpha1.StepLabel] = step
	obj.SetLabels(labels)
	obj.SetAnnotations(annotations)
	if obj.GetNamespace() == owner.GetNamespace() && !outlives(obj) {
		// The error is impossible: one owner, one scheme, one namespace.
		_ = controllerutil.SetControllerReference(owner, obj, scheme)
	}
}

func hash(obj client.Object) string {
	content, err := json.Marshal(obj)
	if err != nil {
		return "unmarshalable"
	}
	sum := sha256.Sum256(content)
	return hex.EncodeToString(sum[:16])
}

// empty gives an object of a kind with nothing in it.
func (e Engine) empty(gvk schema.GroupVersionKind) (client.Object, error) {
	obj, err := e.Client.Scheme().New(gvk)
	if err != nil {
		return nil, err
	}
	return obj.(client.Object), nil
}

// Due gives the time after which to look again, for a Result.
func Due(v Verdict, now time.Time) time.Duration {
	if v.Until.IsZero() {
		return 0
	}
	return max(v.Until.Sub(now), time.Second)
}
