// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package pipeline

import (
	"testing"

	"k8s.io/apimachinery/pkg/types"
	"k8s.io/apimachinery/pkg/util/validation"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Whatever an owner is called, its children have names that the API server takes.
func FuzzName(f *testing.F) {
	f.Add("autumn", "hop", "4.5", int32(1))
	f.Add("a.b.c", "copy-files", "Vault.Files", int32(12))
	f.Add("plan-1-0a1b2c3d", "snapshot", "", int32(2147483647))
	f.Fuzz(func(t *testing.T, owner, what, key string, attempt int32) {
		if len(validation.IsDNS1123Subdomain(owner)) > 0 || len(validation.IsDNS1123Label(what)) > 0 || attempt < 1 ||
			key != "" && len(validation.IsDNS1123Subdomain(key)) > 0 {
			return
		}
		site := &v1alpha1.Site{}
		site.Name, site.UID = owner, types.UID("0a1b2c3d-0000-0000-0000-000000000000")
		for range 2 {
			name := Name(site, what, key, attempt)
			if wrong := validation.IsDNS1123Label(name); len(wrong) > 0 {
				t.Fatalf("%q: %v", name, wrong)
			}
			site.Name = name // and so have theirs
		}
	})
}
