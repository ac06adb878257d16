// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package config

import (
	"os"
	"path/filepath"
	"strings"
	"testing"
)

func load(t *testing.T, text string, environment map[string]string) (Config, error) {
	t.Helper()
	path := filepath.Join(t.TempDir(), "config.json")
	if err := os.WriteFile(path, []byte(text), 0o600); err != nil {
		t.Fatal(err)
	}
	return Load(path, func(name string) string { return environment[name] })
}

func TestEnvironmentBeatsTheFile(t *testing.T) {
	cfg, err := load(t, `{"database": {"host": "file", "password": "env:SECRET"}, "hardSettings": {"a": "1"}, "cronEnabled": true}`,
		map[string]string{"CAMPUS_DB_HOST": "env", "CAMPUS_DB_PORT": "5433", "SECRET": "hush",
			"CAMPUS_HARD_SETTINGS": "b=2,c=x=y", "CAMPUS_CRON_ENABLED": "false"})
	if err != nil {
		t.Fatal(err)
	}
	if cfg.Database.Host != "env" || cfg.Database.Port != 5433 || cfg.Database.Password != "hush" {
		t.Errorf("database: %+v", cfg.Database)
	}
	for name, want := range map[string]string{"a": "1", "b": "2", "c": "x=y", "cron_enabled": "0"} {
		if got := cfg.HardSettings[name]; got != want {
			t.Errorf("hard setting %s is %q, want %q", name, got, want)
		}
	}
}

func TestRefusals(t *testing.T) {
	for name, test := range map[string]struct {
		text        string
		environment map[string]string
		want        string
	}{
		"no JSON":               {"x", nil, "parse configuration"},
		"a port that is none":   {"{}", map[string]string{"CAMPUS_DB_PORT": "x"}, "CAMPUS_DB_PORT"},
		"a setting without =":   {"{}", map[string]string{"CAMPUS_HARD_SETTINGS": "x"}, "name=value"},
		"a prefix with a quote": {`{"database": {"prefix": "a'"}}`, nil, "prefix"},
		"a long prefix":         {`{"database": {"prefix": "abcdefghijk"}}`, nil, "longer than 10"},
	} {
		t.Run(name, func(t *testing.T) {
			if _, err := load(t, test.text, test.environment); err == nil || !strings.Contains(err.Error(), test.want) {
				t.Errorf("got %v, want %q", err, test.want)
			}
		})
	}
}

func TestOnlyTheDefaultFileMayBeAbsent(t *testing.T) {
	nothing := func(string) string { return "" }
	if _, err := Load("/nonexistent/config.json", nothing); err == nil {
		t.Error("a named file may be absent")
	}
}
