// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"context"
	"fmt"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

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
