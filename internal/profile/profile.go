// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package profile is what Gradus knows of one LMS product, as data. Adding a
// product is adding a YAML file; nothing here knows one by name. It is pure.
package profile

import "github.com/gradus-lms/gradus/internal/task"

// Profile is one product.
type Profile struct {
	// Format is "gradus-profile/1".
	Format string `json:"format"`
	Name   string `json:"name"`
	Title  string `json:"title"`
	// Versions say how the product counts.
	Versions Versions `json:"versions"`
	// Releases, oldest first.
	Releases []Release `json:"releases,omitempty"`
	// Avoid are versions with a known defect.
	Avoid []Avoid `json:"avoid,omitempty"`
	// TablePrefix is the usual one, {{prefix}} in SQL.
	TablePrefix string `json:"tablePrefix,omitempty"`
	// Plugins say what the fields of a plugin mean.
	Plugins PluginRules `json:"plugins,omitempty"`
	// Truth is where the version and the state of an upgrade are really recorded.
	Truth Truth `json:"truth"`
	// Paths below the data root.
	Paths Paths `json:"paths"`
	// Overrides are how a copy is told its own database, address and mail sink.
	Overrides Overrides `json:"overrides"`
	// Verbs are what can be done with the product.
	Verbs map[VerbName]Verb `json:"verbs"`
	// Integrity has what must be equal before and after.
	Integrity Integrity `json:"integrity"`
	// Smoke are the checks over HTTP; {user} and {password} are of the account for tests.
	Smoke []task.Request `json:"smoke,omitempty"`
	// Tasks are what an upgrade leaves to do in the background.
	Tasks Tasks `json:"tasks"`
	// Resume says whether a killed upgrade may be run again.
	Resume Resume `json:"resume"`
	// Failures is the catalogue of known failures, most telling first.
	Failures []task.Known `json:"failures,omitempty"`

	digest string
}

// Versions say how the product counts.
type Versions struct {
	// Normalise is an expression whose first group is the version people say ("4.5.6").
	Normalise string `json:"normalise,omitempty"`
	// PointInBuild: a point release adds its number to the build (Moodle: 4.5.6 is 2024100706).
	PointInBuild bool `json:"pointInBuild,omitempty"`
}

// Release is one line of the product's upgrade table.
type Release struct {
	Version string `json:"version"`
	// Build and Branch are the product's own numbers, to which plugins refer.
	Build  string `json:"build,omitempty"`
	Branch string `json:"branch,omitempty"`
	// Requires is the lowest version from which it can be reached; "" is none (first release).
	Requires string `json:"requires,omitempty"`
	// Runtime that it needs (PHP): at least Min, below Below.
	Runtime *Runtime `json:"runtime,omitempty"`
	// Database has the lowest version per engine.
	Database map[string]string `json:"database,omitempty"`
	// SupportEnd and SecurityEnd are dates (2006-01-02 or 2006-01).
	SupportEnd  string `json:"supportEnd,omitempty"`
	SecurityEnd string `json:"securityEnd,omitempty"`
	// Removes are plugins that left the product; upgrades drop their tables.
	Removes []Removed `json:"removes,omitempty"`
	// WebRoot is the directory below the code root that is served.
	WebRoot string `json:"webRoot,omitempty"`
	// Containers have the environment that other containers of the pod need from this release on.
	Containers map[string]map[string]string `json:"containers,omitempty"`
	// Notes are sentences for the plan.
	Notes []string `json:"notes,omitempty"`
}

// Runtime is a range of versions.
type Runtime struct {
	Name  string `json:"name"`
	Min   string `json:"min,omitempty"`
	Below string `json:"below,omitempty"`
}

// Removed is a plugin that a release took out of the product.
type Removed struct {
	Plugin string   `json:"plugin"`
	Tables []string `json:"tables,omitempty"`
	Note   string   `json:"note,omitempty"`
}

// Avoid is a version with a defect.
type Avoid struct {
	Version string `json:"version"`
	Why     string `json:"why"`
}

// Kinds of numbers in the fields of a plugin.
const (
	ByRelease = "Release"
	ByBuild   = "Build"
	ByBranch  = "Branch"
)

// PluginRules say what requires and incompatible refer to.
type PluginRules struct {
	Requires     string `json:"requires,omitempty"`
	Incompatible string `json:"incompatible,omitempty"`
}

