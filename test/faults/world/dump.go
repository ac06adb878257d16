// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"cmp"
	"encoding/json"
	"fmt"
	"regexp"
	"slices"
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
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

func count(posts int) string { return fmt.Sprintf("%d, %d", posts, 20*posts) }

// everything that a run may leave.
func everything() []client.ObjectList {
	return []client.ObjectList{
		&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &batchv1.JobList{}, &batchv1.CronJobList{},
		&autoscalingv2.HorizontalPodAutoscalerList{}, &corev1.ServiceList{}, &corev1.PersistentVolumeClaimList{},
		&corev1.ConfigMapList{}, &corev1.SecretList{}, &corev1.ServiceAccountList{}, &corev1.ResourceQuotaList{},
		&corev1.LimitRangeList{}, &rbacv1.RoleList{}, &rbacv1.RoleBindingList{}, &networkingv1.NetworkPolicyList{},
		&policyv1.PodDisruptionBudgetList{}, &coordinationv1.LeaseList{}, &snapshotv1.VolumeSnapshotList{},
		&v1alpha1.SiteList{}, &v1alpha1.UpgradePlanList{}, &v1alpha1.UpgradeApprovalList{}, &v1alpha1.SiteBackupList{},
		&v1alpha1.TrialUpgradeList{}, &v1alpha1.StagingEnvironmentList{}, &v1alpha1.GoLiveList{}, &v1alpha1.RollbackList{},
	}
}

// Left gives every object of the run, with those of the cluster that are its own.
func (w *World) Left() []client.Object {
	var out []client.Object
	for _, namespace := range w.namespaces() {
		for _, list := range everything() {
			w.in(namespace, list)
			out = append(out, itemsOf(list)...)
		}
	}
	for _, list := range []client.ObjectList{
		&corev1.NamespaceList{}, &corev1.PersistentVolumeList{}, &snapshotv1.VolumeSnapshotContentList{},
	} {
		w.Must(w.Admin.List(w.ctx, list))
		for _, item := range itemsOf(list) {
			if strings.Contains(item.GetName(), w.Namespace) ||
				strings.HasPrefix(item.GetAnnotations()[v1alpha1.OwnerAnnotation], w.Namespace+"/") {
				out = append(out, item)
			}
		}
	}
	return out
}

// Collect is the garbage collector: what a deleted controller owned goes.
func (w *World) Collect() {
	for {
		all, alive, gone := w.Left(), map[types.UID]bool{}, 0
		for _, object := range all {
			alive[object.GetUID()] = true
		}
		for _, object := range all {
			owner := metav1.GetControllerOf(object)
			if owner == nil || alive[owner.UID] {
				continue
			}
			gone++
			object.SetFinalizers(nil)
			background := client.PropagationPolicy(metav1.DeletePropagationBackground)
			w.Must(client.IgnoreNotFound(w.Admin.Delete(w.ctx, object, background)))
		}
		if gone == 0 {
			return
		}
	}
}

// Dump gives the end state, by kind and name, without what differs between runs.
// A UID stands for whose it is.
func (w *World) Dump() map[string]string {
	left := w.Left()
	whose := map[types.UID]string{}
	for _, object := range left {
		whose[object.GetUID()] = w.steady(w.named(object))
	}
	alike := map[string][]string{} // by names without UIDs, which two may share
	for _, object := range left {
		key, text := w.dumped(object, whose)
		alike[key] = append(alike[key], text)
	}
	out := map[string]string{}
	for key, texts := range alike {
		slices.Sort(texts)
		for i, text := range texts {
			out[key+strings.Repeat("+", i)] = text
		}
	}
	return out
}

func (w *World) named(object client.Object) string {
	gvk, err := apiutil.GVKForObject(object, scheme)
	w.Must(err)
	return gvk.Kind + " " + object.GetNamespace() + "/" + object.GetName()
}

func (w *World) dumped(object client.Object, whose map[types.UID]string) (key, text string) {
	legible(object)
	content, err := runtime.DefaultUnstructuredConverter.ToUnstructured(object)
	w.Must(err)
	strip(content)
	all, err := json.MarshalIndent(content, "", " ")
	w.Must(err)
	owned := uid.ReplaceAllStringFunc(string(all), func(id string) string { return whose[types.UID(id)] })
	return w.steady(w.named(object)), w.steady(owned)
}

