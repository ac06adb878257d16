// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"crypto/sha256"
	"encoding/hex"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
	"github.com/gradus-lms/gradus/internal/workload"
)

// Spec says for whom a watchdog stands.
type Spec struct {
	Namespace, Site string
	// Image is our own.
	Image string
	// Owner is the run whose journal it undoes.
	Owner production.Owner
	// Targets are all that the run may change.
	Targets []v1alpha1.ChangeTarget
	// Duration of the lease; 0 is the default.
	Duration time.Duration
}

// Name of the watchdog's objects. It holds a part of the run's UID: the
// watchdog of a run does not meet its predecessor's.
func (s Spec) Name() string {
	uid := strings.ReplaceAll(string(s.Owner.GetUID()), "-", "")
	name := "gradus-watchdog-" + strings.ReplaceAll(s.Site, ".", "-")
	if len(name) > 50 {
		sum := sha256.Sum256([]byte(name))
		name = name[:43] + "-" + hex.EncodeToString(sum[:])[:6]
	}
	return name + "-" + uid[:min(8, len(uid))]
}

// Objects are the watchdog: an account, exactly the rights that it needs, and
// one pod of our image that mounts nothing.
func (s Spec) Objects() []client.Object {
	meta := metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name()}
	return []client.Object{
		&corev1.ServiceAccount{ObjectMeta: meta, AutomountServiceAccountToken: ptr.To(false)},
		s.Role(),
		&rbacv1.RoleBinding{ObjectMeta: meta,
			RoleRef:  rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "Role", Name: meta.Name},
			Subjects: []rbacv1.Subject{{Kind: "ServiceAccount", Namespace: s.Namespace, Name: meta.Name}}},
		s.deployment(meta),
	}
}

// resources of the kinds that a run may change in the site's namespace.
// PersistentVolumes are not among them: they are re-pointed after the point of
// no return only.
var resources = []struct{ kind, group, resource string }{
	{"Deployment", "apps", "deployments"}, {"StatefulSet", "apps", "statefulsets"},
	{"Service", "", "services"}, {"Namespace", "", "namespaces"}, {"CronJob", "batch", "cronjobs"},
	{"HorizontalPodAutoscaler", "autoscaling", "horizontalpodautoscalers"},
}

func (s Spec) rules() []rbacv1.PolicyRule {
	own := strings.ToLower(s.Owner.OwnerKind()) + "s"
	rules := []rbacv1.PolicyRule{
		{APIGroups: []string{"coordination.k8s.io"}, Resources: []string{"leases"}, Verbs: []string{"get", "update"},
			ResourceNames: []string{production.LeaseName(s.Site)}},
		{APIGroups: []string{v1alpha1.GroupVersion.Group}, Resources: []string{own}, Verbs: []string{"get"},
			ResourceNames: []string{s.Owner.GetName()}},
		{APIGroups: []string{""}, Resources: []string{"events"}, Verbs: []string{"create"}},
	}
	for _, r := range resources {
		var names []string
		for _, target := range s.Targets {
			if target.Kind == r.kind && !slices.Contains(names, target.Name) {
				names = append(names, target.Name)
			}
		}
		if len(names) > 0 {
			slices.Sort(names)
			rules = append(rules, rbacv1.PolicyRule{APIGroups: []string{r.group}, Resources: []string{r.resource},
				Verbs: []string{"get", "patch"}, ResourceNames: names})
		}
	}
	return rules
}

// Role of the watchdog.
func (s Spec) Role() *rbacv1.Role {
	return &rbacv1.Role{ObjectMeta: metav1.ObjectMeta{Namespace: s.Namespace, Name: s.Name()}, Rules: s.rules()}
}

// Covers lists the targets that the Role of a watchdog gives it.
func Covers(role *rbacv1.Role) []v1alpha1.ChangeTarget {
	covered := []v1alpha1.ChangeTarget{}
	for _, rule := range role.Rules {
		for _, r := range resources {
			if !slices.Contains(rule.APIGroups, r.group) || !slices.Contains(rule.Resources, r.resource) {
				continue
			}
			for _, name := range rule.ResourceNames {
				covered = append(covered, v1alpha1.ChangeTarget{Kind: r.kind, Name: name})
			}
		}
	}
	return covered
}

func (s Spec) deployment(meta metav1.ObjectMeta) *appsv1.Deployment {
	labels := map[string]string{"app.kubernetes.io/name": "gradus-watchdog", "app.kubernetes.io/instance": meta.Name}
	duration := s.Duration
	if duration == 0 {
		duration = production.DefaultDuration
	}
	args := []string{"watchdog", "--site=" + s.Site, "--namespace=" + s.Namespace, "--lease-duration=" + duration.String(),
		"--poll=" + min(5*time.Second, duration/6).String(), "--run=" + production.Identity(s.Owner)}
	for _, target := range s.Targets {
		args = append(args, "--target="+target.Kind+"/"+target.Name)
	}
	security := workload.Confined(v1alpha1.LevelRestricted, ptr.To(workload.AgentUser))
	security.ReadOnlyRootFilesystem = ptr.To(true)
	probe := func(path string) *corev1.Probe {
		return &corev1.Probe{PeriodSeconds: 2, FailureThreshold: 15, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: path, Port: intstr.FromInt32(8081)}}}
	}
	return &appsv1.Deployment{ObjectMeta: meta, Spec: appsv1.DeploymentSpec{
		Replicas: ptr.To(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels},
		Strategy: appsv1.DeploymentStrategy{Type: appsv1.RecreateDeploymentStrategyType},
		Template: corev1.PodTemplateSpec{
			ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{
				ServiceAccountName: meta.Name, AutomountServiceAccountToken: ptr.To(true), EnableServiceLinks: ptr.To(false),
				// A node that goes must not keep a site closed for five minutes.
				Tolerations: []corev1.Toleration{leaveSoon(corev1.TaintNodeNotReady), leaveSoon(corev1.TaintNodeUnreachable)},
				SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true),
					SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
				Containers: []corev1.Container{{
					Name: "watchdog", Image: s.Image, Args: args, ImagePullPolicy: corev1.PullIfNotPresent,
					SecurityContext: security, Resources: workload.Small(),
					Ports:          []corev1.ContainerPort{{Name: "metrics", ContainerPort: 8081}},
					ReadinessProbe: probe("/readyz"), LivenessProbe: probe("/healthz"),
				}},
			},
		},
	}}
}

// leaveSoon moves the pod to another node a quarter of a minute after its own went.
func leaveSoon(taint string) corev1.Toleration {
	return corev1.Toleration{Key: taint, Operator: corev1.TolerationOpExists, Effect: corev1.TaintEffectNoExecute,
		TolerationSeconds: ptr.To(int64(15))}
}
