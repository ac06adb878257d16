// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"fmt"
	"maps"
	"slices"
	"testing"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

// cost is what a story asks the API server for: what it writes, by purpose, and
// its reads past the caches. Site is what production is changed by, Lease what the
// lock takes.
type cost struct{ Creates, Deletes, Status, Finalizers, Site, Lease, Reads int }

func (c cost) String() string {
	return fmt.Sprintf("%7d %7d %6d %10d %4d %5d %5d", c.Creates, c.Deletes, c.Status, c.Finalizers,
		c.Site, c.Lease, c.Reads)
}

// costs of every story, exactly. Another number is another design: say why.
var costs = map[string]cost{
	// creates, deletes, status, finalizers, site, lease, reads
	"golive":                    {13, 6, 24, 1, 16, 9, 595},
	"golive-fails":              {25, 11, 36, 2, 10, 13, 1250},
	"golive-scales":             {13, 6, 30, 1, 18, 12, 816},
	"golive-deleted":            {7, 5, 7, 2, 8, 4, 163},
	"golive-aborted":            {7, 5, 12, 1, 8, 5, 268},
	"golive-withdrawn":          {9, 5, 15, 1, 10, 6, 348},
	"golive-superseded":         {9, 5, 15, 1, 10, 6, 348},
	"golive-hop-2-fails":        {26, 11, 37, 2, 10, 14, 1272},
	"golive-left":               {7, 5, 11, 1, 8, 6, 297},
	"golive-lease-deleted":      {7, 5, 12, 1, 8, 5, 257},
	"golive-full":               {15, 5, 15, 1, 10, 7, 463},
	"golive-held":               {24, 11, 34, 2, 10, 13, 859},
	"golive-deleted-open":       {13, 6, 24, 2, 16, 9, 600},
	"golive-deleted-late":       {23, 11, 32, 3, 10, 12, 783},
	"golive-back":               {28, 12, 52, 2, 32, 19, 1378},
	"rollback-refused":          {1, 0, 4, 1, 0, 0, 95},
	"rollback-withdrawn":        {11, 5, 18, 1, 10, 6, 463},
	"rollback-withdrawn-early":  {7, 5, 10, 1, 0, 3, 231},
	"rollback-deleted":          {9, 5, 10, 2, 8, 4, 258},
	"rollback-fails":            {11, 5, 18, 1, 10, 6, 463},
	"rollback-again":            {27, 11, 38, 2, 10, 13, 988},
	"backup-never-ready":        {3, 0, 4, 1, 0, 0, 66},
	"backup-full":               {23, 4, 26, 4, 0, 0, 418},
	"environment-expires":       {42, 8, 37, 6, 0, 0, 567},
	"backup-lost":               {6, 1, 8, 4, 0, 0, 129},
	"environment-deleted":       {35, 7, 31, 6, 0, 0, 492},
	"environment-lost":          {22, 4, 26, 6, 0, 0, 418},
	"trial-hop-2-fails":         {42, 4, 46, 6, 0, 0, 573},
	"backup-refused":            {22, 4, 26, 4, 0, 0, 431},
	"plan-paused":               {15, 0, 24, 1, 0, 0, 340},
	"plan-withdrawn":            {8, 0, 15, 1, 0, 0, 219},
	"plan-superseded":           {15, 0, 26, 1, 0, 0, 393},
	"plan-deleted-closed":       {16, 5, 35, 3, 8, 5, 598},
	"trial-deleted":             {40, 8, 43, 8, 0, 0, 555},
	"plan-golive-deleted":       {27, 6, 69, 3, 16, 9, 1287},
	"plan-golive-retried":       {33, 11, 93, 3, 24, 14, 1717},
	"environment-deleted-early": {34, 7, 30, 6, 0, 0, 478},
	"plan-aborted":              {8, 0, 13, 1, 0, 0, 157},
	"rollback-keep":             {15, 6, 26, 1, 10, 9, 656},
	"rollback-restore":          {18, 8, 33, 1, 18, 13, 1131},
	"backup":                    {22, 4, 25, 4, 0, 0, 405},
	"environment":               {42, 7, 37, 6, 0, 0, 567},
	"trial":                     {44, 8, 53, 7, 0, 0, 617},
	"trial-fails":               {40, 8, 48, 7, 0, 0, 576},
	"plan":                      {15, 0, 22, 1, 0, 0, 310},
	"plan-rejected":             {15, 0, 24, 1, 0, 0, 348},
	"plan-trial-fails":          {9, 0, 13, 1, 0, 0, 173},
	"plan-deleted":              {8, 0, 12, 2, 0, 0, 142},
	"plan-aborted-closed":       {16, 5, 40, 2, 8, 5, 653},
	"plan-paused-at-backup":     {8, 0, 13, 1, 0, 0, 188},
	"plan-paused-at-trial":      {8, 0, 12, 1, 0, 0, 173},
	"plan-paused-at-staging":    {8, 0, 12, 1, 0, 0, 173},
	"plan-aborted-at-backup":    {5, 0, 8, 1, 0, 0, 82},
	"plan-aborted-at-trial":     {6, 0, 9, 1, 0, 0, 97},
	"plan-aborted-at-staging":   {7, 0, 11, 1, 0, 0, 127},
	"plan-deleted-at-backup":    {5, 0, 7, 2, 0, 0, 67},
	"plan-deleted-at-trial":     {6, 0, 8, 2, 0, 0, 82},
	"plan-deleted-at-staging":   {7, 0, 10, 2, 0, 0, 112},
	"golive-looked":             {13, 6, 25, 1, 16, 10, 647},
	"golive-rejected":           {28, 12, 45, 2, 18, 17, 1670},
	"plan-paused-closed":        {25, 6, 66, 2, 16, 9, 1214},
	"plan-aborted-late":         {22, 6, 58, 2, 16, 10, 1225},
	"plan-deleted-late":         {22, 6, 53, 3, 16, 10, 1106},
	"plan-aborted-in-support":   {23, 6, 65, 2, 16, 9, 1199},
	"plan-waits-for-another":    {16, 0, 23, 3, 0, 0, 309},
	"plan-waits-for-live":       {18, 0, 27, 2, 0, 0, 443},
	"golive-back-early":         {13, 6, 26, 2, 16, 10, 685},
}

