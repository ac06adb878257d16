// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"bufio"
	"encoding/json"
	"fmt"
	"io"
	"net/http"
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
	// Request is what was sent; the log has it of leases.
	Request json.RawMessage `json:"requestObject"`
}

// holder is who holds a lease after this write; nil when the write leaves that
// as it is.
func (w Write) holder() *string {
	var lease struct {
		Spec struct {
			Holder *string `json:"holderIdentity"`
		} `json:"spec"`
	}
	nobody := ""
	switch err := json.Unmarshal(w.Request, &lease); {
	case w.Verb == "delete" && w.Response.Code < 300:
		return &nobody
	case w.Verb == "delete", err != nil: // a list of patches is no lease
		return nil
	case w.Verb != "patch" && lease.Spec.Holder == nil:
		return &nobody
	}
	return lease.Spec.Holder
}

// makes says whether the write made its object, or may have: an apply that makes
// something is a patch, and answers 201.
func (w Write) makes() bool {
	if w.Object.Subresource != "" {
		return false
	}
	lost := w.Response.Code >= 500
	switch w.Verb {
	case "create":
		return true
	case "patch":
		return lost || w.Response.Code == http.StatusCreated
	case "update":
		return w.Response.Code == http.StatusCreated
	}
	return false
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
		if w.Object.Object == lease {
			j.leased(w)
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
	// run is who held the lease when production wrote it last.
	run         string
	held, blind bool
}

// leased follows the lease, whoever writes it. An answer that was lost counts as
// it was asked for: a run reads the lease before it writes anything else.
func (j *judge) leased(w Write) {
	if len(w.Request) == 0 && w.Verb != "delete" {
		if !j.blind {
			j.object("the audit log does not say who holds the lease (stop the cluster and start it again)", w)
		}
		j.blind, j.held = true, true
		return
	}
	holder := w.holder()
	if holder == nil {
		return
	}
	if w.User.Username == Production {
		j.run = *holder
	}
	j.held = *holder != "" && *holder == j.run
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
	if j.live[w.Object.Object] {
		j.Live++
		if !j.held {
			j.object("gradus-production wrote without the lease", w)
		}
	}
	j.either(w)
}

// either checks what holds for both accounts: they delete only what they made.
func (j *judge) either(w Write) {
	o := w.Object.Object
	if w.makes() {
		j.made[o] = true
	}
	switch w.Verb {
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
