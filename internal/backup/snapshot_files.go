// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

// snapshotFiles comes after every instant of the database: a file that a copy
// of the database names was written before the copy of the files was taken.
var snapshotFiles = snapshotStep("SnapshotFiles", []string{"Dump", "SnapshotDatabase"},
	func(v View) []place { return v.filePlaces(isSnapshot) })
