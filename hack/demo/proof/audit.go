// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"time"
)

// Accounts of Gradus.
const (
	Manager    = "system:serviceaccount:gradus-system:gradus-manager"
	Production = "system:serviceaccount:gradus-system:gradus-production"
)

// Object is one that somebody wrote to.
type Object struct {
	Resource  string `json:"resource"`
	Namespace string `json:"namespace"`
	Name      string `json:"name"`
}

func (o Object) String() string { return o.Resource + " " + o.Namespace + "/" + o.Name }

// Write is one line of the API server's audit log.
type Write struct {
	Verb string    `json:"verb"`
	At   time.Time `json:"requestReceivedTimestamp"`
	User struct {
		Username string `json:"username"`
	} `json:"user"`
	Object struct {
		Object
		Subresource string `json:"subresource"`
	} `json:"objectRef"`
	Response struct {
		Code int `json:"code"`
	} `json:"responseStatus"`
}

// ReadWrites reads the writes that the API server accepted.
func ReadWrites(from io.Reader) ([]Write, error) {
	var out []Write
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	for lines.Scan() {
		var w Write
		if json.Unmarshal(lines.Bytes(), &w) == nil && w.Response.Code < 300 {
			out = append(out, w)
		}
	}
	return out, lines.Err()
}

// Audit is what the API server wrote down about our two accounts.
type Audit struct {
	// OfManager and OfProduction count writes that were accepted.
	OfManager, OfProduction int
	// Live counts writes of gradus-production to objects of the live site.
	Live int
	// Objections is what should not have been.
	Objections []string
}

// Judge reads writes in their order. live are the objects of the site, lease
// is that which production must hold before it writes to any of them.
func Judge(writes []Write, live map[Object]bool, lease Object) Audit {
	var a Audit
	made := map[Object]bool{}
	held := false
	object := func(format string, w Write) {
		a.Objections = append(a.Objections, fmt.Sprintf(format, w.Verb, w.Object.Object)+" at "+w.At.Format(time.TimeOnly))
	}
	for _, w := range writes {
		manager := w.User.Username == Manager
		if !manager && w.User.Username != Production {
			continue
		}
		o := w.Object.Object
		if o.Resource == "namespaces" {
			o.Namespace = "" // in some verbs the API server writes its own name here
		}
		if manager {
			a.OfManager++
		} else {
			a.OfProduction++
		}
		held = held || !manager && o == lease
		switch {
		case live[o] && manager:
			object("gradus-manager wrote to the live site: %s %s", w)
		case live[o] && !held:
			object("gradus-production wrote before it held the lease: %s %s", w)
		case live[o]:
			a.Live++
		}
		switch w.Verb {
		case "create", "patch", "update":
			made[o] = true
		case "deletecollection":
			object("a collection was deleted: %s %s", w)
		case "delete":
			if live[o] || !made[o] {
				object("something that Gradus did not make was deleted: %s %s", w)
			}
		}
	}
	return a
}
