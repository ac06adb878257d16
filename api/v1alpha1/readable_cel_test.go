// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1_test

import (
	"strings"
	"testing"
)

// One object that cannot be decoded, and the operator can list none of its kind:
// what is accepted must be readable.
func TestWhatIsAcceptedCanBeRead(t *testing.T) {
	plan := func(text string) string { return fifteenLines + text }
	trial := func(span string) string { return with(trialYAML, "keepOnFailure: 1h", "keepOnFailure: "+span) }
	until := func(moment string) string { return with(environmentYAML, `"2027-01-18T00:00:00Z"`, moment) }
	uid := func(uid string) string {
		return with(backupYAML, "siteRef:", "planRef: {name: a, uid: "+uid+"}, siteRef:")
	}
	documents{
		"a span as people write it":          {text: trial("1h30m")},
		"a span as Gradus writes it":         {text: trial("8783h59m59.999999999s")},
		"no time at all":                     {text: trial("0s")},
		"a span in words":                    {trial("soon"), "keepOnFailure"},
		"a span in days":                     {trial("3d"), "keepOnFailure"},
		"a span without a unit":              {trial(`"90"`), "keepOnFailure"},
		"a span below nothing":               {trial("-1h"), "keepOnFailure"},
		"a span longer than Go knows":        {trial("99999999999999999h"), "keepOnFailure"},
		"a span of two years":                {trial("17520h"), "keepOnFailure may be a year (8784h) at most"},
		"a hop's deadline in words":          {plan("  upgrade: {hopDeadline: soon}"), "hopDeadline"},
		"a backup's age in words":            {plan("  backup: {maxAge: a day}"), "maxAge"},
		"support for no span":                {plan("  support: {until: {duration: 2 weeks}}"), "duration"},
		"a moment with a zone":               {text: until(`"2027-01-18T00:00:00+01:00"`)},
		"a moment in small letters":          {until(`"2027-01-18t00:00:00z"`), "expires"},
		"a moment with a comma":              {until(`"2027-01-18T00:00:00,5Z"`), "expires"},
		"a moment in a zone of 99 hours":     {until(`"2027-01-18T00:00:00+99:00"`), "expires"},
		"the 30th of February":               {until(`"2027-02-30T00:00:00Z"`), "expires"},
		"a list for a moment":                {until("[]"), "expires"},
		"staging until the 31st of February": {plan(`  staging: {expires: "2027-02-31"}`), "expires"},
		"a window that opens in month 13":    {with(fifteenLines, "2026-12-19T20:00", "2026-13-19T20:00"), "opens"},
		"a freeze on the 31st of February":   {with(siteYAML, "2027-02-13", "2027-02-31"), "to"},
		"a plan's UID":                       {text: uid("9b1deb4d-3b7d-4bad-9bdd-2b0d7b3dcb6d")},
		"a UID that no label can hold":       {uid(`"*"`), "planRef.uid"},
		"a UID like a book":                  {uid(strings.Repeat("a", 64)), "planRef.uid"},
		"a plan of another namespace":        {with(approvalYAML, "planRef: {name: campus-2-0}", "planRef: {name: kube-system/a}"), "planRef.name"},
		"a Secret of another namespace":      {with(siteYAML, "[peppers]", "[kube-system/a]"), "secrets"},
	}.run(t)
}
