// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package admission holds the admission policies that Gradus ships. The files
// are their one source: kustomize applies them, and at its start the manager
// compares the cluster with them.
package admission

import "embed"

// Files are the policies and their bindings.
//
//go:embed fence.yaml site-jobs.yaml owner-label.yaml status.yaml makers.yaml approvals.yaml authors.yaml site-lock.yaml
//go:embed fence-schedules.yaml rollbacks.yaml runs.yaml site-lease.yaml
var Files embed.FS
