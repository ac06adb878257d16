// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package v1alpha1 is the API of Gradus: what people and pipelines apply, and
// what they read back.
//
// Every kind is namespaced and lives in the namespace of its Site. No field of
// any kind names a namespace: Gradus lends its power to nobody.
//
// +kubebuilder:object:generate=true
// +groupName=lms.gradus.dev
package v1alpha1
