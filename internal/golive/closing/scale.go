// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package closing

import (
	"fmt"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/production"
)

// ScaleID is the id of the change that gives a workload more pods.
func ScaleID(workload string) string { return "scale-" + workload }

// scaled gives the changes that a run leaves standing when it lets go: more
// pods, until support ends.
func (s *Scene) scaled() []v1alpha1.Change { return v1alpha1.Standing(*s.Owner.Journal()) }

// ScaleBack takes the extra pods away again, exactly: where somebody else has
// written another number since, that number stays.
func ScaleBack[V Stage]() pipeline.Step[V] {
	return pipeline.Step[V]{
		Name: "ScaleBack",
		Change: func(v V, _ pipeline.At) []v1alpha1.Change {
			return production.Back(v.Stage().scaled())
		},
		Judge: func(v V, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
			s := v.Stage()
			switch {
			case !seen.Changed:
				return pipeline.Wait("ScalingBack", "the extra pods go").By(seen.Now.Add(time.Second))
			case seen.Foreign != nil:
				return pipeline.Pass("%s of %s %s is left as %s wrote it",
					seen.Foreign.Field, seen.Foreign.Target.Kind, seen.Foreign.Target.Name, seen.Foreign.Foreign)
			}
			if back := s.scaledBack(); len(back) > 0 {
				return pipeline.Pass("as it was: %s", strings.Join(back, ", "))
			}
			return pipeline.Skip("NothingScaled", "nothing was scaled up")
		},
	}
}

// scaledBack tells in words what was put back.
func (s *Scene) scaledBack() []string {
	var out []string
	for _, c := range *s.Owner.Journal() {
		if c.Undo == v1alpha1.UndoAlways && c.State == v1alpha1.ChangeUndone && c.Before != nil {
			out = append(out, fmt.Sprintf("%s of %s %s is %s", c.Field, c.Target.Kind, c.Target.Name, c.Before.Raw))
		}
	}
	return out
}
