// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package controllers wires reconcilers to the manager. Each file reconciles
// one kind; what they decide lies in internal/.
package controllers

import (
	"context"
	"fmt"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	autoscalingv2 "k8s.io/api/autoscaling/v2"
	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	policyv1 "k8s.io/api/policy/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/labels"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/selection"
	"k8s.io/apimachinery/pkg/types"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"k8s.io/client-go/kubernetes"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/cache"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/controller/controllerutil"
	"sigs.k8s.io/controller-runtime/pkg/handler"
	"sigs.k8s.io/controller-runtime/pkg/reconcile"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/evidence"
	"github.com/gradus-lms/gradus/internal/metrics"
	"github.com/gradus-lms/gradus/internal/notify"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/status"
	"github.com/gradus-lms/gradus/internal/workload"
)

// Scheme knows every kind that Gradus reads or makes.
func Scheme() *runtime.Scheme {
	scheme := runtime.NewScheme()
	utilruntime.Must(clientgoscheme.AddToScheme(scheme))
	utilruntime.Must(snapshotv1.AddToScheme(scheme))
	utilruntime.Must(v1alpha1.AddToScheme(scheme))
	return scheme
}

// Base is what every reconciler has.
type Base struct {
	client.Client
	// Live reads past the cache: objects of live sites are never cached.
	Live    client.Reader
	Clock   clock.PassiveClock
	Engine  pipeline.Engine
	Settler status.Settler
	Reports evidence.Reader
	Teller  notify.Teller
	Install environment.Install
	// Sights of the runs of production.
	Sights *Sights
}

// NewBase gives what every reconciler of a manager has.
func NewBase(mgr ctrl.Manager, install environment.Install) (Base, error) {
	logs, err := kubernetes.NewForConfig(mgr.GetConfig())
	if err != nil {
		return Base{}, fmt.Errorf("make client for logs: %w", err)
	}
	var clk clock.PassiveClock = clock.RealClock{}
	reports := evidence.Reader{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Logs: logs, Clock: clk}
	return Base{
		Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: clk, Reports: reports, Install: install,
		Sights: &Sights{},
		Teller: notify.NewTeller(mgr.GetAPIReader(), install.Namespace),
		Engine: pipeline.Engine{Client: mgr.GetClient(), Live: mgr.GetAPIReader(), Clock: clk, Reports: reports},
		Settler: status.Settler{
			Client: mgr.GetClient(), Events: status.Events{Recorder: mgr.GetEventRecorder("gradus")},
		},
	}, nil
}

// SetupMain registers the reconcilers of gradus-manager: plans, copies, reads.
func SetupMain(mgr ctrl.Manager, base Base) error {
	for _, setup := range []func(ctrl.Manager) error{
		(&SiteReconciler{Base: base}).SetupWithManager,
		(&SiteBackupReconciler{Base: base}).SetupWithManager,
		(&StagingEnvironmentReconciler{Base: base}).SetupWithManager,
		(&TrialUpgradeReconciler{Base: base}).SetupWithManager,
		(&UpgradePlanReconciler{Base: base}).SetupWithManager,
	} {
		if err := setup(mgr); err != nil {
			return err
		}
	}
	return nil
}

// SetupProduction registers the reconcilers of gradus-production, the only
// ones that write to a live site.
func SetupProduction(mgr ctrl.Manager, base Base) error {
	if err := (metrics.Held{Reader: mgr.GetClient()}).Register(); err != nil {
		return fmt.Errorf("register gauge of held sites: %w", err)
	}
	for _, setup := range []func(ctrl.Manager) error{
		(&GoLiveReconciler{Base: base}).SetupWithManager,
		(&RollbackReconciler{Base: base}).SetupWithManager,
	} {
		if err := setup(mgr); err != nil {
			return err
		}
	}
	return nil
}

// CacheOptions keeps what is cached small: our own kinds whole, of all others
// only what Gradus made.
func CacheOptions() cache.Options {
	made, err := labels.NewRequirement(v1alpha1.OwnerUIDLabel, selection.Exists, nil)
	utilruntime.Must(err)
	ours := cache.ByObject{Label: labels.NewSelector().Add(*made)}
	jobs := cache.ByObject{Label: labels.SelectorFromSet(labels.Set{workload.ManagedByLabel: workload.ManagedBy})}
	return cache.Options{ByObject: map[client.Object]cache.ByObject{
		&batchv1.Job{}:                      ours,
		&corev1.Pod{}:                       jobs,
		&corev1.Namespace{}:                 ours,
		&corev1.PersistentVolumeClaim{}:     ours,
		&appsv1.Deployment{}:                ours,
		&appsv1.StatefulSet{}:               ours,
		&snapshotv1.VolumeSnapshot{}:        ours,
		&snapshotv1.VolumeSnapshotContent{}: ours,
	}}
}

// Uncached lists the kinds that are read from the API server: Gradus holds no
// right to list them everywhere.
func Uncached() []client.Object {
	return []client.Object{
		&corev1.Secret{}, &corev1.ConfigMap{}, &corev1.Service{}, &corev1.ResourceQuota{}, &corev1.ServiceAccount{},
		&rbacv1.RoleBinding{}, &rbacv1.Role{}, &networkingv1.NetworkPolicy{}, &corev1.PersistentVolume{},
		&coordinationv1.Lease{}, &autoscalingv2.HorizontalPodAutoscaler{}, &batchv1.CronJob{}, &appsv1.ReplicaSet{},
		&policyv1.PodDisruptionBudget{}, &corev1.LimitRange{},
	}
}

// ownerOf maps a child in any namespace back to the object that wanted it.
func ownerOf(kind string) handler.EventHandler {
	return handler.EnqueueRequestsFromMapFunc(func(_ context.Context, child client.Object) []reconcile.Request {
		namespace, name, ok := strings.Cut(child.GetAnnotations()[v1alpha1.OwnerAnnotation], "/")
		if !ok || child.GetLabels()[v1alpha1.OwnerKindLabel] != kind {
			return nil
		}
		return []reconcile.Request{{NamespacedName: types.NamespacedName{Namespace: namespace, Name: name}}}
	})
}

// ensureFinalizer adds our finalizer before the first child is made.
func ensureFinalizer(ctx context.Context, c client.Client, obj client.Object) (bool, error) {
	before := obj.DeepCopyObject().(client.Object)
	if !controllerutil.AddFinalizer(obj, v1alpha1.CleanupFinalizer) {
		return false, nil
	}
	err := c.Patch(ctx, obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return true, client.IgnoreNotFound(err)
}

// dropFinalizer lets the object go.
func dropFinalizer(ctx context.Context, c client.Client, obj client.Object) error {
	before := obj.DeepCopyObject().(client.Object)
	if !controllerutil.RemoveFinalizer(obj, v1alpha1.CleanupFinalizer) {
		return nil
	}
	err := c.Patch(ctx, obj, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return client.IgnoreNotFound(err)
}
