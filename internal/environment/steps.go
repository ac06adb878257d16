// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import "github.com/gradus-lms/gradus/internal/pipeline"

// Steps of an environment, in order. The order is law 3.
var Steps = []pipeline.Step[View]{
	resolve,         // everything that the copy is made of exists
	makeNamespace,   // with the level of pod security that the API server enforces
	bindRights,      // ours in that namespace, and nowhere else
	closeNetwork,    // quota and default-deny, before the first pod
	cloneVolumes,    // one for each volume of the site, and the database's own
	copySettings,    // Secrets and ConfigMaps that a copy may see; new passwords
	recoverDatabase, // like after a power cut; rotate passwords; count
	startDatabase,   // reachable inside the copy only
	neutralise,      // and assert: mail, cron, payment, push, hooks are off
	hops,            // one for each version jump
	verify,          // version, counts, files; still neutral
	startApplication,
	smoke,
}
