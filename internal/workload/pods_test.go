// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"encoding/json"
	"math/rand/v2"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/equality"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

var copying = Copying{
	Claims: []string{"campus-files"}, Secrets: []string{"listed"}, ConfigMaps: []string{"settings"},
	Canaries: []string{"10.96.0.1:443", "10.96.0.9:8090"}, AgentImage: "gradus:test", Level: v1alpha1.LevelRestricted,
	Env:    []corev1.EnvVar{{Name: "DB_HOST", Value: "campus-db"}},
	Labels: map[string]string{"app": "web"},
}

// wild makes a live pod template that asks for anything that a pod can ask for.
func wild(dice *rand.Rand) corev1.PodTemplateSpec {
	coin, pick, uid := draws(dice)
	live := corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{
		Labels: map[string]string{
			"app": "web", "app.kubernetes.io/instance": "tracked", "kustomize.toolkit.fluxcd.io/name": "tracked",
		},
		Annotations: map[string]string{
			"argocd.argoproj.io/tracking-id": "tracked", "helm.sh/hook": "tracked",
			"container.apparmor.security.beta.kubernetes.io/app": "unconfined",
		},
	}}
	s := &live.Spec
	s.HostNetwork, s.HostPID, s.HostIPC = coin(), coin(), coin()
	s.ServiceAccountName, s.AutomountServiceAccountToken = pick("", "live-account"), ptr.To(coin())
	s.NodeName, s.PriorityClassName = pick("", "node-1"), pick("", "system-node-critical")
	s.HostAliases = []corev1.HostAlias{{IP: "10.0.0.1", Hostnames: []string{"db.live"}}}
	s.ImagePullSecrets = []corev1.LocalObjectReference{{Name: pick("listed", "hidden-pull")}}
	if coin() {
		s.SecurityContext = &corev1.PodSecurityContext{
			RunAsUser: uid(), RunAsNonRoot: ptr.To(coin()), FSGroup: ptr.To(int64(33)),
			Sysctls:        []corev1.Sysctl{{Name: "kernel.msgmax", Value: "1"}},
			SeccompProfile: &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
			SELinuxOptions: &corev1.SELinuxOptions{Type: "spc_t"},
		}
	}
	for i, source := range wildVolumes(pick) {
		if coin() {
			s.Volumes = append(s.Volumes, corev1.Volume{Name: string(rune('a' + i)), VolumeSource: source})
		}
	}
	for i := range dice.IntN(3) {
		c := wildContainer(dice, s.Volumes, "init-"+string(rune('a'+i)))
		if coin() {
			c.RestartPolicy = ptr.To(corev1.ContainerRestartPolicyAlways)
		}
		s.InitContainers = append(s.InitContainers, c)
	}
	for i := range 1 + dice.IntN(2) {
		s.Containers = append(s.Containers, wildContainer(dice, s.Volumes, "app-"+string(rune('a'+i))))
	}
	return live
}

// wildVolumes are those of which a live pod may have any.
func wildVolumes(pick func(...string) string) []corev1.VolumeSource {
	return []corev1.VolumeSource{
		{EmptyDir: &corev1.EmptyDirVolumeSource{}}, {HostPath: &corev1.HostPathVolumeSource{Path: "/"}},
		{NFS: &corev1.NFSVolumeSource{Server: "nas"}}, {CSI: &corev1.CSIVolumeSource{Driver: "secrets-store.csi.k8s.io"}},
		{Projected: &corev1.ProjectedVolumeSource{Sources: []corev1.VolumeProjection{
			{ServiceAccountToken: &corev1.ServiceAccountTokenProjection{Path: "token"}}, {Secret: &corev1.SecretProjection{
				LocalObjectReference: corev1.LocalObjectReference{Name: "hidden-projected"}}}}}},
		{Secret: &corev1.SecretVolumeSource{SecretName: "listed"}}, {Secret: &corev1.SecretVolumeSource{SecretName: "hidden-volume"}},
		{ConfigMap: &corev1.ConfigMapVolumeSource{LocalObjectReference: corev1.LocalObjectReference{Name: pick("settings", "hidden-settings")}}},
		{PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: pick("campus-files", "hidden-claim")}},
		{DownwardAPI: &corev1.DownwardAPIVolumeSource{}}, {Ephemeral: &corev1.EphemeralVolumeSource{}},
	}
}

