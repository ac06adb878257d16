// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"testing"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
)

// A webhook refuses the pods: users who were let in would meet a Service without
// endpoints. Of a workload that they do not reach, the door does not wait.
func TestTheDoorStaysOnThePageWhileThePodsCannotBePutBack(t *testing.T) {
	for refused, opens := range map[string]bool{"web": false, "cron": true} {
		for _, verb := range []string{"patch", "get"} {
			t.Run(verb+" "+refused, func(t *testing.T) {
				s := newSite(t)
				s.run("g")
				s.until("g", WishHold, closing()[:3])
				forbidden := apierrors.NewForbidden(schema.GroupResource{Resource: "deployments"}, refused, errors.New("webhook"))
				no := interceptor.NewClient(s.admin, interceptor.Funcs{
					Get: func(ctx context.Context, c client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
						if verb == "get" && k.Name == refused && o.GetObjectKind().GroupVersionKind().Kind == "Deployment" {
							return forbidden
						}
						return c.Get(ctx, k, o, opts...)
					},
					Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
						if verb == "patch" && o.GetName() == refused && o.GetObjectKind().GroupVersionKind().Kind == "Deployment" {
							return forbidden
						}
						return c.Patch(ctx, o, p, opts...)
					}})
				g := s.golive("g")
				undoer := Writer{Client: no, Live: no, Leases: s.writer().Leases}.Begin(g).Undoer()
				done, err := undoer.Undo(s.ctx, s.namespace, g.Status.Changes)
				s.must(err)
				if open := s.service().Spec.Selector["app"] == "web"; done || open != opens {
					t.Errorf("done: %v, open: %v", done, open)
				}
				if told := Refused(g.Status.Changes); told == nil || told.Target.Name != refused || told.Target.Kind != "Deployment" {
					t.Errorf("told is %+v", told)
				}
			})
		}
	}
}
