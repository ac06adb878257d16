// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

//go:build seeds

package faults

import (
	"encoding/json"

	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// blind are bugs that nothing shows without a fault. Each has the one by which it is seen.
var blind = map[string]struct {
	seed
	fault gate.Fault
}{
	"status-not-locked": {
		seed{"backup", "steps", alters(func(c gate.Call, body []byte) []byte {
			if c.Subresource != "status" {
				return body
			}
			return without(body, "metadata", "resourceVersion")
		})},
		gate.Fault{Call: "manager patch sitebackups/status SITE/backup", N: 7, Kind: gate.TimeTravel},
	},
	"watchdog-asleep": {
		seed{"golive", "away", func(w *world.World, _ *gate.Gate) { w.NeverWatches() }},
		gate.Fault{Call: "production patch deployments SITE/web", N: 1, Kind: gate.OperatorAway},
	},
	"named-anew": {
		seed{"backup", "orphan", func(w *world.World, g *gate.Gate) {
			g.Alter = func(c gate.Call, body []byte) ([]byte, bool) {
				if c.Verb != "create" || c.Resource != "jobs" || !w.Exists(c) {
					return body, false
				}
				return renamed(body, c.Name+"-again"), false
			}
		}},
		gate.Fault{Call: "manager create jobs SITE/backup-dump-vault-1-*", N: 1, Kind: gate.Stale},
	},
}

func renamed(body []byte, name string) []byte {
	var object map[string]any
	_ = json.Unmarshal(body, &object)
	object["metadata"].(map[string]any)["name"] = name
	body, _ = json.Marshal(object)
	return body
}
