// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"slices"
	"strings"
)

// storage is etcd past the API server: what an earlier version left has UIDs,
// times and statuses that no request can give an object.
type storage struct{ url string }

// Between these is what the API server keeps.
var firstKey, lastKey = []byte("/registry/"), []byte("/registry0")

type pair struct {
	Key   []byte `json:"key"`
	Value []byte `json:"value,omitempty"`
}

// call asks the JSON gateway of etcd; bytes go as base64.
func (s storage) call(ctx context.Context, path string, ask, answer any) error {
	body, err := json.Marshal(ask)
	if err != nil {
		return err
	}
	r, err := http.NewRequestWithContext(ctx, http.MethodPost, s.url+"/v3/kv/"+path, bytes.NewReader(body))
	if err != nil {
		return err
	}
	response, err := http.DefaultClient.Do(r)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("%s of etcd: %s", path, response.Status)
	}
	return json.NewDecoder(response.Body).Decode(answer)
}

// everything gives all that is kept, by key.
func (s storage) everything(ctx context.Context, keysOnly bool) (map[string][]byte, error) {
	var answer struct {
		Kvs []pair `json:"kvs"`
	}
	ask := map[string]any{"key": firstKey, "range_end": lastKey, "keys_only": keysOnly}
	if err := s.call(ctx, "range", ask, &answer); err != nil {
		return nil, err
	}
	out := map[string][]byte{}
	for _, kv := range answer.Kvs {
		out[string(kv.Key)] = kv.Value
	}
	return out, nil
}

func (s storage) put(ctx context.Context, key string, value []byte) error {
	return s.call(ctx, "put", pair{Key: []byte(key), Value: value}, &struct{}{})
}

// sweep removes what is kept of namespaces.
func (s storage) sweep(ctx context.Context, namespaces []string) error {
	all, err := s.everything(ctx, true)
	if err != nil {
		return err
	}
	var deletes []map[string]pair
	for key := range all {
		if within(key, namespaces) {
			deletes = append(deletes, map[string]pair{"request_delete_range": {Key: []byte(key)}})
		}
	}
	for some := range slices.Chunk(deletes, 100) { // etcd takes up to 128 at once
		if err := s.call(ctx, "txn", map[string]any{"success": some}, &struct{}{}); err != nil {
			return err
		}
	}
	return nil
}

// Sweep removes all that is kept of a run that is over, so that no later one reads it.
func (w *World) Sweep() (err error) {
	defer func() {
		switch said := recover().(type) {
		case nil:
		case Stopped:
			err = errors.New(said.Why)
		default:
			panic(said)
		}
	}()
	return w.server.storage.sweep(w.ctx, w.namespaces())
}

// within says whether a key is that of a namespace, of an object in one, or of
// one of the cluster that is named for it.
func within(key string, namespaces []string) bool {
	return slices.ContainsFunc(namespaces, func(n string) bool {
		return slices.Contains(strings.Split(key, "/"), n) || strings.Contains(key, "-"+n+"-") ||
			strings.Contains(key, "/"+n+"-")
	})
}
