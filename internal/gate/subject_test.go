// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"fmt"
	"os"
	"reflect"
	"strings"
	"testing"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// field says whether an approval binds to a field of a spec, and why not.
type field struct{ path, because string }

func (f field) bound() bool { return f.because == "" }

// Every field of a spec is below one line of its table. docs/spec/gate.md has the same.
var planFields = []field{
	{"spec.siteRef", ""},
	{"spec.target", ""},
	{"spec.stakeholders", "who is told changes nothing that is done"},
	{"spec.changeControl", ""},
	{"spec.requirements", ""},
	{"spec.upgrade", ""},
	{"spec.rollout", ""},
	{"spec.backup", ""},
	{"spec.trial.maxAgeDays", ""},
	{"spec.trial.keepOnFailure", "it says how long a failed copy is looked at"},
	{"spec.staging", "it says how long a copy stands"},
	{"spec.infrastructure", ""},
	{"spec.goLive", ""},
	{"spec.support", "it says how long the site is watched, read-only, afterwards"},
}

var siteFields = []field{
	{"spec.displayName", "a name for people"},
	{"spec.profile", ""},
	{"spec.url", ""},
	{"spec.timeZone", ""},
	{"spec.workloads", ""},
	{"spec.config", ""},
	{"spec.traffic", ""},
	{"spec.database", ""},
	{"spec.volumes", ""},
	{"spec.copies", ""},
	{"spec.backup", ""},
	{"spec.calendar", "freezes are asked when the gate is used: a new one stops an approved plan"},
	{"spec.probeAccountSecretRef", "an account that can only look, for smoke tests"},
}

// leaf is one settable value deep in a spec.
type leaf struct {
	path  string
	value reflect.Value
}

var durations = reflect.TypeFor[metav1.Duration]()

// fill gives every field below v a value and lists the leaves.
func fill(t *testing.T, path string, v reflect.Value) []leaf {
	t.Helper()
	switch v.Kind() {
	case reflect.Pointer:
		v.Set(reflect.New(v.Type().Elem()))
		return fill(t, path, v.Elem())
	case reflect.Slice:
		v.Set(reflect.MakeSlice(v.Type(), 1, 1))
		return fill(t, path, v.Index(0))
	case reflect.Struct:
		if v.Type() == durations {
			return fill(t, path, v.Field(0))
		}
		var leaves []leaf
		for i := range v.NumField() {
			name, _, _ := strings.Cut(v.Type().Field(i).Tag.Get("json"), ",")
			leaves = append(leaves, fill(t, path+"."+name, v.Field(i))...)
		}
		return leaves
	case reflect.String:
		v.SetString("before")
	case reflect.Int32, reflect.Int64:
		v.SetInt(1)
	default:
		t.Fatalf("%s is of kind %s: this test does not know how to change it", path, v.Kind())
	}
	return []leaf{{path, v}}
}

func lineOf(table []field, path string) (field, bool) {
	for _, f := range table {
		if path == f.path || strings.HasPrefix(path, f.path+".") {
			return f, true
		}
	}
	return field{}, false
}

func TestEveryFieldIsBoundOrSaysWhyNot(t *testing.T) {
	plan, site := &v1alpha1.UpgradePlan{}, &v1alpha1.Site{}
	digestNow := func() string {
		site.Name = plan.Spec.SiteRef.Name // what siteRef names is what is read
		return Subject(v1alpha1.GateGoLive, Facts{Plan: plan, Site: site}).Digest()
	}
	plans := fill(t, "spec", reflect.ValueOf(&plan.Spec).Elem())
	sites := fill(t, "spec", reflect.ValueOf(&site.Spec).Elem())
	for kind, c := range map[string]struct {
		table  []field
		leaves []leaf
	}{"UpgradePlan": {planFields, plans}, "Site": {siteFields, sites}} {
		used := map[string]bool{}
		for _, l := range c.leaves {
			line, ok := lineOf(c.table, l.path)
			if !ok {
				t.Errorf("%s %s is in no line of the table: bind it, or say why not (here and in docs/spec/gate.md)", kind, l.path)
				continue
			}
			used[line.path] = true
			before := digestNow()
			old := reflect.New(l.value.Type()).Elem()
			old.Set(l.value)
			if l.value.Kind() == reflect.String {
				l.value.SetString("after")
			} else {
				l.value.SetInt(2)
			}
			if voids := digestNow() != before; voids != line.bound() {
				t.Errorf("%s %s: a change voids approvals: %v, the table says %v", kind, l.path, voids, line.bound())
			}
			l.value.Set(old)
		}
		for _, f := range c.table {
			if !used[f.path] {
				t.Errorf("%s has no field %s: take it out of the table", kind, f.path)
			}
		}
	}
}

func TestTheDocumentHasTheSameTables(t *testing.T) {
	content, err := os.ReadFile("../../docs/spec/gate.md")
	if err != nil {
		t.Fatal(err)
	}
	rows := 0
	for kind, table := range map[string][]field{"UpgradePlan": planFields, "Site": siteFields} {
		for _, f := range table {
			rows++
			row := fmt.Sprintf("| %s `%s` | yes | |", kind, f.path)
			if !f.bound() {
				row = fmt.Sprintf("| %s `%s` | no | %s |", kind, f.path, f.because)
			}
			if !strings.Contains(string(content), row+"\n") {
				t.Errorf("docs/spec/gate.md lacks the row\n%s", row)
			}
		}
	}
	if got := strings.Count(string(content), "\n| UpgradePlan `") + strings.Count(string(content), "\n| Site `"); got != rows {
		t.Errorf("docs/spec/gate.md has %d rows, want %d", got, rows)
	}
}
