// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"bytes"
	"encoding/json"
	"fmt"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
)

// Value is the value of a field as canonical JSON (sorted keys, no spaces).
// Nil stands for null: the field is not there.
type Value []byte

// NewValue gives the canonical form of anything that JSON can say.
func NewValue(v any) (Value, error) {
	first, err := json.Marshal(v)
	if err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	var plain any
	decoder := json.NewDecoder(bytes.NewReader(first))
	decoder.UseNumber()
	if err := decoder.Decode(&plain); err != nil {
		return nil, fmt.Errorf("decode value: %w", err)
	}
	if plain == nil {
		return nil, nil
	}
	canonical, err := json.Marshal(plain)
	if err != nil {
		return nil, fmt.Errorf("encode value: %w", err)
	}
	return canonical, nil
}

// ValueOf reads a recorded value.
func ValueOf(recorded *apiextensionsv1.JSON) (Value, error) {
	if recorded == nil || len(recorded.Raw) == 0 {
		return nil, nil
	}
	return NewValue(json.RawMessage(recorded.Raw))
}

// Record gives the value as the API keeps it. Null is left out: the API server
// would not keep it.
func (v Value) Record() *apiextensionsv1.JSON {
	if v == nil {
		return nil
	}
	return &apiextensionsv1.JSON{Raw: bytes.Clone(v)}
}

// Equal compares canonical forms.
func (v Value) Equal(other Value) bool { return bytes.Equal(v, other) }

// String is the value for people.
func (v Value) String() string {
	if v == nil {
		return "nothing"
	}
	return string(v)
}

// object gives the value as a map; nothing when it is none.
func (v Value) object() map[string]any {
	plain, _ := v.plain()
	out, _ := plain.(map[string]any)
	return out
}

// plain gives the value as maps, lists and numbers.
func (v Value) plain() (any, error) {
	if v == nil {
		return nil, nil
	}
	var out any
	if err := json.Unmarshal(v, &out); err != nil {
		return nil, fmt.Errorf("decode value %s: %w", v, err)
	}
	return out, nil
}
