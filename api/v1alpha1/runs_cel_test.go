// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"testing"
)

const (
	digest     = "sha256:0123456789abcdef0123456789abcdef0123456789abcdef0123456789abcdef"
	backupYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: SiteBackup
metadata: {name: campus-1}
spec: {siteRef: {name: campus}, locations: [vault]}
`
	trialYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: TrialUpgrade
metadata: {name: campus-1}
spec:
  siteRef: {name: campus}
  backupRef: {name: campus-1}
  keepOnFailure: 1h
  upgrade:
    from: "1.9"
    hops: [{from: "1.9", to: "2.0"}]
    releases: [{version: "2.0", image: x}]
`
	environmentYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: StagingEnvironment
metadata: {name: campus-1}
spec: {siteRef: {name: campus}, backupRef: {name: campus-1}, purpose: Staging, expires: "2027-01-18T00:00:00Z"}
`
	goLiveYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: GoLive
metadata: {name: campus-1}
spec:
  siteRef: {name: campus}
  planRef: {name: campus-2-0}
  digest: ` + digest + `
  backupRef: {name: campus-1}
  upgrade:
    from: "1.9"
    hops: [{from: "1.9", to: "2.0"}]
    releases: [{version: "2.0", image: x}]
`
	rollbackYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: Rollback
metadata: {name: campus-back}
spec: {siteRef: {name: campus}, to: {goLiveRef: {name: campus-1}}, files: KeepInPlace, maxDataLoss: {rows: 0}}
`
	approvalYAML = `
apiVersion: lms.gradus.dev/v1alpha1
kind: UpgradeApproval
metadata: {name: by-anna}
spec: {planRef: {name: campus-2-0}, gate: GoLive, decision: Approve, comment: "Board, item 4", digest: "` + digest + `"}
`
)

func TestRuns(t *testing.T) {
	hops := `hops: [{from: "1.9", to: "2.0"}]`
	documents{
		"a backup":                                 {text: backupYAML},
		"a backup of every location":               {text: with(backupYAML, ", locations: [vault]", "")},
		"a location twice":                         {with(backupYAML, "[vault]", "[vault, vault]"), "Duplicate value"},
		"a backup of no site":                      {with(backupYAML, "siteRef: {name: campus}, ", ""), "spec.siteRef: Required value"},
		"a trial":                                  {text: trialYAML},
		"a trial of no backup":                     {with(trialYAML, "  backupRef: {name: campus-1}\n", ""), "spec.backupRef: Required value"},
		"a trial without hops":                     {with(trialYAML, hops, "hops: []"), "should have at least 1 items"},
		"a trial kept for no time that is one":     {with(trialYAML, "keepOnFailure: 1h", "keepOnFailure: {}"), "keepOnFailure"},
		"a trial with a release of neither":        {with(trialYAML, ", image: x", ""), "give either image"},
		"an environment":                           {text: environmentYAML},
		"an environment for training":              {text: with(environmentYAML, "Staging,", "Training,")},
		"an environment of an unknown purpose":     {with(environmentYAML, "Staging,", "Fun,"), `supported values: "Staging", "Training", "Trial", "Scratch"`},
		"a scratch environment that is upgraded":   {with(environmentYAML, "purpose: Staging", `purpose: Scratch, upgrade: {from: "1.9", `+hops+`, releases: [{version: "2.0", image: x}]}`), "a Scratch environment is not upgraded"},
		"an environment that expires on no day":    {with(environmentYAML, "2027-01-18T00:00:00Z", "soon"), "expires"},
		"a go-live":                                {text: goLiveYAML},
		"a go-live on no digest":                   {with(goLiveYAML, "sha256:", "md5:"), "should match"},
		"a go-live of an unknown strategy":         {goLiveYAML + "  strategy: BlueGreen", `supported values: "InPlace"`},
		"a go-live with an unknown answer":         {goLiveYAML + "  onFailure: Panic", `supported values: "RollBack", "Hold"`},
		"a go-live with an unknown look":           {goLiveYAML + "  look: Peek", `supported values: "Skip", "Approve"`},
		"a rollback":                               {text: rollbackYAML},
		"a rollback to a backup":                   {text: with(rollbackYAML, "goLiveRef", "backupRef")},
		"a rollback to two states":                 {with(rollbackYAML, "goLiveRef: {name: campus-1}", "goLiveRef: {name: campus-1}, backupRef: {name: b}"), "give either goLiveRef (the state it saved) or backupRef"},
		"a rollback to nowhere":                    {with(rollbackYAML, "goLiveRef: {name: campus-1}", ""), "give either goLiveRef"},
		"a rollback with an unknown way for files": {with(rollbackYAML, "KeepInPlace", "Burn"), `supported values: "KeepInPlace", "Restore"`},
		"a rollback that gains rows":               {with(rollbackYAML, "rows: 0", "rows: -1"), "should be greater than or equal to 0"},
		"an approval":                              {text: approvalYAML},
		"a rejection":                              {text: with(approvalYAML, "Approve", "Reject")},
		"an unknown decision":                      {with(approvalYAML, "Approve", "Perhaps"), `supported values: "Approve", "Reject", "Override"`},
		"an approval of no digest":                 {with(approvalYAML, digest, "4be1a07c"), "should match"},
		"an approval of a gate that is none":       {with(approvalYAML, "GoLive", "go-live"), "should match"},
		"an approval of a plan and a rollback":     {with(approvalYAML, "planRef: {name: campus-2-0}", "planRef: {name: a}, rollbackRef: {name: b}"), "give either planRef or rollbackRef"},
		"an approval of nothing":                   {with(approvalYAML, "planRef: {name: campus-2-0}, ", ""), "give either planRef or rollbackRef"},
		"the price of a rollback":                  {text: with(approvalYAML, "planRef: {name: campus-2-0}, gate: GoLive", "rollbackRef: {name: b}, gate: DataLoss")},
		"the price of a plan":                      {with(approvalYAML, "GoLive", "DataLoss"), "gate DataLoss belongs to a rollback (rollbackRef), every other gate to a plan (planRef)"},
		"another gate of a rollback":               {with(approvalYAML, "planRef: {name: campus-2-0}", "rollbackRef: {name: b}"), "gate DataLoss belongs to a rollback"},
		"an override with a reason":                {text: with(approvalYAML, "Approve", "Override", "Board, item 4", "The board decided on the phone")},
		"an override with a word":                  {with(approvalYAML, "Approve", "Override"), "decision Override needs a comment of at least 20 characters"},
		"an override without a word":               {with(approvalYAML, "Approve", "Override", `comment: "Board, item 4", `, ""), "decision Override needs a comment"},
	}.run(t)
}

func TestRunsDoNotChange(t *testing.T) {
	for kind, row := range map[string]struct{ text, patch, refused string }{
		"SiteBackup":      {backupYAML, `{"spec":{"locations":null}}`, "spec is immutable; create a new SiteBackup"},
		"TrialUpgrade":    {trialYAML, `{"spec":{"backupRef":{"name":"other"}}}`, "spec is immutable; create a new TrialUpgrade"},
		"GoLive":          {goLiveYAML, `{"spec":{"onFailure":"Hold"}}`, "spec is immutable; a plan makes a new GoLive for a new attempt"},
		"Rollback":        {rollbackYAML, `{"spec":{"maxDataLoss":{"rows":9}}}`, "spec is immutable; create a new Rollback"},
		"UpgradeApproval": {approvalYAML, `{"spec":{"comment":"other"}}`, "an approval cannot be changed; delete it and decide again"},
	} {
		changes{
			kind + ": its spec":  {row.patch, row.refused},
			kind + ": its label": {patch: `{"metadata":{"labels":{"team":"a"}}}`},
		}.run(t, row.text)
	}
	only := "only expires can change; create a new StagingEnvironment"
	changes{
		"StagingEnvironment: its expiry":  {patch: `{"spec":{"expires":"2027-02-18T00:00:00Z"}}`},
		"StagingEnvironment: no expiry":   {patch: `{"spec":{"expires":null}}`},
		"StagingEnvironment: its purpose": {`{"spec":{"purpose":"Training"}}`, only},
		"StagingEnvironment: its backup":  {`{"spec":{"backupRef":{"name":"other"}}}`, only},
		"StagingEnvironment: an upgrade": {
			`{"spec":{"upgrade":{"from":"1","hops":[{"from":"1","to":"2"}],"releases":[{"version":"2","image":"x"}]}}}`, only,
		},
	}.run(t, environmentYAML)
}
