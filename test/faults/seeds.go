// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

//go:build seeds

package faults

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"strings"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/utils/ptr"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// seed is a bug that the harness puts into the operator, at its transport, to
// see that an oracle catches it.
type seed struct {
	scenario, oracle string
	plant            func(*world.World, *gate.Gate)
}

// seeds are bugs of kinds that operators have had.
var seeds = map[string]seed{
	"lease-kept": {"golive", "lease", swallows(func(c gate.Call, body []byte) bool {
		return c.Resource == "leases" && c.Verb == "update" && bytes.Contains(body, []byte(`"holderIdentity":""`))
	})},
	"live-from-cache": {"golive", "stopped", func(w *world.World, _ *gate.Gate) { w.ReadsCaches() }},
	"undo-skipped": {"golive-aborted", "end state", swallows(func(c gate.Call, _ []byte) bool {
		return c.Resource == "services" && c.Verb == "patch" && c.N == 2
	})},
	"child-left": {"golive-aborted", "stopped", swallows(func(c gate.Call, _ []byte) bool {
		return c.Resource == "deployments" && c.Verb == "delete"
	})},
	"deletes-by-name": {"golive-aborted", "delete", alters(func(c gate.Call, body []byte) []byte {
		if c.Verb != "delete" {
			return body
		}
		var options map[string]any
		_ = json.Unmarshal(body, &options)
		delete(options, "preconditions")
		body, _ = json.Marshal(options)
		return body
	})},
	"told-a-secret": {"golive", "secret", alters(func(c gate.Call, body []byte) []byte {
		if c.Resource != "jobs" {
			return body
		}
		return bytes.Replace(body, []byte(`"annotations":{`), []byte(`"annotations":{"password":"canary-of-the-harness",`), 1)
	})},
	"told-it-in-bytes": {"plan", "secret", alters(func(c gate.Call, body []byte) []byte {
		if c.Resource != "configmaps" {
			return body
		}
		text := base64.StdEncoding.EncodeToString([]byte("password=canary-of-the-harness;"))
		return bytes.Replace(body, []byte(`"binaryData":{`), []byte(`"binaryData":{"password":"`+text+`",`), 1)
	})},
	"committed-too-late": {"golive", "commit", func(w *world.World, g *gate.Gate) {
		before := g.Before
		g.Before = func(c gate.Call, body []byte) {
			if c.Resource == "jobs" && c.Verb == "create" && strings.Contains(c.Name, "-hop-") {
				w.Lowers()
			}
			before(c, body)
		}
	}},
	"forgets-to-ask": {"rollback-keep", "stopped", func(w *world.World, _ *gate.Gate) { w.ForgetsToAsk() }},
	"not-neutral": {"environment", "isolation", alters(func(c gate.Call, body []byte) []byte {
		if c.Resource != "jobs" || c.Verb != "create" {
			return body
		}
		return bytes.Replace(body, []byte(`"lms.gradus.dev/step":"Neutralise"`), []byte(`"lms.gradus.dev/step":"Verify"`), 1)
	})},
	"network-leads-out": {"environment", "isolation", alters(func(c gate.Call, body []byte) []byte {
		if c.Resource != "networkpolicies" {
			return body
		}
		return bytes.Replace(body, []byte(`"egress":[`), []byte(`"egress":[{},`), 1)
	})},
	"fence-not-read": {"golive", "lease", func(w *world.World, g *gate.Gate) {
		before := g.Before
		g.Before = func(c gate.Call, body []byte) {
			if c.Resource == "deployments" && c.Verb == "patch" && c.N == 1 {
				lease := &coordinationv1.Lease{}
				w.Get("gradus-campus", lease)
				lease.Spec.HolderIdentity = ptr.To("GoneToSomebodyElse/x/y")
				w.Must(w.Person.Update(w.Context(), lease))
			}
			before(c, body)
		}
	}},
	"child-twice": {"golive", "orphan", func(w *world.World, g *gate.Gate) {
		after := g.After
		g.After = func(c gate.Call, code int, body []byte) {
			if c.Resource == "jobs" && strings.Contains(c.Name, "-hop-") {
				w.Create(&corev1.ConfigMap{ObjectMeta: w.Meta("one-more-hop")})
			}
			after(c, code, body)
		}
	}},
	"writes-for-ever": {"golive", "rest", func(w *world.World, _ *gate.Gate) {
		w.Witness = func() { w.Churn() }
	}},
	"panics": {"golive", "panic", func(_ *world.World, g *gate.Gate) {
		before := g.Before
		g.Before = func(c gate.Call, body []byte) {
			if c.Resource == "jobs" && c.Verb == "create" && c.N == 1 {
				panic("as a reconciler would")
			}
			before(c, body)
		}
	}},
	"approval-not-read": {"golive", "gate", func(w *world.World, g *gate.Gate) {
		before := g.Before
		g.Before = func(c gate.Call, body []byte) {
			if c.Resource == "services" && c.Verb == "patch" || c.Resource == "namespaces" && c.Verb == "patch" {
				_ = w.Behind().Delete(w.Context(), &v1alpha1.UpgradeApproval{ObjectMeta: w.Meta("yes")})
			}
			before(c, body)
		}
	}},
	"network-open": {"environment", "isolation", alters(func(c gate.Call, body []byte) []byte {
		if c.Resource != "networkpolicies" {
			return body
		}
		return bytes.Replace(body, []byte(`["Ingress","Egress"]`), []byte(`["Ingress"]`), 1)
	})},
	"owner-forgotten": {"golive", "end state", alters(func(c gate.Call, body []byte) []byte {
		if c.Resource != "jobs" || c.Verb != "create" {
			return body
		}
		return without(body, "metadata", "ownerReferences")
	})},
	"finalizer-let-go": {"environment", "orphan", func(w *world.World, g *gate.Gate) {
		g.Alter = func(c gate.Call, body []byte) ([]byte, bool) {
			if c.Resource != "namespaces" || c.Verb != "delete" || !strings.Contains(c.Name, "autumn") {
				return body, false
			}
			w.LetsGo("autumn")
			return body, true
		}
	}},
	"step-goes-back": {"golive", "steps", alters(func(c gate.Call, body []byte) []byte {
		if c.Subresource != "status" || c.N != 6 {
			return body
		}
		return bytes.Replace(body, []byte(`"state":"Passed"`), []byte(`"state":"Running"`), 1)
	})},
	"undone-again": {"golive-aborted", "journal", func(w *world.World, g *gate.Gate) {
		after, redone := g.After, false
		g.After = func(c gate.Call, code int, body []byte) {
			after(c, code, body)
			if c.Subresource == "status" && !redone && bytes.Contains(body, []byte(`"state":"Undone"`)) {
				redone = true
				w.Redoes()
			}
		}
	}},
	"another-image": {"golive", "stopped", alters(func(c gate.Call, body []byte) []byte {
		if c.Resource != "deployments" {
			return body
		}
		return bytes.ReplaceAll(body, []byte(`"campus:2.0"`), []byte(`"campus:2.1"`))
	})},
	"not-its-own": {"golive", "delete", func(w *world.World, g *gate.Gate) {
		after, deleted := g.After, false
		g.After = func(c gate.Call, code int, body []byte) {
			after(c, code, body)
			if c.Resource == "jobs" && !deleted {
				deleted = true
				w.DeletesService()
			}
		}
	}},
}

// without takes a field out of a request.
func without(body []byte, path ...string) []byte {
	var object map[string]any
	_ = json.Unmarshal(body, &object)
	inner := object
	for _, field := range path[:len(path)-1] {
		inner, _ = inner[field].(map[string]any)
	}
	delete(inner, path[len(path)-1])
	body, _ = json.Marshal(object)
	return body
}

func swallows(which func(gate.Call, []byte) bool) func(*world.World, *gate.Gate) {
	return func(_ *world.World, g *gate.Gate) {
		g.Alter = func(c gate.Call, body []byte) ([]byte, bool) { return body, which(c, body) }
	}
}

func alters(how func(gate.Call, []byte) []byte) func(*world.World, *gate.Gate) {
	return func(_ *world.World, g *gate.Gate) {
		g.Alter = func(c gate.Call, body []byte) ([]byte, bool) { return how(c, body), false }
	}
}
