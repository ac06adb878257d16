// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command spec writes the fields of a kind, as its CRD describes them, between
// the marks of the kind's page: spec CRDS PAGES.
package main

import (
	"encoding/json"
	"fmt"
	"maps"
	"os"
	"path/filepath"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/yaml"
)

const begin, end = "<!-- fields: make generate -->\n", "<!-- end of fields -->\n"

func main() {
	if err := run(os.Args[1], os.Args[2]); err != nil {
		fmt.Fprintln(os.Stderr, "spec:", err)
		os.Exit(1)
	}
}

func run(crds, pages string) error {
	files, err := filepath.Glob(filepath.Join(crds, "*.yaml"))
	if err != nil {
		return err
	}
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return err
		}
		var crd apiextensionsv1.CustomResourceDefinition
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return fmt.Errorf("%s: %w", file, err)
		}
		if err := write(filepath.Join(pages, crd.Spec.Names.Singular+".md"), crd); err != nil {
			return err
		}
	}
	return nil
}

func write(page string, crd apiextensionsv1.CustomResourceDefinition) error {
	text, err := os.ReadFile(page)
	if err != nil {
		return err
	}
	before, rest, found := strings.Cut(string(text), begin)
	_, after, closed := strings.Cut(rest, end)
	if !found || !closed {
		return fmt.Errorf("%s: no marks %q and %q", page, begin, end)
	}
	root := crd.Spec.Versions[0].Schema.OpenAPIV3Schema
	var out strings.Builder
	for _, part := range []string{"spec", "status"} {
		if schema, ok := root.Properties[part]; ok {
			fmt.Fprintf(&out, "\n### `%s`\n| field | | default | |\n|---|---|---|---|\n", part)
			fields(&out, "", schema, 0)
		}
	}
	return os.WriteFile(page, []byte(before+begin+out.String()+"\n"+end+after), 0o644)
}

// fields prints one row per field; ledgers and conditions are not unfolded.
func fields(out *strings.Builder, prefix string, schema apiextensionsv1.JSONSchemaProps, depth int) {
	for _, name := range slices.Sorted(maps.Keys(schema.Properties)) {
		field := schema.Properties[name]
		kind, inner, suffix := field.Type, field, ""
		if field.Items != nil && field.Items.Schema != nil {
			inner, suffix = *field.Items.Schema, "[]"
			kind = "list of " + inner.Type
		}
		if len(inner.Enum) > 0 {
			kind = enum(inner.Enum)
		}
		if slices.Contains(schema.Required, name) {
			kind += ", required"
		}
		value := ""
		if field.Default != nil {
			value = "`" + string(field.Default.Raw) + "`"
		}
		description := strings.ReplaceAll(strings.Join(strings.Fields(field.Description), " "), "|", `\|`)
		description = strings.NewReplacer("<", "&lt;", ">", "&gt;").Replace(description)
		fmt.Fprintf(out, "| `%s%s` | %s | %s | %s |\n", prefix, name, kind, value, description)
		if folded := name == "conditions" || name == "steps" || name == "changes"; !folded && depth < 4 {
			fields(out, prefix+name+suffix+".", inner, depth+1)
		}
	}
}

func enum(values []apiextensionsv1.JSON) string {
	var words []string
	for _, value := range values {
		var word string
		if json.Unmarshal(value.Raw, &word) == nil {
			words = append(words, word)
		}
	}
	return strings.Join(words, " \\| ")
}
