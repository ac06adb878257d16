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
	on(&a.Query, func(k *Query) *Database { return &k.Database }, change)
	on(&a.Count, func(k *Count) *Database { return &k.Database }, change)
	on(&a.Sessions, func(k *Sessions) *Database { return &k.Database }, change)
	on(&a.Dump, func(k *Dump) *Database { return &k.Database }, change)
}

// writers are the kinds that change a database.
func (a *Action) writers(change func(*Database)) {
	on(&a.Execute, func(k *Execute) *Database { return &k.Database }, change)
	on(&a.Restore, func(k *Restore) *Database { return &k.Database }, change)
	on(&a.Rename, func(k *Rename) *Database { return &k.Database }, change)
	on(&a.RotatePassword, func(k *RotatePassword) *Database { return &k.Database }, change)
}

// on changes the database of an action of one kind, if it is of that kind. The
// kind is copied: other actions may share it.
func on[T any](kind **T, database func(*T) *Database, change func(*Database)) {
	if *kind == nil {
		return
	}
	c := **kind
	change(database(&c))
	*kind = &c
}
