// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strings"
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/task"
)

func job(change ...func(*Job)) *batchv1.Job {
	j := Job{
		Namespace: "campus", Name: "work", AgentImage: "gradus:test", Canaries: []string{"a:1", "b:2"},
		Run:     corev1.Container{Name: "app", Image: "campus:1.0", Args: []string{"--serve"}, Lifecycle: &corev1.Lifecycle{}, LivenessProbe: &corev1.Probe{}},
		Volumes: []corev1.Volume{Claim("files", "campus-files", true)}, Level: v1alpha1.LevelRestricted,
		Task: task.Task{Actions: []task.Action{{Name: "count", Deadline: task.Duration(time.Minute)}}},
	}
	for _, c := range change {
		c(&j)
	}
	return j.Build()
}

func TestAJob(t *testing.T) {
	built := job()
	pod := built.Spec.Template.Spec
	closedFirst(t, pod, []string{"a:1", "b:2"})
	var names []string
	for _, c := range pod.InitContainers {
		names = append(names, c.Name)
	}
	if got := strings.Join(names, " "); got != "await-closed agent run" || len(pod.Containers) != 1 || pod.Containers[0].Name != "report" {
		t.Errorf("containers %s, %+v", got, pod.Containers)
	}
	if found := restricted(pod); len(found) > 0 {
		t.Errorf("violates %v", found)
	}
	if pod.RestartPolicy != corev1.RestartPolicyNever || *built.Spec.BackoffLimit != 0 {
		t.Errorf("is retried in place: %s, %d", pod.RestartPolicy, *built.Spec.BackoffLimit)
	}
	if ptr.Deref(pod.AutomountServiceAccountToken, true) || pod.SecurityContext.FSGroup != nil || pod.ServiceAccountName != "" {
		t.Errorf("token %v, fsGroup %v, account %q", pod.AutomountServiceAccountToken, pod.SecurityContext.FSGroup, pod.ServiceAccountName)
	}
	run := pod.InitContainers[2]
	if run.Image != "campus:1.0" || run.Args != nil || run.Lifecycle != nil || run.LivenessProbe != nil || run.Command[0] != task.Binary {
		t.Errorf("run is %+v", run)
	}
	if got := *built.Spec.ActiveDeadlineSeconds; got < 660 {
		t.Errorf("the whole ends after %d s, before its actions may", got)
	}
	if !pod.Volumes[0].PersistentVolumeClaim.ReadOnly {
		t.Error("a live volume must be read-only at its source")
	}
}

func TestAJobNamesWhatIsSecret(t *testing.T) {
	from := &corev1.EnvVarSource{SecretKeyRef: &corev1.SecretKeySelector{Key: "password"}}
	job := Job{Run: corev1.Container{Env: []corev1.EnvVar{{Name: "A", Value: "1"}, {Name: "B", ValueFrom: from}, {Name: "C", ValueFrom: from}}}}
	for _, c := range job.Build().Spec.Template.Spec.InitContainers {
		for _, e := range c.Env {
			if e.Name == task.EnvSecrets && e.Value == "B,C" {
				return
			}
		}
	}
	t.Error("the agent is not told which variables are secret")
}

func TestAJobOnTheLiveSiteAwaitsNothing(t *testing.T) {
	pod := job(func(j *Job) { j.Canaries = nil }).Spec.Template.Spec
	if pod.InitContainers[0].Name != ContainerAgent {
		t.Errorf("first is %s", pod.InitContainers[0].Name)
	}
}

func TestAJobThatChangesASchemaAsksNotToBeDisturbed(t *testing.T) {
	annotations := job(func(j *Job) { j.Undisturbed = true }).Spec.Template.Annotations
	if annotations["cluster-autoscaler.kubernetes.io/safe-to-evict"] != "false" || annotations["karpenter.sh/do-not-disrupt"] != "true" {
		t.Errorf("annotations %v", annotations)
	}
	if got := job().Spec.Template.Annotations; len(got) > 0 {
		t.Errorf("any other Job has %v", got)
	}
}

func TestBuildLeavesItsInputAlone(t *testing.T) {
	j := Job{AgentImage: "gradus", Volumes: make([]corev1.Volume, 1, 8), Run: corev1.Container{Env: make([]corev1.EnvVar, 0, 8)}}
	first, second := j.Build(), j.Build()
	first.Spec.Template.Spec.Volumes[1].Name = "changed"
	if second.Spec.Template.Spec.Volumes[1].Name == "changed" || len(j.Run.Env) != 0 {
		t.Error("two Jobs share memory")
	}
}

