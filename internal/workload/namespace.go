// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package workload

import (
	"strings"

	corev1 "k8s.io/api/core/v1"
	networkingv1 "k8s.io/api/networking/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Namespace of a copy, with the level that the API server enforces in it.
func Namespace(name string, purpose v1alpha1.Purpose, level v1alpha1.PodSecurityLevel) *corev1.Namespace {
	enforce := strings.ToLower(string(level))
	if enforce == "" {
		enforce = "restricted"
	}
	return &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{
		Name: name,
		Labels: map[string]string{
			v1alpha1.PurposeLabel:                string(purpose),
			"pod-security.kubernetes.io/enforce": enforce,
			"pod-security.kubernetes.io/warn":    enforce,
		},
	}}
}

// EnvironmentRole is the ClusterRole that the manager holds in a copy.
const EnvironmentRole = "gradus-environment"

// Binding gives the manager its rights in a namespace that it made, and
// nowhere else.
func Binding(namespace, account, accountNamespace string) *rbacv1.RoleBinding {
	return &rbacv1.RoleBinding{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: EnvironmentRole},
		RoleRef:    rbacv1.RoleRef{APIGroup: rbacv1.GroupName, Kind: "ClusterRole", Name: EnvironmentRole},
		Subjects:   []rbacv1.Subject{{Kind: rbacv1.ServiceAccountKind, Namespace: accountNamespace, Name: account}},
	}
}

// Closed is the network of a copy: its pods reach each other and the
// cluster's names, nothing else reaches them and they reach nothing else.
func Closed(namespace string) *networkingv1.NetworkPolicy {
	udp, tcp := corev1.ProtocolUDP, corev1.ProtocolTCP
	dns := []networkingv1.NetworkPolicyPort{
		{Protocol: &udp, Port: ptr.To(intstr.FromInt32(53))}, {Protocol: &tcp, Port: ptr.To(intstr.FromInt32(53))},
		{Protocol: &udp, Port: ptr.To(intstr.FromInt32(1053))}, {Protocol: &tcp, Port: ptr.To(intstr.FromInt32(1053))},
	}
	here := []networkingv1.NetworkPolicyPeer{{PodSelector: &metav1.LabelSelector{}}}
	return &networkingv1.NetworkPolicy{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "gradus-closed"},
		Spec: networkingv1.NetworkPolicySpec{
			PolicyTypes: []networkingv1.PolicyType{networkingv1.PolicyTypeIngress, networkingv1.PolicyTypeEgress},
			Ingress:     []networkingv1.NetworkPolicyIngressRule{{From: here}},
			Egress: []networkingv1.NetworkPolicyEgressRule{{To: here}, {
				To: []networkingv1.NetworkPolicyPeer{{NamespaceSelector: &metav1.LabelSelector{
					MatchLabels: map[string]string{"kubernetes.io/metadata.name": "kube-system"},
				}}},
				Ports: dns,
			}},
		},
	}
}

// Quota bounds a copy: no load balancers, no node ports, a bounded number of pods.
func Quota(namespace string, storage resource.Quantity) *corev1.ResourceQuota {
	return &corev1.ResourceQuota{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: "gradus-copy"},
		Spec: corev1.ResourceQuotaSpec{Hard: corev1.ResourceList{
			corev1.ResourcePods:                  resource.MustParse("50"),
			corev1.ResourceRequestsStorage:       storage,
			corev1.ResourceServicesLoadBalancers: resource.MustParse("0"),
			corev1.ResourceServicesNodePorts:     resource.MustParse("0"),
		}},
	}
}

// ServiceCopy gives the Service of a copy: same name, ports and selector, inside only.
func ServiceCopy(live corev1.Service, namespace string) *corev1.Service {
	out := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: namespace, Name: live.Name},
		Spec: corev1.ServiceSpec{
			Type:                     corev1.ServiceTypeClusterIP,
			Selector:                 live.Spec.Selector,
			PublishNotReadyAddresses: live.Spec.PublishNotReadyAddresses,
		},
	}
	if live.Spec.ClusterIP == corev1.ClusterIPNone {
		out.Spec.ClusterIP = corev1.ClusterIPNone
	}
	for _, port := range live.Spec.Ports {
		out.Spec.Ports = append(out.Spec.Ports, corev1.ServicePort{
			Name: port.Name, Protocol: port.Protocol, Port: port.Port, TargetPort: port.TargetPort,
		})
	}
	return out
}
