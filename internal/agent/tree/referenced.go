// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package tree

import (
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"strconv"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// References looks up, one by one, the blobs that the database knows. Nothing
// is kept in memory: there may be millions.
type References struct {
	root                   string
	p                      *evidence.Page
	count, missing, differ int64
}

// NewReferences begins.
func NewReferences(root string, p *evidence.Page) *References { return &References{root: root, p: p} }

// examples is how many blobs are named; the numbers are complete.
const examples = 20

// Check looks one blob up; size may be "".
func (r *References) Check(sum, size string) error {
	if len(sum) < 4 {
		return nil
	}
	r.count++
	fi, err := os.Stat(filepath.Join(r.root, sum[:2], sum[2:4], filepath.Base(sum)))
	switch {
	case errors.Is(err, fs.ErrNotExist):
		if r.missing++; r.missing <= examples {
			r.p.Find(task.Warning, task.BlobMissing, sum, "the database knows the file %s and it is not there", sum)
		}
	case err != nil:
		return err
	case size != "" && strconv.FormatInt(fi.Size(), 10) != size:
		if r.differ++; r.differ <= examples {
			r.p.Find(
				task.Blocking,
				task.HashMismatch,
				sum,
				"the file %s has %d bytes, the database says %s",
				sum,
				fi.Size(),
				size,
			)
		}
	}
	return nil
}

// Conclude blames what is missing beyond what was missing before.
func (r *References) Conclude(before int64) error {
	r.p.Fact("referenced", strconv.FormatInt(r.count, 10))
	r.p.Fact("missing", strconv.FormatInt(r.missing, 10))
	r.p.Fact("sizeDiffers", strconv.FormatInt(r.differ, 10))
	if r.missing > before {
		return task.Fail(task.BlobMissing, "%d files that the database names are not there; %d are known to be missing: "+
			"spec.volumes[].missingFiles of the Site", r.missing, before)
	}
	if r.differ > 0 {
		return task.Fail(task.HashMismatch, "%d files have another size than the database says", r.differ)
	}
	return nil
}
