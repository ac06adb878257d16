// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package order

import (
	"fmt"
	"time"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Window reads both ends of a window, which no freeze of the Site may touch.
func Window(w v1alpha1.Window, site *v1alpha1.Site, zone *time.Location) (opens, closes time.Time, err error) {
	if opens, err = Instant(w.Opens, zone); err != nil {
		return opens, closes, fmt.Errorf("spec.rollout.window.opens: %w", err)
	}
	if closes, err = Instant(w.Closes, zone); err != nil {
		return opens, closes, fmt.Errorf("spec.rollout.window.closes: %w", err)
	}
	if name := frozen(site.Spec.Calendar, opens, closes); name != "" {
		err = fmt.Errorf("spec.rollout.window lies in the freeze %q of Site %s; choose another window", name, site.Name)
	}
	return opens, closes, err
}

// Instant reads a wall-clock time of a zone. A time that the zone skips or has
// twice is refused: nobody should have to guess.
func Instant(local string, zone *time.Location) (time.Time, error) {
	const layout = "2006-01-02T15:04"
	t, err := time.ParseInLocation(layout, local, zone)
	if err != nil {
		return t, fmt.Errorf("%q is not a time such as 2026-12-19T20:00", local)
	}
	if t.Format(layout) != local {
		return t, fmt.Errorf("%s does not exist in %s: clocks are set forward then", local, zone)
	}
	// Clocks are set back by an hour nearly everywhere; Lord Howe Island takes half of one.
	for _, back := range []time.Duration{time.Hour, -time.Hour, 30 * time.Minute, -30 * time.Minute} {
		if t.Add(back).Format(layout) == local {
			return t, fmt.Errorf("%s exists twice in %s: clocks are set back then; choose another time", local, zone)
		}
	}
	return t, nil
}

// frozen names the freeze that a span of time touches; "" when none does.
func frozen(calendar v1alpha1.Calendar, opens, closes time.Time) string {
	first, last := opens.Format(time.DateOnly), closes.Format(time.DateOnly)
	for _, f := range calendar.Freezes {
		if first <= f.To && last >= f.From {
			return f.Name
		}
	}
	return ""
}
