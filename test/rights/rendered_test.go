// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// renderedRoles are the roles that kustomize renders from config/default.
func renderedRoles(t *testing.T) map[string][]rbacv1.PolicyRule {
	t.Helper()
	roles := map[string][]rbacv1.PolicyRule{}
	for _, object := range parseRendered(t) {
		if kind, _ := object["kind"].(string); kind != "ClusterRole" && kind != "Role" {
			continue
		}
		var role rbacv1.ClusterRole
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &role); err != nil {
			t.Fatal(err)
		}
		if _, twice := roles[role.Name]; twice {
			t.Fatalf("two roles are named %s: the tests below would see one of them", role.Name)
		}
		roles[role.Name] = role.Rules
	}
	return roles
}

// bound are the roles that an identity gets from what kustomize renders, by its
// own name or by a group that every account or everybody is in.
func bound(t *testing.T, account string) []string {
	t.Helper()
	const system = "gradus-system"
	everybody := []string{"system:authenticated", "system:serviceaccounts", "system:serviceaccounts:" + system}
	var names []string
	for _, object := range parseRendered(t) {
		if kind, _ := object["kind"].(string); kind != "ClusterRoleBinding" && kind != "RoleBinding" {
			continue
		}
		var binding rbacv1.RoleBinding
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &binding); err != nil {
			t.Fatal(err)
		}
		if slices.ContainsFunc(binding.Subjects, func(s rbacv1.Subject) bool {
			return s.Kind == "ServiceAccount" && s.Name == account && s.Namespace == system ||
				s.Kind == "User" && s.Name == "system:serviceaccount:"+system+":"+account ||
				s.Kind == "Group" && slices.Contains(everybody, s.Name)
		}) {
			names = append(names, strings.TrimSpace(binding.RoleRef.Kind+" "+binding.RoleRef.Name+" "+binding.Namespace))
		}
	}
	slices.Sort(names)
	return names
}

func parseRendered(t *testing.T) []map[string]any {
	t.Helper()
	text, err := render("default")
	if err != nil {
		t.Fatal(err)
	}
	var objects []map[string]any
	for _, object := range parse(text) {
		objects = append(objects, object.Object)
	}
	return objects
}

var reads = []string{"get", "list", "watch"}

// The line of the milestone: "gradus-manager holds no write on workloads, Jobs
// or Pods and nothing on Secrets cluster-wide".
func TestGradusManagerHoldsNoPowerClusterWide(t *testing.T) {
	roles := renderedRoles(t)
	for _, name := range []string{"gradus-manager", "gradus-production"} {
		if len(roles[name]) == 0 {
			t.Fatalf("%s was not rendered", name)
		}
		for _, rule := range roles[name] {
			for _, resource := range rule.Resources {
				if slices.Contains([]string{"secrets", "configmaps", "serviceaccounts/token", "pods/exec", "nodes"}, resource) {
					t.Errorf("%s: nothing on %s cluster-wide, found %v", name, resource, rule.Verbs)
				}
				if isWorkload(resource) && !onlyReads(rule.Verbs) {
					t.Errorf("%s: only reads on %s cluster-wide, found %v", name, resource, rule.Verbs)
				}
			}
		}
	}
}

// The tests here read roles by name. Another role that is bound would go by them.
func TestTheIdentitiesAreBoundToTheirOwnRolesAlone(t *testing.T) {
	for account, want := range map[string][]string{
		"gradus-manager": {
			"ClusterRole gradus-manager", "Role gradus-channels gradus-system", "Role gradus-leader gradus-system",
		},
		"gradus-production": {"ClusterRole gradus-production", "Role gradus-leader gradus-system"},
	} {
		if diff := cmp.Diff(want, bound(t, account)); diff != "" {
			t.Errorf("%s is bound to other roles (-want +got):\n%s", account, diff)
		}
	}
}

func TestInTheirOwnNamespaceTheIdentitiesHoldNamedObjectsAlone(t *testing.T) {
	roles := renderedRoles(t)
	for name, resources := range map[string][]string{
		"gradus-channels": {"configmaps", "secrets"}, "gradus-leader": {"leases"},
	} {
		if len(roles[name]) == 0 {
			t.Fatalf("%s was not rendered", name)
		}
		for _, rule := range roles[name] {
			for _, resource := range rule.Resources {
				if !slices.Contains(resources, resource) {
					t.Errorf("%s holds %s", name, resource)
				}
			}
			// To create cannot be limited to a name.
			if len(rule.ResourceNames) == 0 && !slices.Equal(rule.Verbs, []string{"create"}) {
				t.Errorf("%s: %v on %v of any name", name, rule.Verbs, rule.Resources)
			}
			if name == "gradus-channels" && !onlyReads(rule.Verbs) {
				t.Errorf("%s writes %v", name, rule.Resources)
			}
		}
	}
}

