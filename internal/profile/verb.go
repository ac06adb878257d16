// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import "github.com/gradus-lms/gradus/internal/task"

// VerbName is one of a closed list.
type VerbName string

// Verbs. A profile says for each how it is done, or why not.
const (
	VersionVerb       VerbName = "version"
	InventoryVerb     VerbName = "inventory"
	PreflightVerb     VerbName = "preflight"
	PendingVerb       VerbName = "pending"
	QuiesceVerb       VerbName = "quiesce"
	HoldDeletionsVerb VerbName = "holdDeletions"
	MaintenanceVerb   VerbName = "maintenance"
	UpgradeVerb       VerbName = "upgrade"
	DrainVerb         VerbName = "drain"
	AfterwardsVerb    VerbName = "afterwards"
	CheckVerb         VerbName = "check"
	SettingsVerb      VerbName = "settings"
	SetSettingVerb    VerbName = "setSetting"
	CachesVerb        VerbName = "caches"
	NeutraliseVerb    VerbName = "neutralise"
	AssertNeutralVerb VerbName = "assertNeutral"
	AnonymiseVerb     VerbName = "anonymise"
	DumpVerb          VerbName = "dump"
	RestoreVerb       VerbName = "restore"
	RewriteURLVerb    VerbName = "rewriteURL"
	StatisticsVerb    VerbName = "statistics"
)

// Verbs in the order in which a plan meets them.
var verbs = []VerbName{VersionVerb, InventoryVerb, PreflightVerb, PendingVerb, QuiesceVerb, HoldDeletionsVerb,
	MaintenanceVerb, UpgradeVerb, DrainVerb, AfterwardsVerb, CheckVerb, SettingsVerb, SetSettingVerb, CachesVerb,
	NeutraliseVerb, AssertNeutralVerb, AnonymiseVerb, DumpVerb, RestoreVerb, RewriteURLVerb, StatisticsVerb}

// Image is whose image a Job needs.
type Image string

// Images.
const (
	CurrentImage  Image = "Current"  // the LMS as it is
	TargetImage   Image = "Target"   // the LMS as it will be after this hop
	DatabaseImage Image = "Database" // the server's, with its tools
	AgentImage    Image = "Agent"    // ours
)

// Verb is how one thing is done. In texts {{name}} is put in from a closed
// list, each within its own element of an argument array.
type Verb struct {
	Image   Image         `json:"image,omitempty"`
	Actions []task.Action `json:"actions,omitempty"`
	// Undo puts back what the verb changed.
	Undo []task.Action `json:"undo,omitempty"`
	// Builtin: the agent does it itself, by the engine of the database.
	Builtin bool `json:"builtin,omitempty"`
	// None says why the product has no such verb.
	None string `json:"none,omitempty"`
}

// placeholders is the closed list.
var placeholders = map[string]bool{"url": true, "fromURL": true, "host": true, "mailSink": true, "keep": true,
	"setting": true, "value": true, "target": true, "prefix": true, "dataRoot": true, "codeRoot": true, "webRoot": true}
