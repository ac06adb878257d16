// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"maps"
	"slices"
	"strings"
	"testing"
)

// looks are the reads that the operator makes past its caches, by reason. Another
// one is another design: say why.
var looks = map[string]string{
	"the site, whose objects no cache has: Gradus has rights where a site's owner gives them, not in every namespace": `
		manager get deployments, manager get statefulsets, manager get services, manager get persistentvolumeclaims,
		manager get secrets, production get deployments, production get statefulsets, production get services,
		production get cronjobs, production list cronjobs, production list horizontalpodautoscalers,
		production get persistentvolumeclaims, production get persistentvolumes, production list jobs, production list pods,
		production get namespaces`,
	"the lock of a site: an old answer is worse than none": `
		production get leases, watchdog get leases`,
	"what a run that writes production goes by: its order, its ledger, what it is told to stop for": `
		production get sites, production get golives, production list golives,
		production get rollbacks, production list rollbacks,
		production get upgradeplans, production list upgradeapprovals, production get sitebackups,
		production get trialupgrades, production get stagingenvironments`,
	"the watchdog: it looks at one run and its changes by name, and has no cache": `
		watchdog get golives, watchdog get deployments, watchdog get services, watchdog get cronjobs`,
	"rights of the watchdog, told from a stranger's by name": `
		production get roles, production get rolebindings, production get serviceaccounts`,
	"children of kinds that are not watched, told from a stranger's by name": `
		manager get networkpolicies, manager get resourcequotas, manager get rolebindings`,
	"evidence": `
		manager get configmaps`,
	"a go-live that the plan knows of and its cache does not have": `
		manager get golives`,
	"copies: one that is gone, and that the cache still has, would be waited for": `
		manager get stagingenvironments, manager list stagingenvironments, manager list namespaces`,
	"whether an owner still lives, before something is made that no garbage collector takes along": `
		manager get sitebackups, manager get upgradeplans`,
	"volumes and snapshots, which have no namespace or no label of ours": `
		manager get persistentvolumes, manager get volumesnapshots, manager get volumesnapshotcontents,
		manager list volumesnapshotcontents, manager get volumesnapshotclasses`,
}

// looksOf counts the reads of a run by name.
func looksOf(r Result) map[string]int {
	out := map[string]int{}
	for _, call := range r.Trace {
		if !call.Write {
			out[call.Process+" "+call.Verb+" "+call.Resource]++
		}
	}
	return out
}

// look wants every read of a story to have its reason.
func look(t *testing.T, r Result) {
	t.Helper()
	named := map[string]bool{}
	for _, names := range looks {
		for name := range strings.SplitSeq(names, ",") {
			named[strings.TrimSpace(name)] = true
		}
	}
	all := looksOf(r)
	t.Logf("read past the caches: %v", all)
	for _, what := range slices.Sorted(maps.Keys(all)) {
		if !named[what] {
			t.Errorf("nothing says why it is read past the cache: %s, %d times", what, all[what])
		}
	}
}
