// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

// Engine names the kind of a database server.
type Engine string

// PostgreSQL is the one that the agent knows.
const PostgreSQL Engine = "postgresql"

// Database says how to reach one database. User and password are files of a
// mounted Secret, so that they are never part of a pod's specification.
type Database struct {
	Engine Engine `json:"engine,omitempty"` // default postgresql
	// Host is a DNS name, or a directory with the server's socket.
	Host string `json:"host,omitempty"`
	Port int    `json:"port,omitempty"`
	// HostFile, PortFile and NameFile read the value from mounted files where a site keeps it there.
	HostFile string `json:"hostFile,omitempty"`
	PortFile string `json:"portFile,omitempty"`
	NameFile string `json:"nameFile,omitempty"`
	Name     string `json:"name,omitempty"`
	// CredentialsDir has the files username and password, unless UserFile and PasswordFile name others.
	CredentialsDir string `json:"credentialsDir,omitempty"`
	UserFile       string `json:"userFile,omitempty"`
	PasswordFile   string `json:"passwordFile,omitempty"`
	// User is used when no file gives one (a server that we started ourselves).
	User string `json:"user,omitempty"`
	// TLS is a libpq sslmode: disable, prefer (default), require, verify-ca or verify-full.
	TLS    string `json:"tls,omitempty"`
	CAFile string `json:"caFile,omitempty"`
	// Schema is prepended to the search path when it is not "public".
	Schema string `json:"schema,omitempty"`
}

// Version reads the version in up to three places and compares what it read.
type Version struct {
	Disk *Command `json:"disk,omitempty"` // its capture "version" is the value
	// DiskFile is read instead of running code of the LMS; DiskMatch's first group is the value.
	DiskFile  string    `json:"diskFile,omitempty"`
	DiskMatch string    `json:"diskMatch,omitempty"`
	Database  *Database `json:"database,omitempty"`
	SQL       string    `json:"sql,omitempty"` // gives one value
	HTTP      *Request  `json:"http,omitempty"`
	BaseURL   string    `json:"baseURL,omitempty"`
	// HTTPMatch's first group is the value.
	HTTPMatch string `json:"httpMatch,omitempty"`
	// Normalise is an expression whose first group is compared ("4.5.6 (Build: 1)" is 4.5.6); empty compares all.
	Normalise string `json:"normalise,omitempty"`
	// Want is the version that every place must have; empty means that they must only agree.
	Want string `json:"want,omitempty"`
	// MayDiffer makes disagreement a warning (a site under preparation has new code and an old database).
	MayDiffer bool `json:"mayDiffer,omitempty"`
}

// Plugin is a component as seen in one place.
type Plugin struct {
	Name    string `json:"name"`
	Version string `json:"version"`
	Release string `json:"release,omitempty"`
	// Requires is the lowest core version (in the product's own numbering).
	Requires string `json:"requires,omitempty"`
	// Incompatible is the first core branch that the plugin refuses.
	Incompatible string `json:"incompatible,omitempty"`
	// Dependencies are other plugins with the lowest version wanted ("" is any).
	Dependencies map[string]string `json:"dependencies,omitempty"`
	// Source tells who ships it: Core, Site or "" when not known.
	Source string `json:"source,omitempty"`
	// Status is the product's own word (uptodate, upgrade, new, delete); StatusMissing is ours.
	Status string `json:"status,omitempty"`
}

// StatusMissing is a plugin that the database knows and the code lacks.
const StatusMissing = "missing"

// PluginsDocument is the name of the document that the action Plugins writes: a JSON list of Plugin.
const PluginsDocument = "plugins.json"

// Plugins lists components on disk or in the database into a document.
type Plugins struct {
	// Database with SQL giving name and version.
	Database *Database `json:"database,omitempty"`
	SQL      string    `json:"sql,omitempty"`
	// Command whose lines Line matches, with named groups name, version, requires, incompatible, release, source.
	Command *Command `json:"command,omitempty"`
	Line    string   `json:"line,omitempty"`
	// JSON reads the command's output as a list of objects: field of Plugin to key ("name": "component").
	JSON map[string]string `json:"json,omitempty"`
	// Tree is searched for files named File; Fields has an expression per field of Plugin.
	Tree   string            `json:"tree,omitempty"`
	File   string            `json:"file,omitempty"`
	Fields map[string]string `json:"fields,omitempty"`
	// Ignore are paths below Tree to leave out.
	Ignore []string `json:"ignore,omitempty"`
	// CoreFile is a JSON file below Tree with the product's own plugins at CoreKey: {"mod": ["quiz", …]}.
	CoreFile string `json:"coreFile,omitempty"`
	CoreKey  string `json:"coreKey,omitempty"`
	// Require names plugins that must be there.
	Require []string `json:"require,omitempty"`
}

// Query runs one read-only statement; its rows become a document, its first row facts.
type Query struct {
	Database Database `json:"database"`
	SQL      string   `json:"sql"`
	// MaxRows bounds the document; 0 means 10000.
	MaxRows int `json:"maxRows,omitempty"`
	// Expect compares columns of the first row; "" expects no value or no row.
	Expect map[string]string `json:"expect,omitempty"`
}

// Execute runs statements in one transaction. For copies that Gradus made
// (neutralise, rewrite URLs); a builder for production must not use it.
type Execute struct {
	Database   Database    `json:"database"`
	Statements []Statement `json:"statements"`
}

// Statement is SQL with typed arguments, never text put together.
type Statement struct {
	SQL  string   `json:"sql"`
	Args []string `json:"args,omitempty"`
	// IfTable skips the statement where the table is not there (products differ by release).
	IfTable string `json:"ifTable,omitempty"`
}

// Count gathers the figures that prove two databases the same.
type Count struct {
	Database Database `json:"database"`
	// Queries give one value each.
	Queries map[string]string `json:"queries,omitempty"`
	// Tables counts the rows of all tables into a document.
	Tables bool `json:"tables,omitempty"`
	// Sequences checks that no sequence is behind its column.
	Sequences bool `json:"sequences,omitempty"`
	// Expect has the figures of the other database, by query.
	Expect map[string]string `json:"expect,omitempty"`
	// NotMore has figures that may shrink but not grow (orphans).
	NotMore map[string]string `json:"notMore,omitempty"`
	// ExpectTables has row counts by table; IgnoreTables (name or trailing *) may differ.
	ExpectTables map[string]int64 `json:"expectTables,omitempty"`
	IgnoreTables []string         `json:"ignoreTables,omitempty"`
	// ManifestFile takes Expect and ExpectTables from a dump's manifest.
	ManifestFile string `json:"manifestFile,omitempty"`
}

// Sessions counts the other sessions of a database.
type Sessions struct {
	Database Database `json:"database"`
	// Max is how many may be left; the action waits for it until its deadline.
	Max int `json:"max,omitempty"`
}