// Truth has the statements; {{prefix}} is the table prefix.
type Truth struct {
	Version string `json:"version,omitempty"` // gives the version as people say it
	Build   string `json:"build,omitempty"`
	// Lock gives the epoch until which an upgrade holds the lock, or no row.
	Lock string `json:"lock,omitempty"`
	// Upgrades gives the steps of upgrades: at, component, step, kind.
	Upgrades string `json:"upgrades,omitempty"`
	// Plugins gives name and version.
	Plugins string `json:"plugins,omitempty"`
	// Disk, when the version can be read without running code.
	DiskFile  string `json:"diskFile,omitempty"`
	DiskMatch string `json:"diskMatch,omitempty"`
	// HTTP, when it can be read over HTTP.
	HTTP      *task.Request `json:"http,omitempty"`
	HTTPMatch string        `json:"httpMatch,omitempty"`
	// Blobs gives hash and size of each file that must be there.
	Blobs string `json:"blobs,omitempty"`
	// Users gives the number of people, Tasks the number of background tasks that must run before opening.
	Users string `json:"users,omitempty"`
	Tasks string `json:"tasks,omitempty"`
}

// Paths sort what lies below the data root.
type Paths struct {
	DataRoot   string       `json:"dataRoot,omitempty"`
	AppendOnly []AppendOnly `json:"appendOnly,omitempty"`
	Small      []string     `json:"small,omitempty"`
	State      []string     `json:"state,omitempty"`
	Skip       []string     `json:"skip,omitempty"`
	// CodeRoot is where the code lies in the image.
	CodeRoot string `json:"codeRoot,omitempty"`
}

// AppendOnly is a tree whose files never change.
type AppendOnly struct {
	Path      string         `json:"path"`
	Algorithm task.Algorithm `json:"algorithm"`
}

// Overrides are environment variables of the product's container, or keys of
// its configuration file, by which a copy gets its own surroundings.
type Overrides struct {
	DatabaseHost     string `json:"databaseHost,omitempty"`
	DatabasePort     string `json:"databasePort,omitempty"`
	DatabaseName     string `json:"databaseName,omitempty"`
	DatabaseUser     string `json:"databaseUser,omitempty"`
	DatabasePassword string `json:"databasePassword,omitempty"`
	BaseURL          string `json:"baseURL,omitempty"`
	MailHost         string `json:"mailHost,omitempty"`
	// Fixed are variables that every copy gets.
	Fixed map[string]string `json:"fixed,omitempty"`
	// Config has the same for products that read a file only.
	Config *ConfigOverrides `json:"config,omitempty"`
	// None says why there are none.
	None string `json:"none,omitempty"`
}

// ConfigOverrides name keys of a configuration file.
type ConfigOverrides struct {
	File             string            `json:"file"`
	DatabaseHost     string            `json:"databaseHost,omitempty"`
	DatabaseName     string            `json:"databaseName,omitempty"`
	DatabaseUser     string            `json:"databaseUser,omitempty"`
	DatabasePassword string            `json:"databasePassword,omitempty"`
	BaseURL          string            `json:"baseURL,omitempty"`
	MailHost         string            `json:"mailHost,omitempty"`
	Fixed            map[string]string `json:"fixed,omitempty"`
	// Repoint are keys that lead to shared services: with one of them unset in a copy, it would reach production's.
	Repoint []string `json:"repoint,omitempty"`
}

// Integrity has queries that give one row.
type Integrity struct {
	// Equal must not change; Orphans must not grow.
	Equal   map[string]string `json:"equal,omitempty"`
	Orphans map[string]string `json:"orphans,omitempty"`
	// MayChange are tables (without prefix, * at the end allowed) whose rows an upgrade changes.
	MayChange []string `json:"mayChange,omitempty"`
}

// Tasks in the background.
type Tasks struct {
	Required   []string `json:"required,omitempty"`
	Afterwards []string `json:"afterwards,omitempty"`
	// Pattern: any class that it matches is required.
	Pattern string `json:"pattern,omitempty"`
}

// Resume says what may be done when an upgrade was killed.
type Resume struct {
	// Resumes: the same command goes on after the last savepoint.
	Resumes bool `json:"resumes"`
	// Session is the application name of the upgrade's database session: a dead client's statement may go on.
	Session string `json:"session,omitempty"`
	// StaleLock are statements that remove a lock nobody holds, and paths below the data root to clear after.
	StaleLock  []task.Statement `json:"staleLock,omitempty"`
	ClearPaths []string         `json:"clearPaths,omitempty"`
	Note       string           `json:"note,omitempty"`
}
