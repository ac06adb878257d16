// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/types"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

// fifteenLines is the plan that must be enough.
const fifteenLines = `
apiVersion: lms.gradus.dev/v1alpha1
kind: UpgradePlan
metadata:
  name: campus-2-0
  namespace: campus
spec:
  siteRef: {name: campus}
  target:
    version: "2.0"
    releases:
    - {version: "1.9", image: "localhost/campus:1.9"}
    - {version: "2.0", image: "localhost/campus:2.0"}
  rollout:
    window: {opens: "2026-12-19T20:00", closes: "2026-12-20T12:00"}
  changeControl: {approvers: [moodle-owners]}
`

func TestUpgradePlan(t *testing.T) {
	plan := func(pairs ...string) string { return with(fifteenLines, pairs...) }
	terms := func(text string) string { return fifteenLines + text }
	gates := func(gate string) string { return plan("approvers: [moodle-owners]", "gates: ["+gate+"]") }
	last := `- {version: "2.0", image: "localhost/campus:2.0"}`
	documents{
		"fifteen lines": {text: fifteenLines},
		"no window: it stops before step 15": {text: plan(`  rollout:
    window: {opens: "2026-12-19T20:00", closes: "2026-12-20T12:00"}
`, "")},
		"images by container": {text: plan(last, `- version: "2.0"
      containers: [{name: app, image: a, env: [{name: DOCUMENT_ROOT, value: /srv/public}]}, {name: static, image: b}]`)},
		"a gate with a quorum":                {text: gates("{name: GoLive, approvals: [{group: a, count: 2}, {group: b}], validDays: 7}")},
		"a gate for automation":               {text: gates("{name: CopyData, automation: Allow, approvals: [{group: a}]}")},
		"support for some days":               {text: terms("  support: {until: {days: 14}}")},
		"support for minutes, in tests":       {text: terms("  support: {until: {duration: 10m}}")},
		"terms of every kind":                 {text: terms("  trial: {keepOnFailure: 48h, maxAgeDays: 21}\n  backup: {maxAge: 24h}\n  staging: {expires: \"2027-01-18\"}\n  upgrade: {hopDeadline: 4h}\n  goLive: {onFailure: Hold}\n  infrastructure: {scale: [{workload: web, replicas: 12}]}\n  requirements: {dropPlugins: [{component: block_x, because: unused}]}\n  stakeholders: {channels: [mail]}")},
		"no release for the target":           {plan(last, `- {version: "1.95", image: x}`), "releases must hold one for the target version"},
		"no release":                          {plan("\n    - {version: \"1.9\", image: \"localhost/campus:1.9\"}\n", "", "    "+last, " []"), "should have at least 1 items"},
		"two releases of one version":         {plan(`version: "1.9"`, `version: "2.0"`), "Duplicate value"},
		"image and containers":                {plan(last, `- {version: "2.0", image: x, containers: [{name: a, image: b}]}`), "give either image (short for the application container of every workload) or containers"},
		"neither image nor containers":        {plan(last, `- {version: "2.0"}`), "give either image"},
		"a version that is none":              {plan(`version: "2.0"`+"\n", "version: latest\n"), "should match"},
		"an environment variable with a dash": {plan(last, `- {version: "2.0", containers: [{name: a, image: b, env: [{name: A-B}]}]}`), "should match"},
		"a window that closes first":          {plan("2026-12-20T12:00", "2026-12-18T12:00"), "opens must be before closes"},
		"a window with an offset":             {plan("2026-12-20T12:00", "2026-12-20T12:00Z"), "window.closes"},
		"a margin below nothing":              {plan("  rollout:\n", "  rollout:\n    marginPercent: -1\n"), "should be greater than or equal to 0"},
		"a margin beyond reason":              {plan("  rollout:\n", "  rollout:\n    marginPercent: 500\n"), "should be less than or equal to 400"},
		"an unknown gate":                     {gates("{name: Purge, approvals: [{group: a}]}"), `supported values: "CopyData", "GoLive", "Open"`},
		"a gate without approvals":            {gates("{name: Open, approvals: []}"), "should have at least 1 items"},
		"a gate asking one group twice":       {gates("{name: Open, approvals: [{group: a}, {group: a}]}"), "Duplicate value"},
		"a quorum of nobody":                  {gates("{name: Open, approvals: [{group: a, count: 0}]}"), "should be greater than or equal to 1"},
		"a gate valid for ever":               {gates("{name: Open, validDays: 1000, approvals: [{group: a}]}"), "should be less than or equal to 365"},
		"an unknown rule for automation":      {gates("{name: Open, automation: Sometimes, approvals: [{group: a}]}"), `supported values: "Refuse", "Allow"`},
		"one approver named twice":            {plan("[moodle-owners]", "[a, a]"), "Duplicate value"},
		"support for days and minutes":        {terms("  support: {until: {days: 14, duration: 10m}}"), "give days or duration, not both"},
		"an unknown answer to a failure":      {terms("  goLive: {onFailure: Panic}"), `supported values: "RollBack", "Hold"`},
		"staging until no day":                {terms("  staging: {expires: Monday}"), "should match"},
		"a trial that never ages":             {terms("  trial: {maxAgeDays: 0}"), "should be greater than or equal to 1"},
		"a plugin dropped without a reason":   {terms("  requirements: {dropPlugins: [{component: block_x}]}"), "because: Required value"},
		"a plugin dropped without a thought":  {terms("  requirements: {dropPlugins: [{component: block_x, because: x}]}"), "should be at least 3 chars long"},
		"a workload scaled to nothing":        {terms("  infrastructure: {scale: [{workload: web, replicas: 0}]}"), "should be greater than or equal to 1"},
		"a name too long for its children":    {plan("name: campus-2-0", "name: "+strings.Repeat("x", 41)), "the name of a plan may have 40 characters at most"},
		"no site":                             {plan("  siteRef: {name: campus}\n", ""), "spec.siteRef: Required value"},
	}.run(t)
}

