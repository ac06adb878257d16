// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package web

import (
	"errors"
	"fmt"
	"io"
	"io/fs"
	"net/http"
	"regexp"
	"time"

	"github.com/gradus-lms/gradus/test/lms/database"
)

var contentHash = regexp.MustCompile(`^[0-9a-f]{40}$`)

// maxUpload bounds the memory and the disk that one request can take.
const maxUpload = 16 << 20

func (s *Server) file(w http.ResponseWriter, r *http.Request, _ user) error {
	s.heat("file")
	hash := r.PathValue("hash")
	if !contentHash.MatchString(hash) {
		return errNotFound
	}
	query := "SELECT filename FROM {files} WHERE contenthash = $1 LIMIT 1"
	if s.Code.AtLeast("2.0") {
		query = `SELECT f.filename FROM {files} f JOIN {file_blobs} b USING (contenthash)
			WHERE contenthash = $1 LIMIT 1`
	}
	var name string
	err := s.DB.Row(r.Context(), query, []any{hash}, &name)
	if database.IsMissing(err) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	blob, err := s.Files.Open(hash)
	if errors.Is(err, fs.ErrNotExist) {
		return errNotFound
	}
	if err != nil {
		return err
	}
	defer func() { _ = blob.Close() }()
	w.Header().Set("Content-Type", "application/octet-stream")
	w.Header().Set("ETag", `"`+hash+`"`)
	_, err = io.Copy(w, blob)
	return err
}

func (s *Server) upload(w http.ResponseWriter, r *http.Request, u user) error {
	course, err := number(r)
	if err != nil || u.role == "student" {
		return errNotFound
	}
	hash, size, err := s.Files.Put(http.MaxBytesReader(w, r.Body, maxUpload))
	if err != nil {
		return err
	}
	ctx := r.Context()
	err = s.DB.InTransaction(ctx, func(tx *database.DB) error {
		_, err := tx.Exec(ctx, `INSERT INTO {files} (courseid, contenthash, filename, filesize, created_at)
			VALUES ($1, $2, $3, $4, $5)`, course, hash, r.URL.Query().Get("name"), size, time.Now().Unix())
		if err != nil || !s.Code.AtLeast("2.0") {
			return err
		}
		_, err = tx.Exec(ctx, `INSERT INTO {file_blobs} AS b (contenthash, filesize, refcount) VALUES ($1, $2, 1)
			ON CONFLICT (contenthash) DO UPDATE SET refcount = b.refcount + 1`, hash, size)
		return err
	})
	if err != nil {
		return err
	}
	http.Redirect(w, r, fmt.Sprintf("/course/%d", course), http.StatusSeeOther)
	return nil
}

// deleteFile removes every row of the blob and puts the blob into the trash,
// which is emptied soon: there is no way back for users.
func (s *Server) deleteFile(w http.ResponseWriter, r *http.Request, u user) error {
	hash := r.PathValue("hash")
	if u.role == "student" || !contentHash.MatchString(hash) {
		return errNotFound
	}
	rows, err := s.DB.Exec(r.Context(), "DELETE FROM {files} WHERE contenthash = $1", hash)
	if err != nil {
		return err
	}
	if rows == 0 {
		return errNotFound
	}
	if s.Code.AtLeast("2.0") {
		if _, err := s.DB.Exec(r.Context(), "DELETE FROM {file_blobs} WHERE contenthash = $1", hash); err != nil {
			return err
		}
	}
	if err := s.Files.Trash(hash); err != nil {
		return err
	}
	http.Redirect(w, r, "/my", http.StatusSeeOther)
	return nil
}
