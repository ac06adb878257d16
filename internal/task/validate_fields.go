// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"fmt"
	"path/filepath"
	"regexp"
)

func join(errs ...error) error {
	for _, err := range errs {
		if err != nil {
			return err
		}
	}
	return nil
}

func need(field, v string) error {
	if v == "" {
		return fmt.Errorf("%s: is empty", field)
	}
	return nil
}

func absolute(field, v string) error {
	if !filepath.IsAbs(v) {
		return fmt.Errorf("%s %q: must be an absolute path", field, v)
	}
	return nil
}

// fileName keeps names of dumps inside their directory.
func fileName(field, v string) error {
	if !actionName.MatchString(v) {
		return fmt.Errorf("%s %q: use letters, digits, dot, dash and underscore", field, v)
	}
	return nil
}

func treeKind(field string, k TreeKind, a Algorithm) error {
	if k != ContentAddressed && k != Manifested {
		return fmt.Errorf("%s.kind: unknown kind %q", field, k)
	}
	if a != "" && a != SHA1 && a != SHA256 {
		return fmt.Errorf("%s.algorithm: unknown algorithm %q", field, a)
	}
	return nil
}

func expression(field, expr string) error {
	if _, err := regexp.Compile(expr); err != nil {
		return fmt.Errorf("%s: %w", field, err)
	}
	return nil
}

// expressions checks a map of them; with group each must have one to capture.
func expressions(field string, m map[string]string, group bool) error {
	for name, expr := range m {
		re, err := regexp.Compile(expr)
		if err != nil {
			return fmt.Errorf("%s.%s: %w", field, name, err)
		}
		if group && re.NumSubexp() == 0 {
			return fmt.Errorf("%s.%s %q: has no group to capture", field, name, expr)
		}
	}
	return nil
}
