// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package inputs makes bad input of the schemas that the API server enforces,
// field by field, so that a new field is covered without a new line of test.
package inputs

import (
	"fmt"
	"os"
	"path/filepath"

	"sigs.k8s.io/yaml"
)

// Schema is what this package reads of an OpenAPI schema.
type Schema struct {
	Type       string                  `json:"type"`
	Format     string                  `json:"format"`
	Pattern    string                  `json:"pattern"`
	Properties map[string]*Schema      `json:"properties"`
	Items      *Schema                 `json:"items"`
	Required   []string                `json:"required"`
	Enum       []any                   `json:"enum"`
	Default    any                     `json:"default"`
	MinLength  *int                    `json:"minLength"`
	MaxLength  *int                    `json:"maxLength"`
	MinItems   *int                    `json:"minItems"`
	MaxItems   *int                    `json:"maxItems"`
	Minimum    *int64                  `json:"minimum"`
	Maximum    *int64                  `json:"maximum"`
	ListType   string                  `json:"x-kubernetes-list-type"`
	MapKeys    []string                `json:"x-kubernetes-list-map-keys"`
	Rules      []struct{ Rule string } `json:"x-kubernetes-validations"`
}

// Kind is a kind of object that people may write.
type Kind struct {
	Name, Plural string
	// Schema of the whole object.
	Schema *Schema
}

// Load reads the CustomResourceDefinitions of a folder.
func Load(folder string) ([]Kind, error) {
	files, err := filepath.Glob(filepath.Join(folder, "*.yaml"))
	if err != nil {
		return nil, err
	}
	var out []Kind
	for _, file := range files {
		text, err := os.ReadFile(file)
		if err != nil {
			return nil, err
		}
		var crd struct {
			Spec struct {
				Names    struct{ Kind, Plural string }
				Versions []struct {
					Schema struct {
						OpenAPIV3Schema *Schema `json:"openAPIV3Schema"`
					}
				}
			}
		}
		if err := yaml.Unmarshal(text, &crd); err != nil {
			return nil, fmt.Errorf("read %s: %w", file, err)
		}
		out = append(out, Kind{Name: crd.Spec.Names.Kind, Plural: crd.Spec.Names.Plural,
			Schema: crd.Spec.Versions[0].Schema.OpenAPIV3Schema})
	}
	if len(out) == 0 {
		return nil, fmt.Errorf("there is no definition in %s", folder)
	}
	return out, nil
}
