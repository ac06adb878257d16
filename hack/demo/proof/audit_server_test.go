// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"os"
	"path/filepath"
	"strings"
	"testing"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	applycorev1 "k8s.io/client-go/applyconfigurations/core/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/envtest"
)

// What Judge relies on is what an API server writes down under the local
// cluster's policy: what was sent of leases, and 201 for an apply that creates.
func TestTheAPIServersLogCanBeJudged(t *testing.T) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		t.Skip("left out: the audit log of a real API server needs KUBEBUILDER_ASSETS (make test sets it)")
	}
	policy, err := filepath.Abs("../../cluster/files/audit.yaml")
	if err != nil {
		t.Fatal(err)
	}
	log := filepath.Join(t.TempDir(), "audit.log")
	cluster := &envtest.Environment{}
	cluster.ControlPlane.GetAPIServer().Configure().
		Set("audit-policy-file", policy).Set("audit-log-path", log)
	if _, err := cluster.Start(); err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { _ = cluster.Stop() })
	production := as(t, cluster, Production)

	lease := &coordinationv1.Lease{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "gradus-campus"}}
	lease.Spec.HolderIdentity = ptr.To("GoLive/campus/1")
	must(t, production.Create(t.Context(), lease))
	live := applycorev1.ConfigMap("live", "default")
	must(t, production.Apply(t.Context(), live, client.FieldOwner("gradus")))
	must(t, production.Apply(t.Context(), live.WithData(map[string]string{"a": "b"}), client.FieldOwner("gradus")))
	must(t, production.Delete(t.Context(), &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "live"}}))
	theirs := &corev1.ConfigMap{ObjectMeta: metav1.ObjectMeta{Namespace: "default", Name: "theirs"}}
	must(t, as(t, cluster, "somebody").Create(t.Context(), theirs))
	lease.Spec.HolderIdentity = ptr.To("")
	must(t, production.Update(t.Context(), lease))
	must(t, production.Apply(t.Context(), applycorev1.ConfigMap("theirs", "default").
		WithData(map[string]string{"a": "b"}), client.FieldOwner("gradus")))
	must(t, production.Delete(t.Context(), theirs))

	file, err := os.Open(log)
	if err != nil {
		t.Fatal(err)
	}
	defer file.Close()
	writes, err := ReadWrites(file)
	if err != nil {
		t.Fatal(err)
	}
	got := Judge(writes, map[Object]bool{{"configmaps", "default", "live"}: true}, Object{"leases", "default", "gradus-campus"})
	if got.Live != 3 || len(got.Objections) != 2 ||
		!strings.Contains(got.Objections[0], "did not make was deleted: delete configmaps default/live") ||
		!strings.Contains(got.Objections[1], "did not make was deleted: delete configmaps default/theirs") {
		t.Errorf("%d writes to what is live, objections %q", got.Live, got.Objections)
	}
	got = Judge(writes, map[Object]bool{{"configmaps", "default", "theirs"}: true}, Object{"leases", "default", "gradus-campus"})
	if all := strings.Join(got.Objections, "; "); strings.Count(all, "without the lease") != 2 || strings.Contains(all, "live at") {
		t.Errorf("two writes after the lease was let go, and what an apply made was deleted: objections %q", got.Objections)
	}
}

// as gives the rights of everybody in the name of one.
func as(t *testing.T, cluster *envtest.Environment, name string) client.Client {
	t.Helper()
	user, err := cluster.AddUser(envtest.User{Name: name, Groups: []string{"system:masters"}}, nil)
	if err != nil {
		t.Fatal(err)
	}
	c, err := client.New(user.Config(), client.Options{})
	if err != nil {
		t.Fatal(err)
	}
	return c
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}
