// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package lms holds Campus, the learning management system of our tests, and
// the tests that run it against a real PostgreSQL. CONTRACT.md says what it does.
package lms
