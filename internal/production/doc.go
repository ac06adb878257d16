// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package production is the only code that writes objects of a live site.
//
// Every write is one recorded change of a closed table of fields. Its intent,
// with the value found before, is persisted in the journal (status.changes of
// a GoLive or Rollback) before the API server is asked to write; the write is a
// JSON Patch that tests UID, resourceVersion and the value before. What is
// decided (what is due, Stand) is pure and shared by steps, finalizers and the
// watchdog; what acts is the Session and the Undoer.
//
// Only internal/golive, internal/rollback, internal/watchdog and their
// controllers may import this package: imports_test.go sees to that.
package production
