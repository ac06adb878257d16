// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package setting reads and writes what the database is configured with. Hard
// settings of the configuration file beat the database.
package setting

import (
	"context"
	"errors"
	"fmt"

	"github.com/gradus-lms/gradus/test/lms/database"
)

// ErrHard means that the configuration file sets the name: change it there.
var ErrHard = errors.New("hard-set in the configuration file")

// Store is the settings of one site.
type Store struct {
	db    *database.DB
	hard  map[string]string
	cache Cache
}

// New makes a store.
func New(db *database.DB, hard map[string]string, cache Cache) *Store {
	return &Store{db: db, hard: hard, cache: cache}
}

// On is the same store on another handle, a transaction for example.
func (s *Store) On(db *database.DB) *Store { return &Store{db: db, hard: s.hard, cache: s.cache} }

// Hard says whether the configuration file sets the name, and to what.
func (s *Store) Hard(name string) (string, bool) {
	value, found := s.hard[name]
	return value, found
}

// Get reads one setting past the cache.
func (s *Store) Get(ctx context.Context, name string) (value string, found bool, err error) {
	if hard, found := s.hard[name]; found {
		return hard, true, nil
	}
	err = s.db.Row(ctx, "SELECT value FROM {config} WHERE name=$1", []any{name}, &value)
	if database.IsMissing(err) {
		return "", false, nil
	}
	return value, err == nil, err
}

// Set writes one setting and forgets the cache.
func (s *Store) Set(ctx context.Context, name, value string) error {
	if _, found := s.hard[name]; found {
		return fmt.Errorf("%s: %w", name, ErrHard)
	}
	if err := s.put(ctx, name, value); err != nil {
		return err
	}
	return s.cache.Purge()
}

// SetAll writes many settings without touching the cache or asking for hard
// ones: for the upgrade, which works on the database alone.
func (s *Store) SetAll(ctx context.Context, values map[string]string) error {
	for name, value := range values {
		if err := s.put(ctx, name, value); err != nil {
			return err
		}
	}
	return nil
}

func (s *Store) put(ctx context.Context, name, value string) error {
	_, err := s.db.Exec(ctx, `INSERT INTO {config} (name, value) VALUES ($1, $2)
		ON CONFLICT (name) DO UPDATE SET value = excluded.value`, name, value)
	if err != nil {
		return fmt.Errorf("set %s: %w", name, err)
	}
	return nil
}

// Unset removes a setting.
func (s *Store) Unset(ctx context.Context, name string) error {
	_, err := s.db.Exec(ctx, "DELETE FROM {config} WHERE name=$1", name)
	return err
}

// All reads every setting past the cache, hard ones included.
func (s *Store) All(ctx context.Context) (map[string]string, error) {
	all, err := s.stored(ctx)
	for name, value := range s.hard {
		if err == nil {
			all[name] = value
		}
	}
	return all, err
}

func (s *Store) stored(ctx context.Context) (map[string]string, error) {
	rows, err := s.db.Query(ctx, "SELECT name, value FROM {config}")
	if err != nil {
		return nil, err
	}
	defer rows.Close()
	all := map[string]string{}
	for rows.Next() {
		var name, value string
		if err := rows.Scan(&name, &value); err != nil {
			return nil, err
		}
		all[name] = value
	}
	return all, rows.Err()
}

// Cached is All through the cache, as every web request reads it. The cache is
// only ever emptied, never outdated by time: a row changed by SQL goes unseen.
func (s *Store) Cached(ctx context.Context) (map[string]string, error) {
	all, generation, found := s.cache.load()
	if !found {
		var err error
		if all, err = s.stored(ctx); err != nil {
			return nil, err
		}
		s.cache.save(all, generation)
	}
	for name, value := range s.hard {
		all[name] = value
	}
	return all, nil
}

// Purge empties the cache.
func (s *Store) Purge() error { return s.cache.Purge() }
