// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"crypto/sha256"
	"embed"
	"encoding/hex"
	"errors"
	"fmt"
	"io/fs"
	"sort"
	"strings"
	"sync"

	"sigs.k8s.io/yaml"
)

//go:embed *.yaml
var files embed.FS

// Format is the only format of profiles so far.
const Format = "gradus-profile/1"

// maxSize bounds an override: a ConfigMap is no larger.
const maxSize = 1 << 20

// ErrUnknown says that there is no built-in profile of that name; a site must be given one that exists.
var ErrUnknown = errors.New("unknown profile")

// Names are the built-in profiles.
func Names() []string {
	entries, err := fs.Glob(files, "*.yaml")
	if err != nil {
		return nil // the pattern is constant and valid
	}
	for i := range entries {
		entries[i] = strings.TrimSuffix(entries[i], ".yaml")
	}
	sort.Strings(entries)
	return entries
}

// Load gives a built-in profile. Callers share it and must not change it.
func Load(name string) (Profile, error) {
	once, ok := builtin[name]
	if !ok {
		return Profile{}, fmt.Errorf("load profile %q (there are %s): %w", name, strings.Join(Names(), ", "), ErrUnknown)
	}
	return once()
}

// builtin reads every profile once: reconcilers ask for one each time.
var builtin = func() map[string]func() (Profile, error) {
	out := map[string]func() (Profile, error){}
	for _, name := range Names() {
		out[name] = sync.OnceValues(func() (Profile, error) {
			b, err := files.ReadFile(name + ".yaml")
			if err != nil {
				return Profile{}, fmt.Errorf("load profile %q: %w", name, err)
			}
			return read(b)
		})
	}
	return out
}()

// Override reads a profile that a site brings. The digest is what was
// approved; any other content is refused.
func Override(content []byte, digest string) (Profile, error) {
	if len(content) > maxSize {
		return Profile{}, fmt.Errorf("read profile: %d bytes, at most %d are allowed", len(content), maxSize)
	}
	if got := digestOf(content); got != digest {
		return Profile{}, fmt.Errorf("read profile: its digest is %s, not %s", got, digest)
	}
	return read(content)
}

// Digest identifies the profile's content; approvals bind to it.
func (p Profile) Digest() string { return p.digest }

func digestOf(b []byte) string {
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

func read(b []byte) (Profile, error) {
	var p Profile
	if err := yaml.UnmarshalStrict(b, &p); err != nil {
		return Profile{}, fmt.Errorf("read profile: %w", err)
	}
	p.digest = digestOf(b)
	if err := p.Validate(); err != nil {
		return Profile{}, fmt.Errorf("read profile %s: %w", p.Name, err)
	}
	return p, nil
}