func isWorkload(resource string) bool {
	return slices.Contains([]string{
		"deployments", "statefulsets", "daemonsets", "replicasets", "deployments/scale", "statefulsets/scale",
		"jobs", "cronjobs", "pods", "services", "persistentvolumeclaims", "horizontalpodautoscalers",
	}, resource)
}

func onlyReads(verbs []string) bool {
	return !slices.ContainsFunc(verbs, func(verb string) bool { return !slices.Contains(reads, verb) })
}

func TestNoRoleOfGradusHoldsBorrowedPower(t *testing.T) {
	may := map[string][]string{
		"gradus-manager": {"gradus-environment"},
		"gradus-grantor": {"gradus-site", "gradus-site-production"},
	}
	for name, rules := range renderedRoles(t) {
		for _, rule := range rules {
			all := slices.Concat(rule.APIGroups, rule.Resources, rule.Verbs, rule.NonResourceURLs)
			if slices.Contains(all, "*") {
				t.Errorf("%s: a wildcard in %v", name, rule)
			}
			if len(rule.NonResourceURLs) > 0 || slices.Contains(rule.Verbs, "escalate") ||
				slices.Contains(rule.Verbs, "impersonate") || slices.Contains(rule.Verbs, "deletecollection") {
				t.Errorf("%s: %v", name, rule)
			}
			if slices.Contains(rule.Verbs, "bind") && !slices.Equal(rule.ResourceNames, may[name]) {
				t.Errorf("%s: bind on %v", name, rule.ResourceNames)
			}
		}
	}
}

func TestRolesForSitesHoldNoSecretsAndDeleteNoBackups(t *testing.T) {
	roles := renderedRoles(t)
	for _, name := range []string{"gradus-site", "gradus-site-production"} {
		if len(roles[name]) == 0 {
			t.Fatalf("%s was not rendered", name)
		}
		for _, rule := range roles[name] {
			for _, resource := range rule.Resources {
				if resource == "secrets" || resource == "volumesnapshotcontents" || resource == "pods/exec" {
					t.Errorf("%s holds %s", name, resource)
				}
				deletes := slices.Contains(rule.Verbs, "delete")
				if deletes && (resource == "volumesnapshots" || resource == "configmaps" || resource == "statefulsets") {
					t.Errorf("%s deletes %s", name, resource)
				}
			}
		}
	}
	for _, rule := range roles["gradus-site"] {
		writes := slices.Contains(rule.Verbs, "patch") || slices.Contains(rule.Verbs, "update")
		if writes && !slices.Equal(rule.Resources, []string{"volumesnapshots"}) {
			t.Errorf("gradus-site changes %v", rule.Resources)
		}
	}
}

func TestTheDeploymentsAreRestricted(t *testing.T) {
	seen := 0
	for _, object := range parseRendered(t) {
		if object["kind"] != "Deployment" {
			continue
		}
		seen++
		var deployment appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &deployment); err != nil {
			t.Fatal(err)
		}
		pod := deployment.Spec.Template.Spec
		for _, container := range pod.Containers {
			security := container.SecurityContext
			if !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation ||
				!slices.Contains(security.Capabilities.Drop, "ALL") || container.Resources.Requests == nil {
				t.Errorf("%s: container %s is not restricted", deployment.Name, container.Name)
			}
		}
		if !*pod.SecurityContext.RunAsNonRoot || pod.ServiceAccountName != deployment.Name {
			t.Errorf("%s: runs as %q", deployment.Name, pod.ServiceAccountName)
		}
	}
	if seen != 2 {
		t.Fatalf("%d Deployments, want one per identity", seen)
	}
}

// The namespace of Gradus enforces the restricted standard on its own pods.
func TestPodsOfTheManagersPassTheRestrictedStandard(t *testing.T) {
	for _, object := range parseRendered(t) {
		if object["kind"] != "Deployment" {
			continue
		}
		var deployment appsv1.Deployment
		if err := runtime.DefaultUnstructuredConverter.FromUnstructured(object, &deployment); err != nil {
			t.Fatal(err)
		}
		pod := &corev1.Pod{Spec: deployment.Spec.Template.Spec}
		pod.Name, pod.Namespace, pod.Labels = "any", "gradus-system", deployment.Spec.Template.Labels
		if err := admin.Create(t.Context(), pod, client.DryRunAll); err != nil {
			t.Errorf("%s: %v", deployment.Name, err)
		}
		pod.Spec.HostNetwork = true
		pod.ResourceVersion = ""
		if err := admin.Create(t.Context(), pod, client.DryRunAll); err == nil {
			t.Errorf("%s: a pod in the host's network must be refused", deployment.Name)
		}
	}
}
