// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import "github.com/gradus-lms/gradus/internal/pipeline"

// Steps of a trial, in order.
var Steps = []pipeline.Step[View]{
	resolve,         // the backup is proven and fits the path
	rehearse,        // every hop for real, on a copy; its verdict is the trial's
	rehearseWayBack, // restore what was upgraded
	tearDown,        // the copy goes, at once or when people have looked at it
	proveGone,       // no namespace, no alias of a snapshot, no environment
}