// wildContainer mounts all volumes and asks for too much.
func wildContainer(dice *rand.Rand, volumes []corev1.Volume, name string) corev1.Container {
	coin, pick, uid := draws(dice)
	c := corev1.Container{Name: name, Image: "campus:1.0", Env: []corev1.EnvVar{{Name: "DB_HOST", Value: "db.live"}}}
	for _, v := range volumes {
		c.VolumeMounts = append(c.VolumeMounts, corev1.VolumeMount{Name: v.Name, MountPath: "/" + v.Name})
	}
	from := func(secret string) *corev1.EnvVarSource {
		return &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{
			LocalObjectReference: corev1.LocalObjectReference{Name: secret}, Key: "k"}}
	}
	c.Env = append(c.Env, corev1.EnvVar{Name: "A", ValueFrom: from(pick("listed", "hidden-env"))})
	c.EnvFrom = []corev1.EnvFromSource{{SecretRef: &corev1.SecretEnvSource{
		LocalObjectReference: corev1.LocalObjectReference{Name: pick("listed", "hidden-from")}}}}
	c.Ports = []corev1.ContainerPort{{ContainerPort: 80, HostPort: int32(dice.IntN(2) * 80), HostIP: pick("", "0.0.0.0")}}
	probe := &corev1.Probe{ProbeHandler: corev1.ProbeHandler{
		HTTPGet: &corev1.HTTPGetAction{Host: pick("", "live.example"), Port: intstr.FromInt32(80)}}}
	c.ReadinessProbe, c.LivenessProbe = probe, probe
	c.StartupProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{TCPSocket: &corev1.TCPSocketAction{Host: pick("", "live.example")}}}
	c.Lifecycle = &corev1.Lifecycle{PreStop: &corev1.LifecycleHandler{HTTPGet: &corev1.HTTPGetAction{Host: "live.example"}}}
	if coin() {
		c.SecurityContext = &corev1.SecurityContext{
			Privileged: ptr.To(coin()), AllowPrivilegeEscalation: ptr.To(coin()), RunAsUser: uid(), RunAsNonRoot: ptr.To(coin()),
			Capabilities: &corev1.Capabilities{Add: []corev1.Capability{"SYS_ADMIN"}}, ProcMount: ptr.To(corev1.UnmaskedProcMount),
			SELinuxOptions: &corev1.SELinuxOptions{Type: "spc_t"}, ReadOnlyRootFilesystem: ptr.To(coin()),
			SeccompProfile:  &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined},
			AppArmorProfile: &corev1.AppArmorProfile{Type: corev1.AppArmorProfileTypeUnconfined},
		}
	}
	return c
}

// draws are what chance decides.
func draws(dice *rand.Rand) (coin func() bool, pick func(...string) string, uid func() *int64) {
	coin = func() bool { return dice.IntN(2) == 0 }
	pick = func(list ...string) string { return list[dice.IntN(len(list))] }
	uid = func() *int64 { return []*int64{nil, ptr.To(int64(0)), ptr.To(int64(33))}[dice.IntN(3)] }
	return coin, pick, uid
}

func TestTenThousandLivePodsAsCopies(t *testing.T) {
	dice := rand.New(rand.NewPCG(18, 2026))
	for n := range 10_000 {
		live := wild(dice)
		before := live.DeepCopy()
		pod, dropped := copying.Pod(live)
		if found := restricted(pod.Spec); len(found) > 0 {
			t.Fatalf("pod %d violates the restricted standard: %v", n, found)
		}
		closedFirst(t, pod.Spec, copying.Canaries)
		s := pod.Spec
		if s.ServiceAccountName != "" || ptr.Deref(s.AutomountServiceAccountToken, true) || s.SecurityContext.FSGroup != nil ||
			len(s.HostAliases) > 0 || s.NodeName != "" || s.PriorityClassName != "" {
			t.Fatalf("pod %d came with more than it may have: %+v", n, s)
		}
		content, err := json.Marshal(pod)
		if err != nil {
			t.Fatal(err)
		}
		for _, word := range []string{"hidden-", "tracked", "live.example", "db.live", "token"} {
			if strings.Contains(string(content), word) {
				t.Fatalf("pod %d has %q of the live one: %s", n, word, content)
			}
		}
		if (strings.Contains(mustJSON(t, live), "hidden-")) && len(dropped) == 0 {
			t.Fatalf("pod %d lost something and nobody is told", n)
		}
		for i, c := range live.Spec.InitContainers {
			if diff := cmp.Diff(c.RestartPolicy, s.InitContainers[i+1].RestartPolicy); diff != "" {
				t.Fatalf("pod %d: a sidecar must stay one, or the pod never starts: %s", n, diff)
			}
		}
		if !equality.Semantic.DeepEqual(*before, live) {
			t.Fatalf("the live template was changed: %s", cmp.Diff(*before, live))
		}
	}
}

