// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	root      = "../.."
	poll      = 200 * time.Millisecond
	patience  = 2 * time.Minute
	siteSpace = "campus"      // its owner gave Gradus every right
	readSpace = "read-only"   // its owner gave gradus-site only
	bareSpace = "strangers"   // its owner gave nothing
	copySpace = "campus-copy" // made by Gradus
	lockSpace = "locked"      // a go-live holds it
	generous  = "generous"    // somebody gave Gradus everything, by mistake
)

// Who asks.
const (
	manager      = "system:serviceaccount:gradus-system:gradus-manager"
	production   = "system:serviceaccount:gradus-system:gradus-production"
	argoCD       = "system:serviceaccount:argocd:application-controller" // cluster-admin
	garbage      = "system:serviceaccount:kube-system:generic-garbage-collector"
	namespacer   = "system:serviceaccount:kube-system:namespace-controller"
	cronJobs     = "system:serviceaccount:kube-system:cronjob-controller"
	autoscaler   = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
	deployer     = "system:serviceaccount:kube-system:deployment-controller"
	lockWatchdog = "system:serviceaccount:" + lockSpace + ":gradus-watchdog-campus-0a1b2c3d"
	owner        = "olga"    // admin of the sites' namespaces
	tenant       = "tom"     // edit in the sites' namespaces
	approver     = "anna"    // gradus-approver in campus
	secondPerson = "bert"    // gradus-approver in campus
	narrow       = "nina"    // approve on one gate of one plan
	keeper       = "norbert" // may patch namespaces
	clusterAdmin = "root"    // cluster-admin, not system:masters
	gradusAdmin  = "gudrun"  // gradus-admin in campus
	bot          = "system:serviceaccount:campus:pipeline"
	allowedBot   = "system:serviceaccount:campus:trusted-pipeline"
)

// as returns a client that speaks as somebody.
func as(user string) client.Client {
	groups := []string{"system:authenticated"}
	if parts := strings.Split(user, ":"); len(parts) == 4 && parts[1] == "serviceaccount" {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	}
	if user == approver {
		groups = append(groups, "moodle-owners")
	}
	c := rest.CopyConfig(config)
	c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	made, err := client.New(c, client.Options{})
	if err != nil {
		panic(err)
	}
	return made
}

// parse reads objects from YAML; $NAME in it stands for what names says.
func parse(text string) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			panic(fmt.Sprintf("%v in\n%s", err, text))
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// one reads a single object.
func one(text string) *unstructured.Unstructured { return parse(text)[0] }

// render runs kustomize on a folder below config.
func render(folder string) (string, error) {
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	command := exec.Command(kubectl, "kustomize", filepath.Join(root, "config", folder))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("kustomize %s: %w: %s", folder, err, stderr.String())
	}
	return string(out), nil
}

// prepare installs Gradus, makes the namespaces and people of the tests, and
// waits until the policies are enforced.
func prepare(ctx context.Context) error {
	var err error
	if admin, err = client.New(config, client.Options{}); err != nil {
		return err
	}
	text, err := render("default")
	if err != nil {
		return err
	}
	for _, object := range parse(text) {
		if err := create(ctx, admin, object); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	if err := makePeople(ctx); err != nil {
		return err
	}
	if err := makeSites(ctx); err != nil {
		return err
	}
	if err := waitFor(ctx, "the mutating policies", mutates); err != nil {
		return err
	}
	if err := makeObjects(ctx); err != nil {
		return err
	}
	for name, probe := range probes {
		if err := waitFor(ctx, name, probe.holds); err != nil {
			return fmt.Errorf("%w; last answer: %w", err, probe.do(ctx, as(probe.by)))
		}
	}
	return nil
}

// create retries while the API server does not know a new kind yet.
func create(ctx context.Context, c client.Client, object client.Object) error {
	return wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		err := c.Create(ctx, object)
		if apierrors.IsNotFound(err) || apierrors.IsServiceUnavailable(err) || metaNoMatch(err) {
			return false, nil
		}
		return err == nil, err
	})
}

func metaNoMatch(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no matches for kind")
}

// makePeople does what the aggregation controller does in a cluster (envtest
// has none), and binds roles to people.
func makePeople(ctx context.Context) error {
	for _, role := range []string{"edit", "admin"} {
		if err := aggregate(ctx, role); err != nil {
			return err
		}
	}
	everywhere := map[string]string{clusterAdmin: "cluster-admin", argoCD: "cluster-admin"}
	everywhere[keeper] = "keeper"
	if err := admin.Create(ctx, one(keeperRole)); err != nil {
		return err
	}
	for user, role := range everywhere {
		binding := &rbacv1.ClusterRoleBinding{
			ObjectMeta: metav1.ObjectMeta{GenerateName: "test-"},
			RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: role},
			Subjects:   []rbacv1.Subject{{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}},
		}
		if err := admin.Create(ctx, binding); err != nil {
			return err
		}
	}
	return nil
}

