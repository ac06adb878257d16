// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/json"
	"slices"
	"strings"

	batchv1 "k8s.io/api/batch/v1"
	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
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
		switch price := r.Status.Price; {
		case price == nil && o.nobodyIn(r):
			return // to the fix point of a go-live that let nobody in: nothing is lost
		case price == nil:
			o.ask("gate", call, "production is written for %s, and its price was never told", holder)
			return
		case price.Rows == 0 && price.Unknown == "":
			return // nothing is lost: nobody is asked
		}
		digest, about = r.Status.Price.Digest, v1alpha1.GateDataLoss
	}
	if yes, no := o.votes(about, digest); !yes || no {
		o.ask("gate", call, "production is written for %s, and its approval is missing or was refused", holder)
	}
}

// nobodyIn says whether a rollback goes back from a go-live that let no user in.
func (o *oracle) nobodyIn(r *v1alpha1.Rollback) bool {
	g := &v1alpha1.GoLive{}
	if r.Spec.To.GoLiveRef == nil {
		return false
	}
	o.w.Fresh(r.Spec.To.GoLiveRef.Name, g)
	return g.Status.Opened == nil
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

// irreversible are the steps whose Jobs change the database of a site.
var irreversible = []string{"Hops", "Switch"}

// committed: no Job changes the database of a site before the lease says that there is no
// way back but forward, for the run that makes it.
func (o *oracle) committed(call gate.Call, body []byte) {
	if call.Verb != "create" || call.Resource != "jobs" || call.Namespace != o.w.Namespace {
		return
	}
	var job metav1.PartialObjectMetadata
	if err := json.Unmarshal(body, &job); err != nil {
		o.say("commit", call, "cannot be read: %v", err)
		return
	}
	if !slices.Contains(irreversible, job.Labels[v1alpha1.StepLabel]) {
		return
	}
	lease := &coordinationv1.Lease{}
	o.w.Fresh("gradus-campus", lease)
	who, point := ptr.Deref(lease.Spec.HolderIdentity, ""), lease.Annotations[v1alpha1.PointAnnotation]
	mine := job.Labels[v1alpha1.OwnerUIDLabel] != "" && strings.HasSuffix(who, "/"+job.Labels[v1alpha1.OwnerUIDLabel])
	if !mine || point != string(v1alpha1.PointCommitted) {
		o.ask("commit", call, "the database is changed while %q holds the site as %q", who, point)
	}
}

// forgets: nothing is written by which the API server, or a driver, would delete data.
func (o *oracle) forgets(call gate.Call, body []byte) {
	changes := call.Verb == "patch" || call.Verb == "update"
	switch {
	case call.Resource == "volumesnapshotcontents" && bytes.Contains(body, []byte(`"deletionPolicy":"Delete"`)):
		o.ask("delete", call, "the snapshot would go with its alias")
	case call.Resource == "persistentvolumeclaims" && changes && bytes.Contains(body, []byte(`finalizers`)):
		o.ask("delete", call, "a claim is let go that somebody protects")
	}
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
	if !slices.ContainsFunc(policies.Items, closed) || slices.ContainsFunc(policies.Items, leadsOut) {
		o.ask("isolation", call, "the network of the namespace is open")
	}
	var quotas corev1.ResourceQuotaList
	o.w.FreshList(call.Namespace, &quotas)
	if len(quotas.Items) == 0 {
		o.ask("isolation", call, "the namespace has no quota")
	}
	if call.Resource == "deployments" {
		o.neutral(call)
	}
}

// neutral: the application of a copy starts after it was made harmless.
func (o *oracle) neutral(call gate.Call) {
	var jobs batchv1.JobList
	o.w.FreshList(call.Namespace, &jobs)
	if !slices.ContainsFunc(jobs.Items, func(j batchv1.Job) bool { return j.Labels[v1alpha1.StepLabel] == "Neutralise" }) {
		o.ask("isolation", call, "the application starts before mail, cron and hooks are off")
	}
}

// leadsOut says whether a policy lets anything out of its namespace but to the cluster's
// names, or anything in.
func leadsOut(p networkingv1.NetworkPolicy) bool {
	outside := func(peer networkingv1.NetworkPolicyPeer) bool {
		if peer.NamespaceSelector == nil {
			return peer.IPBlock != nil || peer.PodSelector == nil
		}
		return peer.NamespaceSelector.MatchLabels[corev1.LabelMetadataName] != metav1.NamespaceSystem
	}
	return slices.ContainsFunc(p.Spec.Egress, func(r networkingv1.NetworkPolicyEgressRule) bool {
		return len(r.To) == 0 || slices.ContainsFunc(r.To, outside)
	}) || slices.ContainsFunc(p.Spec.Ingress, func(r networkingv1.NetworkPolicyIngressRule) bool {
		return len(r.From) == 0 || slices.ContainsFunc(r.From, outside)
	})
}

// closed says whether a policy is for every pod, in both ways.
func closed(p networkingv1.NetworkPolicy) bool {
	return len(p.Spec.PodSelector.MatchLabels) == 0 && len(p.Spec.PodSelector.MatchExpressions) == 0 &&
		slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeIngress) &&
		slices.Contains(p.Spec.PolicyTypes, networkingv1.PolicyTypeEgress)
}