func mustJSON(t *testing.T, v any) string {
	t.Helper()
	b, err := json.Marshal(v)
	if err != nil {
		t.Fatal(err)
	}
	return string(b)
}

// closedFirst asserts that nothing of a pod starts before the network refused every canary.
func closedFirst(t *testing.T, pod corev1.PodSpec, canaries []string) {
	t.Helper()
	if len(pod.InitContainers) == 0 || pod.InitContainers[0].Name != ContainerAwaitClosed {
		t.Fatalf("the first init container does not wait for a closed network: %+v", pod.InitContainers)
	}
	first := pod.InitContainers[0]
	if first.RestartPolicy != nil || !slices.Equal(first.Args[:2], []string{"agent", "await-closed"}) {
		t.Fatalf("await-closed is %+v", first)
	}
	for _, canary := range canaries {
		if !slices.Contains(first.Args, "--canary="+canary) {
			t.Fatalf("canary %s is not asked: %v", canary, first.Args)
		}
	}
}

func TestRootOfALivePod(t *testing.T) {
	live := corev1.PodTemplateSpec{Spec: corev1.PodSpec{
		SecurityContext: &corev1.PodSecurityContext{RunAsUser: ptr.To(int64(0))}, Containers: []corev1.Container{{Name: "app"}},
	}}
	pod, dropped := copying.Pod(live)
	if pod.Spec.Containers[0].SecurityContext.RunAsUser != nil || len(dropped) != 1 || !strings.Contains(dropped[0], "podSecurity") {
		t.Errorf("runs as %v, told %v", pod.Spec.Containers[0].SecurityContext.RunAsUser, dropped)
	}
	baseline := copying
	baseline.Level = v1alpha1.LevelBaseline
	pod, dropped = baseline.Pod(live)
	if user := pod.Spec.Containers[0].SecurityContext.RunAsUser; user == nil || *user != 0 || len(dropped) > 0 {
		t.Errorf("at Baseline it runs as %v, told %v", user, dropped)
	}
	if own := pod.Spec.InitContainers[0].SecurityContext; *own.RunAsUser != AgentUser || own.Capabilities == nil {
		t.Errorf("our own container must stay restricted: %+v", own)
	}
}

func TestWhatAReleaseChanges(t *testing.T) {
	c := copying
	c.Images = map[string]v1alpha1.ContainerImage{
		"app": {Name: "app", Image: "campus:2.0", Env: []v1alpha1.EnvValue{{Name: "ROOT", Value: "/public"}, {Name: "DB_HOST", Value: "release"}}},
	}
	live := corev1.PodTemplateSpec{Spec: corev1.PodSpec{Containers: []corev1.Container{
		{Name: "app", Image: "campus:1.0", Env: []corev1.EnvVar{{Name: "DB_HOST", Value: "live"}, {Name: "KEEP", Value: "1"}}},
		{Name: "static", Image: "nginx:1"},
	}}}
	pod, _ := c.Pod(live)
	app, _ := Container(pod, "app")
	static, _ := Container(pod, "static")
	if app.Image != "campus:2.0" || static.Image != "nginx:1" {
		t.Errorf("images %s, %s", app.Image, static.Image)
	}
	want := []corev1.EnvVar{{Name: "KEEP", Value: "1"}, {Name: "ROOT", Value: "/public"}, {Name: "DB_HOST", Value: "campus-db"}}
	if diff := cmp.Diff(want, app.Env); diff != "" {
		t.Error(diff)
	}
	if _, ok := Container(pod, "cron"); ok {
		t.Error("found a container that is not there")
	}
}
