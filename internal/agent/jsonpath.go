// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"encoding/json"
	"fmt"
	"regexp"
	"strconv"
)

// lookUp follows a path of keys and indexes to a value.
func lookUp(v any, path []string) (string, bool) {
	for _, key := range path {
		switch t := v.(type) {
		case map[string]any:
			next, ok := t[key]
			if !ok {
				return "", false
			}
			v = next
		case []any:
			i, err := strconv.Atoi(key)
			if err != nil || i < 0 || i >= len(t) {
				return "", false
			}
			v = t[i]
		default:
			return "", false
		}
	}
	return scalar(v)
}

func scalar(v any) (string, bool) {
	switch t := v.(type) {
	case string:
		return t, true
	case json.Number:
		return t.String(), true
	case bool:
		return strconv.FormatBool(t), true
	case nil:
		return "", true
	}
	b, err := json.Marshal(v)
	return string(b), err == nil
}

// redact hides the values of keys that hold secrets. A list of objects with
// name and value is read as such keys too.
func redact(v any, keys []string) (any, error) {
	var res []*regexp.Regexp
	for _, k := range keys {
		re, err := regexp.Compile(k)
		if err != nil {
			return nil, fmt.Errorf("compile %q: %w", k, err)
		}
		res = append(res, re)
	}
	return hide(v, res), nil
}

const hidden = "(redacted)"

func hide(v any, res []*regexp.Regexp) any {
	secret := func(key string) bool {
		for _, re := range res {
			if re.MatchString(key) {
				return true
			}
		}
		return false
	}
	switch t := v.(type) {
	case map[string]any:
		name, _ := t["name"].(string)
		for k, e := range t {
			if secret(k) || (k == "value" && secret(name)) {
				t[k] = hidden
				continue
			}
			t[k] = hide(e, res)
		}
	case []any:
		for i, e := range t {
			t[i] = hide(e, res)
		}
	}
	return v
}
