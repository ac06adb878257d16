// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

// snapshotDatabase takes the server's volume as it is: the server recovers from
// it as after a power cut.
var snapshotDatabase = snapshotStep("SnapshotDatabase", nil,
	func(v View) []place { return v.databasePlaces(isSnapshot) })