// bound is the most that a story may write: one for each child and step, half
// of the steps, and one; and one status for each change of production.
func bound(c cost, steps int) int { return c.Creates + steps + 1 + steps/2 + c.Site }

// weigh wants a story to write exactly what it did, and no more than its bound.
func weigh(t *testing.T, s Scenario, r Result) {
	t.Helper()
	c := costOf(r)
	if want := costs[s.Name]; c != want {
		t.Errorf("%s has %d steps and costs\n  creates deletes status finalizers site lease reads\n  %s, want\n  %s", s.Name, r.Steps, c, want)
	}
	if n, most := c.Creates+c.Deletes+c.Status+c.Finalizers, bound(c, r.Steps); n > most {
		t.Errorf("%s writes %d times, the bound is %d", s.Name, n, most)
	}
}

// costOf counts the writes of a run.
func costOf(r Result) (c cost) {
	for _, call := range r.Writes() {
		switch changes := call.Verb == "patch" || call.Verb == "update"; {
		case call.Resource == "leases":
			c.Lease++
		case call.Subresource == "status":
			c.Status++
		case call.Verb == "create":
			c.Creates++
		case call.Verb == "delete":
			c.Deletes++
		case changes && slices.Contains(siteKinds, call.Resource):
			c.Site++
		default:
			c.Finalizers++
		}
	}
	c.Reads = len(r.Trace) - len(r.Writes())
	return c
}

// A hundred plans that wait ask the API server for nothing.
func TestWaitingPlansAreQuiet(t *testing.T) {
	const many = 100
	g := gate.New()
	defer stopped(t, nil)
	w := server.New(t.Context(), g, plans...)
	first := apply(w, "autumn")
	w.Until("a gate that waits", func() bool { return digestOf(w, first) != "" })
	for n := range many {
		apply(w, fmt.Sprintf("later-%d", n))
	}
	latest := &v1alpha1.UpgradePlan{ObjectMeta: w.Meta(fmt.Sprintf("later-%d", many-1))}
	w.Until("a plan that waits", stepIs(w, latest, v1alpha1.StepReviewSite, v1alpha1.StepWaiting))
	if !w.Rest(2) {
		t.Fatal("plans that wait go on writing: " + last(g.Trace()))
	}
	before := len(g.Trace())
	for range quietTicks {
		w.Tick()
	}
	asked := map[string]int{}
	for _, call := range g.Trace()[before:] {
		asked[call.Verb+" "+call.Resource+" by "+call.From]++
	}
	for _, what := range slices.Sorted(maps.Keys(asked)) {
		t.Errorf("%d times in two minutes: %s", asked[what], what)
	}
}
