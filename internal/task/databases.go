// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

// WithDatabases gives a copy of the action in which change was applied to
// every database that it names, also in nested actions.
func (a Action) WithDatabases(change func(*Database)) Action {
	a.readers(change)
	a.writers(change)
	if a.Recover != nil {
		c := *a.Recover
		c.Actions = make([]Action, len(a.Recover.Actions))
		for i, n := range a.Recover.Actions {
			c.Actions[i] = n.WithDatabases(change)
		}
		a.Recover = &c
	}
	return a
}

// readers are the kinds that only read.
func (a *Action) readers(change func(*Database)) {
	if a.Version != nil && a.Version.Database != nil {
		c, d := *a.Version, *a.Version.Database
		change(&d)
		c.Database = &d
		a.Version = &c
	}
	if a.Plugins != nil && a.Plugins.Database != nil {
		c, d := *a.Plugins, *a.Plugins.Database
		change(&d)
		c.Database = &d
		a.Plugins = &c
	}
	if a.HashTree != nil && a.HashTree.Referenced != nil {
		c, ref := *a.HashTree, *a.HashTree.Referenced
		change(&ref.Database)
		c.Referenced = &ref
		a.HashTree = &c
	}
	if a.Query != nil {
		c := *a.Query
		change(&c.Database)
		a.Query = &c
	}
	if a.Count != nil {
		c := *a.Count
		change(&c.Database)
		a.Count = &c
	}
	if a.Sessions != nil {
		c := *a.Sessions
		change(&c.Database)
		a.Sessions = &c
	}
	if a.Dump != nil {
		c := *a.Dump
		change(&c.Database)
		a.Dump = &c
	}
}

// writers are the kinds that change a database.
func (a *Action) writers(change func(*Database)) {
	if a.Execute != nil {
		c := *a.Execute
		change(&c.Database)
		a.Execute = &c
	}
	if a.Restore != nil {
		c := *a.Restore
		change(&c.Database)
		a.Restore = &c
	}
	if a.Rename != nil {
		c := *a.Rename
		change(&c.Database)
		a.Rename = &c
	}
	if a.RotatePassword != nil {
		c := *a.RotatePassword
		change(&c.Database)
		a.RotatePassword = &c
	}
}
