// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"fmt"
	"maps"
	"slices"
	"strings"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

// HoldingLabel is on the pods of a holding page and of nothing else.
const HoldingLabel = "lms.gradus.dev/holding"

// holdingLabels select the holding page of this run.
func (s *Scene) holdingLabels() map[string]string {
	uid := strings.ReplaceAll(string(s.Owner.GetUID()), "-", "")
	return map[string]string{HoldingLabel: uid[:min(16, len(uid))]}
}

// holdingPort gives what the door expects of its pods: a number, or a name.
func (s *Scene) holdingPort() (int32, string) {
	for _, p := range s.Door.Spec.Ports {
		if p.Port != s.doorPort() && len(s.Door.Spec.Ports) > 1 {
			continue
		}
		switch {
		case p.TargetPort.Type == intstr.String:
			return 8080, p.TargetPort.StrVal
		case p.TargetPort.IntVal != 0:
			return p.TargetPort.IntVal, "http"
		}
		return p.Port, "http"
	}
	return 8080, "http"
}

func (s *Scene) doorPort() int32 {
	if s.Site.Spec.Traffic.Port == 0 {
		return 80
	}
	return s.Site.Spec.Traffic.Port
}

// doorURL is where Jobs reach the door from inside.
func (s *Scene) doorURL() string {
	return fmt.Sprintf("http://%s.%s.svc:%d", s.Site.Spec.Traffic.ServiceRef.Name, s.Site.Namespace, s.doorPort())
}

func pageName(at pipeline.At) string { return at.Name("closed") }

// holdingPage answers in the place of the LMS.
func (s *Scene) holdingPage(at pipeline.At) *appsv1.Deployment {
	labels, name := s.holdingLabels(), pageName(at)
	port, portName := s.holdingPort()
	security := workload.Confined(v1alpha1.LevelRestricted, ptr.To(workload.AgentUser))
	security.ReadOnlyRootFilesystem = ptr.To(true)
	page := corev1.Container{
		Name: "holding-page", Image: s.Image, ImagePullPolicy: corev1.PullIfNotPresent,
		Args:            []string{"agent", "holding-page", fmt.Sprintf("--listen=:%d", port)},
		Ports:           []corev1.ContainerPort{{Name: portName, ContainerPort: port}},
		SecurityContext: security, Resources: workload.Small(),
		ReadinessProbe: &corev1.Probe{PeriodSeconds: 1, ProbeHandler: corev1.ProbeHandler{
			HTTPGet: &corev1.HTTPGetAction{Path: "/healthz", Port: intstr.FromInt32(port)}}},
	}
	pod := corev1.PodSpec{
		AutomountServiceAccountToken: ptr.To(false), EnableServiceLinks: ptr.To(false),
		SecurityContext: &corev1.PodSecurityContext{RunAsNonRoot: ptr.To(true),
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeRuntimeDefault}},
	}
	if port < 1024 {
		pod.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "net.ipv4.ip_unprivileged_port_start", Value: "0"}}
	}
	if own := s.Site.Spec.Traffic.MaintenancePage; own != nil {
		page.Args = append(page.Args, "--file=/page/page.html")
		page.VolumeMounts = []corev1.VolumeMount{{Name: "page", MountPath: "/page", ReadOnly: true}}
		source := &corev1.ConfigMapVolumeSource{
			LocalObjectReference: corev1.LocalObjectReference{Name: own.ConfigMapKeyRef.Name},
			Items:                []corev1.KeyToPath{{Key: own.ConfigMapKeyRef.Key, Path: "page.html"}},
		}
		pod.Volumes = []corev1.Volume{{Name: "page", VolumeSource: corev1.VolumeSource{ConfigMap: source}}}
	}
	pod.Containers = []corev1.Container{page}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Site.Namespace, Name: name},
		Spec: appsv1.DeploymentSpec{Replicas: ptr.To(int32(1)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: pod}},
	}
}

// inside is a Service of ours in front of the site's new pods, for checks
// before users are let in.
func (s *Scene) inside(at pipeline.At) *corev1.Service {
	selector := maps.Clone(s.doorSelector())
	ports := slices.Clone(s.Door.Spec.Ports)
	for i := range ports {
		ports[i].NodePort = 0
	}
	return &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.Site.Namespace, Name: insideName(at)},
		Spec:       corev1.ServiceSpec{Selector: selector, Ports: ports},
	}
}

// insideName begins with a letter whatever the run is called: a Service's name
// is a DNS label.
func insideName(at pipeline.At) string {
	name := strings.ReplaceAll(at.Name("inside"), ".", "-")
	if len(name) > 60 {
		name = name[len(name)-60:]
	}
	return "in" + strings.TrimLeft(name, "-")
}

// doorSelector gives the selector with which the door was found.
func (s *Scene) doorSelector() map[string]string {
	if c := s.change(doorID); c != nil {
		if before := selectorOf(c.Before); before != nil {
			return before
		}
	}
	return s.Door.Spec.Selector
}
