// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package inputs

// found gives what is at a path, nil if nothing.
func found(object any, path []any) any {
	for _, step := range path {
		switch at := object.(type) {
		case map[string]any:
			name, ok := step.(string)
			if !ok {
				return nil
			}
			object = at[name]
		case []any:
			i, ok := step.(int)
			if !ok || i >= len(at) {
				return nil
			}
			object = at[i]
		default:
			return nil
		}
	}
	return object
}

// set puts something at a path, or takes it away.
func set(object any, path []any, is any) {
	last := path[len(path)-1]
	_, gone := is.(left)
	switch at := found(object, path[:len(path)-1]).(type) {
	case map[string]any:
		if gone {
			delete(at, last.(string))
			return
		}
		at[last.(string)] = is
	case []any:
		if !gone {
			at[last.(int)] = is
			return
		}
		parent := path[:len(path)-1]
		set(object, parent, append(append([]any{}, at[:last.(int)]...), at[last.(int)+1:]...))
	}
}

// copied gives a deep copy.
func copied(object any) any {
	switch at := object.(type) {
	case map[string]any:
		out := map[string]any{}
		for name, inner := range at {
			out[name] = copied(inner)
		}
		return out
	case []any:
		out := make([]any, 0, len(at))
		for _, inner := range at {
			out = append(out, copied(inner))
		}
		return out
	}
	return object
}