// aggregate fills a ClusterRole of the cluster from those with its label.
func aggregate(ctx context.Context, name string) error {
	var parts rbacv1.ClusterRoleList
	if err := admin.List(ctx, &parts); err != nil {
		return err
	}
	role := &rbacv1.ClusterRole{ObjectMeta: metav1.ObjectMeta{Name: "aggregated-" + name}}
	for _, part := range parts.Items {
		if part.Labels["rbac.authorization.k8s.io/aggregate-to-"+name] == "true" {
			role.Rules = append(role.Rules, part.Rules...)
		}
	}
	// In a cluster edit flows into admin as well.
	if name == "admin" {
		var edit rbacv1.ClusterRole
		if err := admin.Get(ctx, client.ObjectKey{Name: "aggregated-edit"}, &edit); err != nil {
			return err
		}
		role.Rules = append(role.Rules, edit.Rules...)
	}
	return admin.Create(ctx, role)
}

func makeSites(ctx context.Context) error {
	for _, name := range []string{siteSpace, readSpace, bareSpace, generous, lockSpace, "argocd"} {
		if err := admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: name}}); err != nil {
			return err
		}
		for user, role := range map[string]string{owner: "aggregated-admin", tenant: "aggregated-edit"} {
			if err := bind(ctx, admin, name, "ClusterRole", role, user); err != nil {
				return err
			}
		}
	}
	for user, role := range map[string]string{
		approver: "gradus-approver", secondPerson: "gradus-approver", gradusAdmin: "gradus-admin",
		bot: "gradus-approver", allowedBot: "gradus-approver",
	} {
		if err := bind(ctx, admin, siteSpace, "ClusterRole", role, user); err != nil {
			return err
		}
	}
	for _, object := range parse(narrowRoles) {
		object.SetNamespace(siteSpace)
		if err := admin.Create(ctx, object); err != nil {
			return err
		}
	}
	if err := bind(ctx, admin, siteSpace, "Role", "narrow", narrow); err != nil {
		return err
	}
	if err := bind(ctx, admin, siteSpace, "Role", "automation", allowedBot); err != nil {
		return err
	}
	return giveToGradus(ctx)
}

// giveToGradus is what owners do, and what somebody did by mistake.
func giveToGradus(ctx context.Context) error {
	if err := grants(ctx, as(owner), siteSpace, "read.yaml", "production.yaml", "secrets.yaml"); err != nil {
		return fmt.Errorf("the owner gives rights: %w", err)
	}
	if err := grants(ctx, as(owner), lockSpace, "production.yaml"); err != nil {
		return fmt.Errorf("the owner gives rights: %w", err)
	}
	if err := bind(ctx, admin, lockSpace, "ClusterRole", "gradus-admin", gradusAdmin); err != nil {
		return err
	}
	for user, role := range map[string]string{gradusAdmin: "edit", autoscaler: "edit", deployer: "edit", lockWatchdog: "edit"} {
		if err := bind(ctx, admin, lockSpace, "ClusterRole", "aggregated-"+role, user); err != nil {
			return err
		}
	}
	if err := bind(ctx, admin, lockSpace, "ClusterRole", "keeper", lockWatchdog); err != nil {
		return err
	}
	if err := grants(ctx, as(owner), readSpace, "read.yaml"); err != nil {
		return fmt.Errorf("the owner gives the right to read: %w", err)
	}
	for _, user := range []string{manager, production} {
		if err := bind(ctx, admin, generous, "ClusterRole", "cluster-admin", user); err != nil {
			return err
		}
	}
	return nil
}

const keeperRole = `
apiVersion: rbac.authorization.k8s.io/v1
kind: ClusterRole
metadata: {name: keeper}
rules: [{apiGroups: [""], resources: [namespaces], verbs: [get, patch, create, delete]}]
`

const narrowRoles = `
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: narrow}
rules:
- {apiGroups: [lms.gradus.dev], resources: [upgradeapprovals], verbs: [create, delete]}
- apiGroups: [lms.gradus.dev]
  resources: [upgradeplans/gate-golive]
  resourceNames: [campus-2-0]
  verbs: [approve]
---
apiVersion: rbac.authorization.k8s.io/v1
kind: Role
metadata: {name: automation}
rules:
- {apiGroups: [lms.gradus.dev], resources: [upgradeplans/gate-copydata], verbs: [approve-automation]}
`

// bind gives a user a role in a namespace.
func bind(ctx context.Context, by client.Client, namespace, kind, role, user string) error {
	subject := rbacv1.Subject{Kind: rbacv1.UserKind, APIGroup: rbacv1.GroupName, Name: user}
	return by.Create(ctx, &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{GenerateName: "test-", Namespace: namespace},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: kind, Name: role},
		Subjects:   []rbacv1.Subject{subject},
	})
}

// waitFor asks until a probe holds: policies are enforced some seconds after
// they were made.
func waitFor(ctx context.Context, what string, probe func(context.Context) bool) error {
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		return probe(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("not enforced: %s: %w", what, err)
	}
	return nil
}

func mutates(ctx context.Context) bool {
	plan := one(planYAML)
	if as(clusterAdmin).Create(ctx, plan, client.DryRunAll) != nil {
		return false
	}
	approval := one(approvalYAML)
	err := as(approver).Create(ctx, approval, client.DryRunAll)
	stamped, _, _ := unstructured.NestedString(approval.Object, "spec", "approver")
	return err == nil && plan.GetAnnotations()["lms.gradus.dev/authors"] == clusterAdmin && stamped == approver
}
