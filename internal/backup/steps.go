// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import "github.com/gradus-lms/gradus/internal/pipeline"

// Steps of a backup, in order. The database's instant comes before that of the
// files: an append-only file that the database names is then in every copy,
// without an outage.
var Steps = []pipeline.Step[View]{
	resolve,          // everything exists, and it will be two failure domains
	dump,             // one for each volume location that holds the database; counted at the same instant
	snapshotDatabase, // one for each snapshot location that holds the database
	snapshotFiles,    // one for each volume and snapshot location, after the database's instant
	copyFiles,        // one for each volume and volume location; what was copied is hashed again
	verifyDump,       // restored into a scratch server and compared
	verifySnapshots,  // cloned into a closed namespace, recovered, and every file that the database names is hashed
	removeProof,      // the clone goes, whatever happened
}
