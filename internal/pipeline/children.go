// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"reflect"
	"slices"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

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

// lives fails for an owner that is gone, or deleted, while the cache shows it as it
// was before: what would be made for it now nobody would take away again.
func (e Engine) lives(ctx context.Context, owner Owner) error {
	if e.Production != nil {
		return nil // such a run reads itself past the cache, and may go on though it is deleted
	}
	gvk, err := apiutil.GVKForObject(owner, e.Client.Scheme())
	if err != nil {
		return err
	}
	live, err := e.empty(gvk)
	if err != nil {
		return err
	}
	switch err := e.Live.Get(ctx, client.ObjectKeyFromObject(owner), live); {
	case apierrors.IsNotFound(err):
		return ErrOwnerGone
	case err != nil:
		return err
	case live.GetUID() != owner.GetUID(), live.GetDeletionTimestamp() != nil && owner.GetDeletionTimestamp() == nil:
		return ErrOwnerGone
	}
	return nil
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
	if metav1.GetControllerOf(want) == nil { // no garbage collector takes it along
		if err := e.alive(); err != nil {
			return nil, err
		}
	}
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
// Create returned, else by the labels of its owner and step, which admission
// guards. Not by the hash of what we asked for: an earlier version, that died
// before it could remember the child, asked in other words.
func ours(have, want client.Object, entry *v1alpha1.StepStatus) bool {
	for _, child := range entry.Children {
		if child.UID == have.GetUID() {
			return true
		}
	}
	return have.GetLabels()[v1alpha1.OwnerUIDLabel] == want.GetLabels()[v1alpha1.OwnerUIDLabel] &&
		have.GetLabels()[v1alpha1.StepLabel] == want.GetLabels()[v1alpha1.StepLabel]
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

// isChild says whether an object is a child: by its UID or, where no ledger could
// tell that, by its owner's, which admission guards.
func isChild(have client.Object, child v1alpha1.ChildRef, owner Owner) bool {
	if child.UID != "" {
		return have.GetUID() == child.UID
	}
	return have.GetLabels()[v1alpha1.OwnerUIDLabel] == string(owner.GetUID())
}

// remove deletes children by UID and reports how many still exist.
func (e Engine) remove(ctx context.Context, owner Owner, children []v1alpha1.ChildRef) (int, error) {
	left := 0
	for _, child := range children {
		target, err := e.empty(kinds[child.Kind].WithKind(child.Kind))
		if err != nil {
			return 0, fmt.Errorf("remove %s %s: %w", child.Kind, child.Name, err)
		}
		key := client.ObjectKey{Namespace: child.Namespace, Name: child.Name}
		err = e.Live.Get(ctx, key, target)
		if apierrors.IsNotFound(err) || err == nil && !isChild(target, child, owner) {
			continue
		}
		if err != nil {
			return 0, fmt.Errorf("get %s %s: %w", child.Kind, key, err)
		}
		left++
		if target.GetDeletionTimestamp() != nil {
			continue
		}
		uid := target.GetUID()
		err = e.Client.Delete(ctx, target, client.Preconditions{UID: &uid},
			client.PropagationPolicy(metav1.DeletePropagationBackground))
		if client.IgnoreNotFound(err) != nil {
			return 0, fmt.Errorf("delete %s %s: %w", child.Kind, key, err)
		}
	}
	return left, nil
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
