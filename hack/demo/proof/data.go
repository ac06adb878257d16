// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package proof judges what was seen during an upgrade. Nothing here asks
// Gradus whether all is well.
package proof

import (
	"encoding/json"
	"fmt"
	"slices"
)

// Data is what the LMS itself counts and hashes.
type Data struct {
	Release string           `json:"release"`
	Tables  map[string]Table `json:"tables"`
	Files   Files            `json:"files"`
}

// Table is one table's rows and a digest that does not depend on their order.
type Table struct {
	Rows   int64  `json:"rows"`
	Digest string `json:"digest"`
}

// Files compares the rows of files with the blobs on the volume.
type Files struct {
	Rows    int64 `json:"rows"`
	Blobs   int64 `json:"blobs"`
	Bytes   int64 `json:"bytes"`
	Missing int64 `json:"missing"`
	Corrupt int64 `json:"corrupt"`
}

// ReadData reads the answer of campus stats --json --hash-files.
func ReadData(log string) (Data, error) {
	var d Data
	if err := json.Unmarshal([]byte(log), &d); err != nil {
		return d, fmt.Errorf("read statistics: %w", err)
	}
	return d, nil
}

// Differences lists what is not as it was before. The release is not data.
func (d Data) Differences(after Data) []string {
	var out []string
	for name, before := range d.Tables {
		if now := after.Tables[name]; now != before {
			out = append(out, fmt.Sprintf("%s: %d rows (%.8s) before, %d (%.8s) after",
				name, before.Rows, before.Digest, now.Rows, now.Digest))
		}
	}
	if d.Files != after.Files {
		out = append(out, fmt.Sprintf("files: %+v before, %+v after", d.Files, after.Files))
	}
	if after.Files.Missing+after.Files.Corrupt > 0 {
		out = append(out, fmt.Sprintf("files: %d missing, %d with another hash than their name",
			after.Files.Missing, after.Files.Corrupt))
	}
	slices.Sort(out)
	return out
}

// String tells the figures that people ask for.
func (d Data) String() string {
	rows := func(table string) int64 { return d.Tables[table].Rows }
	return fmt.Sprintf("%d users, %d posts, %d attempts, %d grades, %d files in %d blobs",
		rows("users"), rows("posts"), rows("attempts"), rows("grades"), d.Files.Rows, d.Files.Blobs)
}