// legible makes what Gradus wrote in bytes a text that can be compared. Of
// passwords that it made up it leaves that they are there. Of copies that are
// made side by side either may be done, and listed, first.
func legible(object client.Object) {
	switch o := object.(type) {
	case *corev1.ConfigMap:
		for name, content := range o.BinaryData {
			if o.Data == nil {
				o.Data = map[string]string{}
			}
			o.Data[name] = string(content)
		}
		o.BinaryData = nil
	case *corev1.Secret:
		for name := range o.Data {
			if o.Labels[v1alpha1.OwnerUIDLabel] != "" {
				o.Data[name] = nil
			}
		}
	case *v1alpha1.SiteBackup:
		slices.SortStableFunc(o.Status.Copies, func(a, b v1alpha1.BackupCopy) int {
			return cmp.Or(strings.Compare(a.Location, b.Location), strings.Compare(a.Volume, b.Volume))
		})
	}
}

// volatile are fields that tell how often something was written, and when.
var volatile = []string{
	"resourceVersion", "creationTimestamp", "generation", "managedFields", "observedGeneration",
	"clusterIP", "clusterIPs", "size", "lms.gradus.dev/size",
	"leaseTransitions", theirMark, "lastTransitionTime", "seconds", "estimate", "leaseDurationSeconds",
	"hindered", "refused",
}

func strip(value any) {
	switch v := value.(type) {
	case map[string]any:
		for _, field := range volatile {
			delete(v, field)
		}
		for field, inner := range v {
			strip(inner)
			if marks, ok := inner.(map[string]any); ok && len(marks) == 0 && (field == "labels" || field == "annotations") {
				delete(v, field)
			}
		}
	case []any:
		for _, inner := range v {
			strip(inner)
		}
	}
}

var (
	uid    = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}`)
	moment = regexp.MustCompile(`\w{3} \d+ \w{3} \d{4} \d\d:\d\d \w+|` +
		`\d{4}-\d\d-\d\d[T ]\d\d:\d\d(:\d\d(\.\d+)?)?(Z| UTC)?`)
	span = regexp.MustCompile(`\b(\d+h)?(\d+m)?\d+(\.\d+)?s\b|\b\d+m\b`)
)

// Normalise takes out of a name what differs between runs.
func (w *World) Normalise(text string) string { return strings.ReplaceAll(text, w.Namespace, "SITE") }

// steady takes out of a text what differs between runs.
func (w *World) steady(text string) string {
	text = gate.Uidish(strings.ReplaceAll(w.Normalise(text), newer, Image))
	return span.ReplaceAllString(moment.ReplaceAllString(text, "TIME"), "SPAN")
}

func itemsOf(list client.ObjectList) []client.Object {
	items, err := meta.ExtractList(list)
	if err != nil {
		return nil
	}
	out := make([]client.Object, 0, len(items))
	for _, item := range items {
		out = append(out, item.(client.Object))
	}
	return out
}

// told says how far everything is, for a run that does not end.
func (w *World) told() string {
	var out []string
	for _, list := range []client.ObjectList{
		&v1alpha1.UpgradePlanList{}, &v1alpha1.SiteBackupList{}, &v1alpha1.TrialUpgradeList{},
		&v1alpha1.StagingEnvironmentList{}, &v1alpha1.GoLiveList{}, &v1alpha1.RollbackList{},
	} {
		w.List(list)
		for _, item := range itemsOf(list) {
			steps := item.(interface{ GetSteps() []v1alpha1.StepStatus }).GetSteps()
			for _, e := range steps {
				if e.State != v1alpha1.StepPassed && e.State != v1alpha1.StepSkipped && e.State != v1alpha1.StepPending {
					out = append(out, fmt.Sprintf("%s: %s %s is %s: %s: %s",
						item.GetName(), e.Name, e.Key, e.State, e.Reason, e.Message))
				}
			}
			for _, c := range *item.(interface{ GetConditions() *[]metav1.Condition }).GetConditions() {
				out = append(out, fmt.Sprintf("%s: %s=%s %s: %s", item.GetName(), c.Type, c.Status, c.Reason, c.Message))
			}
		}
	}
	return strings.Join(slices.Concat(out, w.Errors[max(0, len(w.Errors)-5):]), "\n")
}

// Site gives the site's own objects that a run may change, and what of them
// users would feel.
func (w *World) Site() map[string]string {
	out := map[string]string{}
	for _, list := range []client.ObjectList{
		&appsv1.DeploymentList{}, &appsv1.StatefulSetList{}, &corev1.ServiceList{}, &batchv1.CronJobList{},
		&corev1.PersistentVolumeClaimList{},
	} {
		w.List(list)
		for _, item := range itemsOf(list) {
			if item.GetLabels()[v1alpha1.OwnerUIDLabel] == "" {
				key, text := w.dumped(item, nil)
				out[key] = text
			}
		}
	}
	return out
}
