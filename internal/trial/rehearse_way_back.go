// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package trial

import "github.com/gradus-lms/gradus/internal/pipeline"

// rehearseWayBack has its place in the order of a trial. It says that nothing
// was rehearsed rather than let anybody believe it: the time of the way back
// is not known from a trial.
var rehearseWayBack = pipeline.Step[View]{
	Name: "RehearseWayBack",
	Judge: func(View, pipeline.At, pipeline.Seen) pipeline.Verdict {
		return pipeline.Skip("NotRehearsed", "this version of Gradus does not rehearse the way back; "+
			"the backup's own restore was measured and compared")
	},
}
