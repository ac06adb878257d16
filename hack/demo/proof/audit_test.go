// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package proof

import (
	"fmt"
	"strings"
	"testing"
)

const (
	goLive   = `{"spec":{"holderIdentity":"GoLive/campus/1"}}`
	rollback = `{"spec":{"holderIdentity":"Rollback/campus/2"}}`
	nobody   = `{"spec":{"holderIdentity":""}}`
	dog      = "system:serviceaccount:campus:gradus-watchdog"
)

// line is one of the audit log, about an object in the site's namespace.
func line(user, verb, resource, name string, code int) string {
	resource, sub, _ := strings.Cut(resource, "/")
	return fmt.Sprintf(`{"verb":%q,"user":{"username":%q},"objectRef":{"resource":%q,"namespace":"campus","name":%q,`+
		`"subresource":%q},"responseStatus":{"code":%d}}`, verb, user, resource, name, sub, code)
}

// sent is a line about the site's lease, with what was sent.
func sent(user, verb, request string, code int) string {
	return strings.TrimSuffix(line(user, verb, "leases", "gradus-campus", code), "}") + `,"requestObject":` + request + "}"
}

func objections(t *testing.T, lines ...string) string {
	t.Helper()
	writes, err := ReadWrites(strings.NewReader(strings.Join(lines, "\n")))
	if err != nil {
		t.Fatal(err)
	}
	live := map[Object]bool{{"deployments", "campus", "web"}: true, {"namespaces", "", "campus"}: true}
	return strings.Join(Judge(writes, live, Object{"leases", "campus", "gradus-campus"}).Objections, "; ")
}

func TestJudge(t *testing.T) {
	write := line(Production, "patch", "deployments", "web", 200)
	for name, c := range map[string]struct {
		lines []string
		want  string // nothing: no objection
	}{
		"in order": {lines: []string{
			line(Manager, "create", "jobs", "ours", 201), line(Manager, "delete", "jobs", "ours", 200),
			line(Manager, "patch", "deployments", "web", 403),
			sent(Production, "create", goLive, 201), write, sent(Production, "update", goLive, 200), write,
			sent(Production, "update", nobody, 200),
			line("admin", "delete", "deployments", "web", 200),
			strings.Replace(line(Manager, "create", "namespaces", "copy", 201), `"namespace":"campus",`, "", 1),
			line(Manager, "delete", "namespaces", "copy", 200),
		}},
		"the lock before the lease": {
			[]string{line(Production, "patch", "namespaces", "campus", 200)}, "without the lease: patch namespaces /campus"},
		"the lock under the lease": {lines: []string{
			sent(Production, "create", goLive, 201), line(Production, "patch", "namespaces", "campus", 200)}},
		"the manager writes to the site": {
			[]string{line(Manager, "patch", "deployments", "web", 200)}, "gradus-manager wrote"},
		"an answer of the store was lost": {lines: []string{
			line(Manager, "create", "jobs", "ours", 500), line(Manager, "delete", "jobs", "ours", 200)}},
		"an answer of the store was lost, and the site may be changed": {
			[]string{line(Manager, "patch", "deployments", "web", 500)}, "gradus-manager wrote"},
		"an apply made it": {lines: []string{
			line(Manager, "patch", "jobs", "ours", 201), line(Manager, "delete", "jobs", "ours", 200)}},
		"an apply may have made it": {lines: []string{
			line(Manager, "patch", "jobs", "ours", 500), line(Manager, "delete", "jobs", "ours", 200)}},
		"an update made it": {lines: []string{
			line(Manager, "update", "jobs", "ours", 201), line(Manager, "delete", "jobs", "ours", 200)}},
		"a stranger's object": {[]string{line(Manager, "delete", "jobs", "theirs", 200)}, "did not make"},
		"a stranger's object, patched before": {[]string{
			line(Manager, "patch", "jobs", "theirs", 200), line(Manager, "delete", "jobs", "theirs", 200)}, "did not make"},
		"a stranger's object, updated before": {[]string{
			line(Manager, "update", "jobs", "theirs", 200), line(Manager, "delete", "jobs", "theirs", 200)}, "did not make"},
		"a stranger's pod, which got something beside it": {[]string{
			line(Manager, "create", "pods/binding", "theirs", 201), line(Manager, "delete", "pods", "theirs", 200)}, "did not make"},
		"what the other account made": {lines: []string{
			line(Manager, "create", "jobs", "ours", 201), line(Production, "delete", "jobs", "ours", 200)}},
	} {
		t.Run(name, func(t *testing.T) {
			if got := objections(t, c.lines...); !strings.Contains(got, c.want) || c.want == "" && got != "" {
				t.Errorf("want %q, got %q", c.want, got)
			}
		})
	}
}

func TestJudgeFollowsTheLease(t *testing.T) {
	write := line(Production, "patch", "deployments", "web", 200)
	taken := sent(Production, "create", goLive, 201)
	letGo := sent(Production, "update", nobody, 200)
	for name, c := range map[string]struct {
		lines []string // then production writes to the site
		want  string
	}{
		"never taken":                    {nil, "without the lease"},
		"taken":                          {[]string{taken}, ""},
		"taken, and the answer was lost": {[]string{sent(Production, "create", goLive, 500)}, ""},
		"refused":                        {[]string{sent(Production, "create", goLive, 409)}, "without the lease"},
		"let go":                         {[]string{taken, letGo}, "without the lease"},
		"let go, with no holder at all":  {[]string{taken, sent(Production, "update", `{"spec":{}}`, 200)}, "without the lease"},
		"let go, and the answer was lost": {
			[]string{taken, sent(Production, "update", nobody, 504)}, "without the lease"},
		"let go, refused, as it had changed": {[]string{taken, sent(Production, "update", nobody, 409)}, ""},
		"let go and taken again":             {[]string{taken, letGo, sent(Production, "update", goLive, 200)}, ""},
		"given to the rollback":              {[]string{taken, sent(Production, "update", rollback, 200)}, ""},
		"taken over by the watchdog": {
			[]string{taken, sent(dog, "update", `{"spec":{"holderIdentity":"watchdog"}}`, 200)}, "without the lease"},
		"taken over and let go by the watchdog": {[]string{taken, sent(dog, "update", nobody, 200)}, "without the lease"},
		"taken back from the watchdog": {
			[]string{taken, sent(dog, "update", nobody, 200), sent(Production, "update", goLive, 200)}, ""},
		"deleted by a person":                   {[]string{taken, line("admin", "delete", "leases", "gradus-campus", 200)}, "without the lease"},
		"labelled by a person":                  {[]string{taken, sent("admin", "patch", `{"metadata":{"labels":{"a":"b"}}}`, 200)}, ""},
		"labelled by a person, with operations": {[]string{taken, sent("admin", "patch", `[{"op":"add"}]`, 200)}, ""},
		"a log that does not say": {
			[]string{line(Production, "create", "leases", "gradus-campus", 201), line(Production, "update", "leases", "gradus-campus", 200)},
			"does not say who holds the lease"},
	} {
		t.Run(name, func(t *testing.T) {
			got := objections(t, append(c.lines, write)...)
			if !strings.Contains(got, c.want) || c.want == "" && got != "" || strings.Contains(got, ";") {
				t.Errorf("want %q once, got %q", c.want, got)
			}
		})
	}
}
