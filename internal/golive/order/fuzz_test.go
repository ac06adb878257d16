// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package order

import (
	"testing"
	"time"
)

// A wall-clock time is one moment, and is read back from it.
func FuzzInstant(f *testing.F) {
	for _, row := range [][2]string{
		{"2026-12-19T20:00", "Europe/Berlin"}, {"2027-03-28T02:30", "Europe/Berlin"}, {"2026-10-25T02:30", "Europe/Berlin"},
		{"2027-04-04T01:45", "Australia/Lord_Howe"}, {"2011-12-30T10:00", "Pacific/Apia"}, {"0000-00-00T00:00", "UTC"},
		{"2027-02-30T10:00", "UTC"}, {"9999-12-31T23:59", "Asia/Kathmandu"}, {"2027-1-1T1:1", "UTC"}, {"soon", "America/St_Johns"},
	} {
		f.Add(row[0], row[1])
	}
	f.Fuzz(func(t *testing.T, local, zone string) {
		place, err := time.LoadLocation(zone)
		if err != nil || zone == "Local" {
			return
		}
		at, err := Instant(local, place)
		if err != nil {
			return
		}
		const layout = "2006-01-02T15:04"
		if at.In(place).Format(layout) != local {
			t.Fatalf("%s in %s is read as %s", local, zone, at)
		}
		for _, other := range []time.Duration{30 * time.Minute, time.Hour} {
			if at.Add(other).Format(layout) == local || at.Add(-other).Format(layout) == local {
				t.Fatalf("%s is there twice in %s", local, zone)
			}
		}
	})
}
