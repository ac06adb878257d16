// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"fmt"
	"slices"
	"testing"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"
)

// restricted checks a pod by hand against the Pod Security Standard
// "restricted" and says what it violates.
func restricted(pod corev1.PodSpec) []string {
	var found []string
	say := func(violated bool, format string, a ...any) {
		if violated {
			found = append(found, fmt.Sprintf(format, a...))
		}
	}
	say(pod.HostNetwork || pod.HostPID || pod.HostIPC, "host namespaces")
	for _, v := range pod.Volumes {
		s := v.VolumeSource
		say(s.ConfigMap == nil && s.CSI == nil && s.DownwardAPI == nil && s.EmptyDir == nil && s.Ephemeral == nil &&
			s.PersistentVolumeClaim == nil && s.Projected == nil && s.Secret == nil, "volume %s: type", v.Name)
	}
	sc := ptr.Deref(pod.SecurityContext, corev1.PodSecurityContext{})
	say(len(sc.Sysctls) > 0, "sysctls")
	say(ptr.Deref(sc.RunAsUser, 1) == 0, "runAsUser of the pod")
	say(linuxOptions(sc.SELinuxOptions), "seLinuxOptions of the pod")
	say(sc.WindowsOptions != nil && ptr.Deref(sc.WindowsOptions.HostProcess, false), "hostProcess of the pod")
	say(sc.AppArmorProfile != nil && sc.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined, "appArmor of the pod")
	say(sc.SeccompProfile != nil && sc.SeccompProfile.Type == corev1.SeccompProfileTypeUnconfined, "seccomp of the pod")
	for _, c := range slices.Concat(pod.InitContainers, pod.Containers) {
		for _, why := range restrictedContainer(c, sc) {
			say(true, "container %s: %s", c.Name, why)
		}
	}
	return found
}

func linuxOptions(o *corev1.SELinuxOptions) bool {
	return o != nil && (o.User != "" || o.Role != "" || !slices.Contains(
		[]string{"", "container_t", "container_init_t", "container_kvm_t", "container_engine_t"}, o.Type))
}

func restrictedContainer(c corev1.Container, pod corev1.PodSecurityContext) []string {
	var found []string
	say := func(violated bool, what string) {
		if violated {
			found = append(found, what)
		}
	}
	sc := ptr.Deref(c.SecurityContext, corev1.SecurityContext{})
	caps := ptr.Deref(sc.Capabilities, corev1.Capabilities{})
	say(ptr.Deref(sc.Privileged, false), "privileged")
	say(ptr.Deref(sc.AllowPrivilegeEscalation, true), "allowPrivilegeEscalation")
	say(!ptr.Deref(sc.RunAsNonRoot, ptr.Deref(pod.RunAsNonRoot, false)), "runAsNonRoot")
	say(ptr.Deref(sc.RunAsUser, 1) == 0, "runAsUser")
	say(!slices.Contains(caps.Drop, "ALL"), "capabilities.drop")
	say(slices.ContainsFunc(caps.Add, func(c corev1.Capability) bool { return c != "NET_BIND_SERVICE" }), "capabilities.add")
	say(sc.ProcMount != nil && *sc.ProcMount != corev1.DefaultProcMount, "procMount")
	say(linuxOptions(sc.SELinuxOptions), "seLinuxOptions")
	say(sc.WindowsOptions != nil && ptr.Deref(sc.WindowsOptions.HostProcess, false), "hostProcess")
	say(sc.AppArmorProfile != nil && sc.AppArmorProfile.Type == corev1.AppArmorProfileTypeUnconfined, "appArmor")
	seccomp := sc.SeccompProfile
	if seccomp == nil {
		seccomp = pod.SeccompProfile
	}
	say(seccomp == nil || seccomp.Type == corev1.SeccompProfileTypeUnconfined, "seccomp")
	say(slices.ContainsFunc(c.Ports, func(p corev1.ContainerPort) bool { return p.HostPort != 0 }), "hostPort")
	var handlers []corev1.ProbeHandler
	for _, p := range []*corev1.Probe{c.LivenessProbe, c.ReadinessProbe, c.StartupProbe} {
		if p != nil {
			handlers = append(handlers, p.ProbeHandler)
		}
	}
	if l := c.Lifecycle; l != nil {
		for _, h := range []*corev1.LifecycleHandler{l.PostStart, l.PreStop} {
			if h != nil {
				handlers = append(handlers, corev1.ProbeHandler{HTTPGet: h.HTTPGet, TCPSocket: h.TCPSocket})
			}
		}
	}
	for _, h := range handlers {
		say(h.HTTPGet != nil && h.HTTPGet.Host != "" || h.TCPSocket != nil && h.TCPSocket.Host != "", "host of a probe")
	}
	return found
}

// The check itself must find what the standard forbids.
func TestTheCheckFindsWhatIsForbidden(t *testing.T) {
	good := func() corev1.PodSpec {
		return Job{AgentImage: "gradus", Canaries: []string{"a:1"}}.Build().Spec.Template.Spec
	}
	if found := restricted(good()); len(found) > 0 {
		t.Fatalf("a Job of ours violates %v", found)
	}
	type spec = *corev1.PodSpec
	security := func(s spec) *corev1.SecurityContext { return s.InitContainers[2].SecurityContext }
	for name, change := range map[string]func(spec){
		"hostNetwork": func(s spec) { s.HostNetwork = true },
		"hostPID":     func(s spec) { s.HostPID = true },
		"hostPath": func(s spec) {
			s.Volumes[0].VolumeSource = corev1.VolumeSource{HostPath: &corev1.HostPathVolumeSource{}}
		},
		"nfs":             func(s spec) { s.Volumes[0].VolumeSource = corev1.VolumeSource{NFS: &corev1.NFSVolumeSource{}} },
		"privileged":      func(s spec) { security(s).Privileged = ptr.To(true) },
		"escalation":      func(s spec) { security(s).AllowPrivilegeEscalation = nil },
		"root":            func(s spec) { security(s).RunAsUser = ptr.To(int64(0)) },
		"may be root":     func(s spec) { security(s).RunAsNonRoot = ptr.To(false) },
		"capability":      func(s spec) { security(s).Capabilities.Add = []corev1.Capability{"SYS_ADMIN"} },
		"nothing dropped": func(s spec) { security(s).Capabilities = nil },
		"no seccomp":      func(s spec) { s.SecurityContext.SeccompProfile = nil },
		"unconfined": func(s spec) {
			security(s).SeccompProfile = &corev1.SeccompProfile{Type: corev1.SeccompProfileTypeUnconfined}
		},
		"procMount": func(s spec) { security(s).ProcMount = ptr.To(corev1.UnmaskedProcMount) },
		"sysctl":    func(s spec) { s.SecurityContext.Sysctls = []corev1.Sysctl{{Name: "kernel.msgmax"}} },
		"hostPort":  func(s spec) { s.Containers[0].Ports = []corev1.ContainerPort{{HostPort: 80}} },
		"host of a probe": func(s spec) {
			s.Containers[0].ReadinessProbe = &corev1.Probe{ProbeHandler: corev1.ProbeHandler{HTTPGet: &corev1.HTTPGetAction{Host: "10.0.0.1"}}}
		},
		"seLinux": func(s spec) { security(s).SELinuxOptions = &corev1.SELinuxOptions{Type: "spc_t"} },
	} {
		pod := good()
		change(&pod)
		if len(restricted(pod)) == 0 {
			t.Errorf("%s is not found", name)
		}
	}
}