func TestAnAlias(t *testing.T) {
	clone := Clone{
		Namespace: "copy", Claim: "campus-files", Name: "alias-1",
		Ref:          v1alpha1.SnapshotRef{Name: "snap", UID: "snap-uid", ClaimName: "campus-files", StorageClassName: "kept", Capacity: "8Gi"},
		StorageClass: "fast",
		Content: &snapshotv1.VolumeSnapshotContent{
			Spec: snapshotv1.VolumeSnapshotContentSpec{
				DeletionPolicy: snapshotv1.VolumeSnapshotContentDelete, Driver: "csi.example", VolumeSnapshotClassName: ptr.To("fast-snap"),
				SourceVolumeMode: ptr.To(corev1.PersistentVolumeFilesystem),
				Source:           snapshotv1.VolumeSnapshotContentSource{VolumeHandle: ptr.To("volume")},
			},
			Status: &snapshotv1.VolumeSnapshotContentStatus{SnapshotHandle: ptr.To("handle-7")},
		},
		AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOncePod}, VolumeMode: ptr.To(corev1.PersistentVolumeFilesystem),
	}
	content := clone.AliasContent()
	if content.Spec.DeletionPolicy != snapshotv1.VolumeSnapshotContentRetain {
		t.Errorf("the alias says %s: it would take the source's snapshot with it", content.Spec.DeletionPolicy)
	}
	if *content.Spec.Source.SnapshotHandle != "handle-7" || content.Spec.Source.VolumeHandle != nil || content.Spec.Driver != "csi.example" {
		t.Errorf("opens %+v by %s", content.Spec.Source, content.Spec.Driver)
	}
	if *content.Spec.SourceVolumeMode != corev1.PersistentVolumeFilesystem || *content.Spec.VolumeSnapshotClassName != "fast-snap" ||
		content.Labels[v1alpha1.SourceUIDLabel] != "snap-uid" {
		t.Errorf("mode, class, source: %+v %v", content.Spec, content.Labels)
	}
	snapshot := clone.AliasSnapshot()
	if content.Spec.VolumeSnapshotRef.Namespace != snapshot.Namespace || content.Spec.VolumeSnapshotRef.Name != snapshot.Name ||
		*snapshot.Spec.Source.VolumeSnapshotContentName != content.Name {
		t.Error("content and snapshot do not name each other")
	}
	claim, err := clone.PersistentVolumeClaim()
	if err != nil {
		t.Fatal(err)
	}
	if *claim.Spec.StorageClassName != "fast" || claim.Spec.DataSource.Name != snapshot.Name ||
		claim.Spec.Resources.Requests.Storage().String() != "8Gi" || claim.Spec.AccessModes[0] != corev1.ReadWriteOnce {
		t.Errorf("claim %+v", claim.Spec)
	}
	clone.Ref.Capacity = "much"
	if _, err := clone.PersistentVolumeClaim(); err == nil {
		t.Error("a size that cannot be read gave a claim")
	}
}

func TestANamespaceOfACopy(t *testing.T) {
	for level, want := range map[v1alpha1.PodSecurityLevel]string{"": "restricted", v1alpha1.LevelRestricted: "restricted", v1alpha1.LevelBaseline: "baseline"} {
		ns := Namespace("copy", v1alpha1.PurposeTrial, level)
		if got := ns.Labels["pod-security.kubernetes.io/enforce"]; got != want || ns.Labels[v1alpha1.PurposeLabel] != "Trial" {
			t.Errorf("%q enforces %q, want %q", level, got, want)
		}
	}
	policy := Closed("copy")
	if len(policy.Spec.PodSelector.MatchLabels) != 0 || len(policy.Spec.PolicyTypes) != 2 {
		t.Errorf("the policy leaves something out: %+v", policy.Spec)
	}
	for _, rule := range policy.Spec.Egress {
		open := len(rule.To) == 0
		for _, peer := range rule.To {
			open = open || peer.IPBlock != nil || peer.NamespaceSelector != nil && !dnsOnly(rule)
		}
		if open {
			t.Errorf("goes out: %+v", rule)
		}
	}
	for _, rule := range policy.Spec.Ingress {
		if len(rule.From) != 1 || rule.From[0].NamespaceSelector != nil || rule.From[0].IPBlock != nil {
			t.Errorf("comes in: %+v", rule)
		}
	}
	quota := Quota("copy", resource.MustParse("10Gi")).Spec.Hard
	for _, none := range []corev1.ResourceName{corev1.ResourceServicesLoadBalancers, corev1.ResourceServicesNodePorts} {
		if amount := quota[none]; !amount.IsZero() {
			t.Errorf("%s: %s", none, amount.String())
		}
	}
	binding := Binding("copy", "gradus-manager", "gradus-system")
	if binding.Namespace != "copy" || binding.RoleRef.Name != EnvironmentRole || len(binding.Subjects) != 1 ||
		binding.Subjects[0].Name != "gradus-manager" || binding.Subjects[0].Namespace != "gradus-system" {
		t.Errorf("binding %+v", binding)
	}
}

func dnsOnly(rule networkingv1.NetworkPolicyEgressRule) bool {
	for _, p := range rule.Ports {
		if p.Port.IntValue() != 53 && p.Port.IntValue() != 1053 {
			return false
		}
	}
	return len(rule.Ports) > 0
}

func TestAServiceOfACopyStaysInside(t *testing.T) {
	live := corev1.Service{
		ObjectMeta: metav1.ObjectMeta{
			Name: "web", Namespace: "campus", Labels: map[string]string{"app.kubernetes.io/instance": "tracked"},
			Annotations: map[string]string{"external-dns.alpha.kubernetes.io/hostname": "campus.example"},
		},
		Spec: corev1.ServiceSpec{
			Type: corev1.ServiceTypeLoadBalancer, ClusterIP: "10.0.0.7", ExternalIPs: []string{"1.2.3.4"}, LoadBalancerIP: "1.2.3.4",
			Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Name: "http", Port: 80, NodePort: 30080}},
		},
	}
	got := ServiceCopy(live, "copy")
	if got.Spec.Type != corev1.ServiceTypeClusterIP || len(got.Spec.ExternalIPs) > 0 || got.Spec.LoadBalancerIP != "" ||
		got.Spec.Ports[0].NodePort != 0 || got.Spec.ClusterIP != "" || len(got.Labels)+len(got.Annotations) > 0 || got.Namespace != "copy" {
		t.Errorf("got %+v", got)
	}
	live.Spec.ClusterIP = corev1.ClusterIPNone
	if got := ServiceCopy(live, "copy"); got.Spec.ClusterIP != corev1.ClusterIPNone {
		t.Error("a headless Service got an address")
	}
}