func TestAPlanThatHasStartedKeepsItsTarget(t *testing.T) {
	frozen := "siteRef and target.version cannot change once the plan has started"
	target := `{"spec":{"target":{"version":"3.0","releases":[{"version":"3.0","image":"x"}]}}}`
	before := store(t, fifteenLines)
	judge(t, cluster.Patch(t.Context(), before.DeepCopy(), merge(target), client.DryRunAll), "")

	judge(t, cluster.Status().Patch(t.Context(), before, merge(`{"status":{"started":"2026-09-20T08:00:00Z"}}`)), "")
	for sentence, row := range map[string]struct{ patch, refused string }{
		"its target":         {target, frozen},
		"its site":           {`{"spec":{"siteRef":{"name":"other"}}}`, frozen},
		"its window":         {`{"spec":{"rollout":{"window":{"closes":"2026-12-20T14:00"}}}}`, ""},
		"its images":         {`{"spec":{"target":{"releases":[{"version":"2.0","image":"localhost/campus:2.0-r2"}]}}}`, ""},
		"its approvers":      {`{"spec":{"changeControl":{"approvers":["a","b"]}}}`, ""},
		"a pause":            {`{"metadata":{"annotations":{"lms.gradus.dev/pause":"true"}}}`, ""},
		"a finalizer":        {`{"metadata":{"finalizers":["lms.gradus.dev/cleanup"]}}`, ""},
		"status beside spec": {`{"status":{"started":null}}`, ""},
	} {
		t.Run(sentence, func(t *testing.T) {
			judge(t, cluster.Patch(t.Context(), before.DeepCopy(), merge(row.patch), client.DryRunAll), row.refused)
		})
	}
	if err := cluster.Get(t.Context(), client.ObjectKeyFromObject(before), before); err != nil {
		t.Fatal(err)
	}
	if started, _, _ := unstructured.NestedString(before.Object, "status", "started"); started == "" {
		t.Fatal("a write to the plan itself must not change its status")
	}
}

func merge(patch string) client.Patch { return client.RawPatch(types.MergePatchType, []byte(patch)) }
