// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import "testing"

// Spans and days, each at its bounds and just past them.
func TestBounds(t *testing.T) {
	plan := func(text string) string { return fifteenLines + "  " + text }
	hop := func(text, span string) string {
		return with(text, "  upgrade:\n", "  upgrade:\n    hopDeadline: "+span+"\n")
	}
	window := func(opens, closes string) string {
		return with(fifteenLines, "2026-12-19T20:00", opens, "2026-12-20T12:00", closes)
	}
	freeze := func(from string) string { return with(siteYAML, "2027-01-25", from) }
	const (
		long   = "hopDeadline may be a year (8784h) at most"
		short  = "hopDeadline is at least 1m; leave it out for 4h"
		closes = "closes must be a local time such as 2026-12-19T20:00"
		from   = "from must be a day such as 2027-01-18"
	)
	documents{
		"a plan: a hop of a minute":                  {text: plan("upgrade: {hopDeadline: 1m}")},
		"a plan: a hop of less than a minute":        {plan("upgrade: {hopDeadline: 59s}"), short},
		"a plan: a hop of no time":                   {plan("upgrade: {hopDeadline: 0s}"), short},
		"a plan: a hop of a year":                    {text: plan("upgrade: {hopDeadline: 8784h}")},
		"a plan: a hop of more than a year":          {plan("upgrade: {hopDeadline: 8784h1s}"), long},
		"a trial: a hop of a minute":                 {text: hop(trialYAML, "1m")},
		"a trial: a hop of less than a minute":       {hop(trialYAML, "59s"), short},
		"a trial: a hop of a year":                   {text: hop(trialYAML, "8784h")},
		"a trial: a hop of more than a year":         {hop(trialYAML, "8784h1s"), long},
		"a go-live: a hop of less than a minute":     {hop(goLiveYAML, "59s"), short},
		"a go-live: a hop of more than a year":       {hop(goLiveYAML, "8784h1s"), long},
		"a backup of a year ago":                     {text: plan("backup: {maxAge: 8784h}")},
		"a backup of more than a year ago":           {plan("backup: {maxAge: 8784h1s}"), "maxAge may be a year (8784h) at most"},
		"support for a year":                         {text: plan("support: {until: {duration: 8784h}}")},
		"support for more than a year":               {plan("support: {until: {duration: 8784h1s}}"), "duration may be a year (8784h) at most"},
		"a go-live with a backup of a year ago":      {text: goLiveYAML + "  maxBackupAge: 8784h"},
		"a go-live with one of more than a year ago": {goLiveYAML + "  maxBackupAge: 8784h1s", "maxBackupAge may be a year (8784h) at most"},
		"a go-live that ends in 2000":                {text: goLiveYAML + `  closes: "2000-01-01T00:00:00Z"`},
		"a go-live that ends before 2000": {
			goLiveYAML + `  closes: "1999-12-31T23:59:59Z"`, "closes must be a moment such as 2027-01-18T20:00:00Z"},
		"a window in 2000":                    {text: window("2000-01-01T00:00", "2000-01-01T00:01")},
		"a window that closes before 2000":    {window("1999-12-31T23:58", "1999-12-31T23:59"), closes},
		"a window that closes in month 13":    {window("2026-12-19T20:00", "2026-13-20T12:00"), "window.closes"},
		"a freeze from the first day of 2000": {text: freeze("2000-01-01")},
		"a freeze from before 2000":           {freeze("1999-12-31"), from},
		"a freeze from the 31st of February":  {with(freeze("2026-02-31"), "2027-02-13", "2027-03-13"), "freezes[0].from"},
	}.run(t)
}
