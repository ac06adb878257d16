// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package watchdog opens a site again when the operator that closed it is
// gone. It runs in the site's namespace while a GoLive or Rollback holds the
// site, watches the site's Lease, and when nobody renews it while the point is
// Reversible, takes it over and undoes the recorded changes. From Committed on
// it touches nothing and raises an alarm.
package watchdog
