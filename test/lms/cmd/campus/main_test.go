// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"os"
	"path/filepath"
	"strings"
	"testing"
)

// call runs a command without a database: nobody listens on port 1.
func call(t *testing.T, args ...string) (code int, out, errOut string) {
	t.Helper()
	environment := map[string]string{
		"CAMPUS_DB_HOST": "127.0.0.1", "CAMPUS_DB_PORT": "1", "CAMPUS_DATA_ROOT": t.TempDir(),
		"CAMPUS_PLUGIN_DIR": "/nonexistent", "CAMPUS_FAULTS_FILE": "/nonexistent",
	}
	var stdout, stderr bytes.Buffer
	code = run(t.Context(), args, func(name string) string { return environment[name] }, strings.NewReader(""), &stdout, &stderr)
	return code, stdout.String(), stderr.String()
}

func TestExitCodesWithoutDatabase(t *testing.T) {
	for name, test := range map[string]struct {
		args []string
		code int
		text string
	}{
		"no command":              {nil, 2, "usage: campus"},
		"an unknown command":      {[]string{"dance"}, 2, "usage: campus"},
		"a flag that is none":     {[]string{"version", "--dance"}, 2, "not defined"},
		"an argument too many":    {[]string{"version", "now"}, 2, "Usage"},
		"no database":             {[]string{"upgrade", "--is-pending"}, 1, "Error: database: "},
		"version says its own":    {[]string{"version", "--json"}, 1, `{"code":{"release":"3.0","version":2026042000}`},
		"maintenance needs none":  {[]string{"maintenance"}, 0, "Status: disabled"},
		"a file that is missing":  {[]string{"--config", "/nonexistent", "version"}, 1, "read configuration"},
		"copy-self needs a place": {[]string{"copy-self"}, 2, "usage"},
	} {
		t.Run(name, func(t *testing.T) {
			code, out, errOut := call(t, test.args...)
			if code != test.code || !strings.Contains(out+errOut, test.text) {
				t.Errorf("code %d\n%s%s", code, out, errOut)
			}
		})
	}
}

func TestCopySelf(t *testing.T) {
	target := filepath.Join(t.TempDir(), "copy")
	if code, _, errOut := call(t, "copy-self", target); code != 0 {
		t.Fatal(errOut)
	}
	info, err := os.Stat(target)
	if err != nil || info.Mode().Perm()&0o111 == 0 || info.Size() < 1<<20 {
		t.Errorf("copy: %v %v", info, err)
	}
}
