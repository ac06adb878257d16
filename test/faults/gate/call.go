// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"encoding/json"
	"fmt"
	"net/http"
	"path"
	"regexp"
	"runtime"
	"strings"
)

// Call is one request.
type Call struct {
	// Site names requests that are the same in every run.
	Site string
	// N is one more than how many requests of the site were done before; Seq
	// counts all of the run, from 1.
	N, Seq int
	// Code of the API server's answer; 0 when there was none.
	Code int
	// Process made it.
	Process string
	// Verb is one of get, list, create, update, patch, delete.
	Verb, Group, Resource, Subresource, Namespace, Name string
	Write                                               bool
	// From is the function of the operator that made it, At the line.
	From, At string
}

var verbs = map[string]string{
	http.MethodGet: "get", http.MethodPost: "create", http.MethodPut: "update",
	http.MethodPatch: "patch", http.MethodDelete: "delete",
}

// uidish are the tails by which children are told apart: UIDs and digests.
var uidish = regexp.MustCompile(`[0-9a-f]{8}(-[0-9a-f]{4}){3}-[0-9a-f]{12}|(\b|_)(r?)[0-9a-f]{8,}\b`)

// Uidish takes UIDs and digests out of a text.
func Uidish(text string) string { return uidish.ReplaceAllString(text, "${2}${3}*") }

// callOf reads what a request is about. A create has its name in its body,
// which is why processes under test speak JSON.
func callOf(process string, r *http.Request, body []byte, normalise func(string) string) Call {
	c := Call{Process: process, Verb: verbs[r.Method]}
	c.From, c.At = caller()
	c.Namespace, c.Resource, c.Name, c.Subresource = pathOf(r.URL.Path)
	if rest, ok := strings.CutPrefix(r.URL.Path, "/apis/"); ok {
		c.Group, _, _ = strings.Cut(rest, "/")
	}
	switch {
	case c.Verb == "get" && c.Name == "":
		c.Verb = "list"
	case c.Verb == "create" && c.Name == "":
		c.Name = nameIn(body)
	}
	c.Write = c.Verb != "get" && c.Verb != "list"
	resource := c.Resource
	if c.Subresource != "" {
		resource += "/" + c.Subresource
	}
	c.Site = strings.TrimSpace(fmt.Sprintf("%s %s %s %s/%s", process, c.Verb, resource, c.Namespace, c.Name))
	if normalise != nil {
		c.Site = normalise(c.Site)
	}
	c.Site = Uidish(c.Site)
	return c
}

// pathOf reads /api/v1/… and /apis/GROUP/VERSION/….
func pathOf(path string) (namespace, resource, name, sub string) {
	parts := strings.Split(strings.Trim(path, "/"), "/")
	skip := 2
	if parts[0] == "apis" {
		skip = 3
	}
	if len(parts) <= skip {
		return "", path, "", ""
	}
	parts = parts[skip:]
	if parts[0] == "namespaces" && len(parts) > 2 && parts[2] != "status" && parts[2] != "finalize" {
		namespace, parts = parts[1], parts[2:]
	}
	parts = append(parts, "", "")
	return namespace, parts[0], parts[1], parts[2]
}

func nameIn(body []byte) string {
	var object struct {
		Metadata struct {
			Name         string `json:"name"`
			GenerateName string `json:"generateName"`
		} `json:"metadata"`
	}
	_ = json.Unmarshal(body, &object)
	if object.Metadata.Name == "" && object.Metadata.GenerateName != "" {
		return object.Metadata.GenerateName + "?"
	}
	return object.Metadata.Name
}

const module = "github.com/gradus-lms/gradus/"

// caller finds the function of the operator on whose stack the request is made, and
// the line, as FILE:LINE from the root of the module.
func caller() (function, line string) {
	var at [64]uintptr
	frames := runtime.CallersFrames(at[:runtime.Callers(3, at[:])])
	for {
		frame, more := frames.Next()
		name, ours := strings.CutPrefix(frame.Function, module)
		if ours && !strings.HasPrefix(name, "test/") {
			folder, file := path.Split(name)
			pkg, _, _ := strings.Cut(file, ".")
			return name, fmt.Sprintf("%s%s/%s:%d", folder, pkg, path.Base(frame.File), frame.Line)
		}
		if !more {
			return "", ""
		}
	}
}
