// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"slices"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

// approved: the first write of a run to production comes after the yes of a
// person to what it does, as the API server has it at that moment.
func (o *oracle) approved(call gate.Call) {
	lease := &coordinationv1.Lease{}
	o.w.Fresh("gradus-campus", lease)
	holder := ptr.Deref(lease.Spec.HolderIdentity, "")
	if o.began[holder] {
		return
	}
	o.began[holder] = true
	parts := strings.Split(holder, "/")
	if len(parts) != 3 {
		return // the lease's own oracle says so
	}
	var digest, about string
	switch parts[0] {
	case "GoLive":
		g := &v1alpha1.GoLive{}
		o.w.Fresh(parts[1], g)
		digest, about = g.Spec.Digest, v1alpha1.GateGoLive
	case "Rollback":
		r := &v1alpha1.Rollback{}
		o.w.Fresh(parts[1], r)
		if r.Status.Price == nil || r.Status.Price.Rows == 0 && r.Status.Price.Unknown == "" {
			return // nothing is lost: nobody is asked
		}
		digest, about = r.Status.Price.Digest, v1alpha1.GateDataLoss
	}
	if yes, no := o.votes(about, digest); !yes || no {
		o.ask("gate", call, "production is written for %s, and its approval is missing or was refused", holder)
	}
}

// votes says whether somebody agreed to a subject, and whether somebody refused.
func (o *oracle) votes(about, digest string) (yes, no bool) {
	var all v1alpha1.UpgradeApprovalList
	o.w.FreshList(o.w.Namespace, &all)
	for _, a := range all.Items {
		if a.Spec.Gate == about && a.Spec.Digest == digest {
			yes = yes || a.Spec.Decision == v1alpha1.DecisionApprove
			no = no || a.Spec.Decision == v1alpha1.DecisionReject
		}
	}
	return yes, no
}

// runs are resources that bring pods or data into a copy.
var runs = []string{"deployments", "statefulsets", "jobs", "pods", "persistentvolumeclaims"}

// isolated: what brings pods or data into a namespace of ours comes after its
// network was closed, its size bounded, and its pods restricted.
func (o *oracle) isolated(call gate.Call) {
	if call.Verb != "create" || call.Namespace == o.w.Namespace || !slices.Contains(runs, call.Resource) {
		return
	}
	ns := &corev1.Namespace{}
	err := o.w.Admin.Get(o.w.Context(), client.ObjectKey{Name: call.Namespace}, ns)
	if apierrors.IsNotFound(err) {
		return // nothing is made in what is gone
	}
	o.w.Must(err)
	if ns.Labels["pod-security.kubernetes.io/enforce"] != "restricted" {
		o.ask("isolation", call, "the namespace does not restrict its pods")
	}
	var policies networkingv1.NetworkPolicyList
	o.w.FreshList(call.Namespace, &policies)
	if !slices.ContainsFunc(policies.Items, closed) {
		o.ask("isolation", call, "the network of the namespace is open")
	}
	var quotas corev1.ResourceQuotaList
	o.w.FreshList(call.Namespace, &quotas)
	if len(quotas.Items) == 0 {
		o.ask("isolation", call, "the namespace has no quota")
	}
}

// closed says whether a policy is for every pod, in both ways.
func closed(p networkingv1.NetworkPolicy) bool {
	return len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PodSelector.MatchExpressions) == 0 &&
		slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) &&
		slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
}
