// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plugin

import (
	"strings"
	"testing"

	"github.com/gradus-lms/gradus/test/lms/release"
)

func named(t *testing.T, name string) release.Release {
	t.Helper()
	r, err := release.Named(name)
	if err != nil {
		t.Fatal(err)
	}
	return r
}

func TestCompare(t *testing.T) {
	disk := map[string]Manifest{"a": {Version: 2}, "b": {Version: 2}, "c": {Version: 2}, "d": {Version: 2}}
	stored := map[string]int64{"a": 2, "b": 1, "c": 3, "e": 1, "mod_chat": 1}
	want := map[string]Status{"a": UpToDate, "b": Upgrade, "c": Downgrade, "d": New, "e": Missing, "mod_chat": Delete}
	entries := Compare(named(t, "2.0"), disk, stored)
	if len(entries) != len(want) {
		t.Errorf("%d entries", len(entries))
	}
	for _, entry := range entries {
		if entry.Status != want[entry.Component] {
			t.Errorf("%s: %s, want %s", entry.Component, entry.Status, want[entry.Component])
		}
	}
}

func TestAddedPluginTakesThePlaceOfARemovedOne(t *testing.T) {
	disk, err := OnDisk(named(t, "2.0"), "../plugins/chat")
	if err != nil {
		t.Fatal(err)
	}
	if got := disk["mod_chat"]; got.Source != Added {
		t.Errorf("mod_chat: %+v", got)
	}
	for _, entry := range Compare(named(t, "2.0"), disk, map[string]int64{"mod_chat": 2023100900}) {
		if entry.Component == "mod_chat" && entry.Status != Upgrade {
			t.Errorf("mod_chat: %s", entry.Status)
		}
	}
}

func TestBundledPluginsComeAndGo(t *testing.T) {
	for name, want := range map[string]string{
		"1.0": "auth_manual mod_chat mod_forum mod_quiz theme_plain",
		"1.5": "auth_manual block_news mod_chat mod_forum mod_quiz theme_plain",
		"2.0": "auth_manual block_news mod_forum mod_quiz report_grades theme_plain",
	} {
		disk, err := OnDisk(named(t, name), "/nonexistent")
		if err != nil {
			t.Fatal(err)
		}
		var names []string
		for _, entry := range Compare(named(t, name), disk, nil) {
			names = append(names, entry.Component)
		}
		if got := strings.Join(names, " "); got != want {
			t.Errorf("%s brings %s", name, got)
		}
	}
}

func TestUnmet(t *testing.T) {
	disk := map[string]Manifest{
		"fine": {Requires: "1.0"}, "young": {Requires: "3.0"}, "old": {Incompatible: "2.0"}, "patient": {Incompatible: "3.0"},
	}
	got := strings.Join(Unmet(named(t, "2.0"), disk), "\n")
	if !strings.Contains(got, "for young: it requires at least 3.0") || !strings.Contains(got, "for old: it refuses 2.0") ||
		strings.Count(got, "\n") != 1 {
		t.Errorf("unmet: %s", got)
	}
}

func TestHashFollowsEveryVersion(t *testing.T) {
	one := map[string]Manifest{"a": {Version: 1}}
	base := Hash(named(t, "2.0"), one)
	for name, other := range map[string]string{
		"another release": Hash(named(t, "3.0"), one),
		"another version": Hash(named(t, "2.0"), map[string]Manifest{"a": {Version: 2}}),
		"one plugin more": Hash(named(t, "2.0"), map[string]Manifest{"a": {Version: 1}, "b": {Version: 1}}),
	} {
		if other == base {
			t.Errorf("%s has the same hash", name)
		}
	}
}
