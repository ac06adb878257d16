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

// ReadWrites reads the writes that the API server accepted, and those that it
// may have made: it did not hear from its store, and said so.
func ReadWrites(from io.Reader) ([]Write, error) {
	var out []Write
	lines := bufio.NewScanner(from)
	lines.Buffer(make([]byte, 64<<10), 4<<20)
	for lines.Scan() {
		var w Write
		if json.Unmarshal(lines.Bytes(), &w) == nil && (w.Response.Code < 300 || w.Response.Code >= 500) {
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
	j := judge{live: live, lease: lease, made: map[Object]bool{}}
	for _, w := range writes {
		if w.Object.Resource == "namespaces" {
			w.Object.Namespace = "" // in some verbs the API server writes its own name here
		}
		switch w.User.Username {
		case Manager:
			j.manager(w)
		case Production:
			j.production(w)
		}
	}
	return j.Audit
}

// judge remembers what was made and held so far.
type judge struct {
	Audit
	live, made map[Object]bool
	lease      Object
	held       bool
}

func (j *judge) manager(w Write) {
	j.OfManager++
	if j.live[w.Object.Object] {
		j.object("gradus-manager wrote to the live site", w)
	}
	j.either(w)
}

func (j *judge) production(w Write) {
	j.OfProduction++
	j.held = j.held || w.Object.Object == j.lease
	if j.live[w.Object.Object] {
		j.Live++
		if !j.held {
			j.object("gradus-production wrote before it held the lease", w)
		}
	}
	j.either(w)
}

// either checks what holds for both accounts: they delete only what they made.
func (j *judge) either(w Write) {
	o := w.Object.Object
	switch w.Verb {
	case "create", "patch", "update":
		j.made[o] = true
	case "deletecollection":
		j.object("a collection was deleted", w)
	case "delete":
		if j.live[o] || !j.made[o] {
			j.object("something that Gradus did not make was deleted", w)
		}
	}
}

func (j *judge) object(what string, w Write) {
	j.Objections = append(j.Objections,
		fmt.Sprintf("%s: %s %s at %s", what, w.Verb, w.Object.Object, w.At.Format(time.TimeOnly)))
}
