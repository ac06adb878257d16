// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"errors"
	"fmt"
	"io"
	"os"
	"path/filepath"
	"strconv"
	"syscall"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// Dump writes a logical copy. The manifest comes last and makes it complete:
// whatever kills us before leaves nothing that looks like a backup.
func Dump(ctx context.Context, spec task.Dump, p *evidence.Page) error {
	done, err := dumped(spec, p)
	if done || err != nil {
		return err
	}
	t, err := Resolve(spec.Database, &p.Scrubber)
	if err != nil {
		return err
	}
	bin, err := findTools(spec.BinDir, "pg_dump", 0)
	if err != nil {
		return err
	}
	c, err := connect(ctx, t, false)
	if err != nil {
		return err
	}
	defer c.Close(context.WithoutCancel(ctx))
	m := task.Manifest{Format: task.ManifestFormat, Engine: task.PostgreSQL, Database: t.Name,
		File: spec.Name + ".dump", WithoutData: spec.ExcludeTableData}
	if err := describe(ctx, c, &m); err != nil {
		return err
	}
	if err := enoughRoom(spec, m.DatabaseSize); err != nil {
		return err
	}
	if err := removePartials(spec); err != nil {
		return err
	}
	// pg_dump and our counts see the same moment: the figures belong to this dump and to no other.
	if m.Instant, err = exportSnapshot(ctx, c); err != nil {
		return err
	}
	m.TakenAt = time.Now().UTC().Truncate(time.Second)
	p.Progress("dumping %s (%d bytes) at snapshot %s", t.Name, m.DatabaseSize, m.Instant)

	tmp, f, err := together(ctx, func(ctx context.Context) (string, error) {
		return writeDump(ctx, spec, t, bin, &m, p)
	}, func(ctx context.Context) (Figures, error) {
		return gather(ctx, c, spec.Queries, true)
	})
	if err != nil {
		return err
	}
	m.Counts, m.Tables = f.Counts, without(f.Tables, spec.ExcludeTableData)
	return complete(spec, tmp, m, p)
}

// exportSnapshot begins a transaction and names it, so that others can see what it sees.
func exportSnapshot(ctx context.Context, c *pgx.Conn) (string, error) {
	if _, err := c.Exec(ctx, snapshot); err != nil {
		return "", failed(err, "begin a snapshot")
	}
	name, err := value(ctx, c, "SELECT pg_export_snapshot()")
	if err != nil {
		return "", failed(err, "export the snapshot")
	}
	return name, nil
}

// together writes a dump, below a temporary name, while its rows are counted.
// Only one of the two can fail without the other noticing, so each ends the other.
func together(
	ctx context.Context, write func(context.Context) (string, error), count func(context.Context) (Figures, error),
) (string, Figures, error) {
	both, cancel := context.WithCancel(ctx)
	defer cancel()
	type counted struct {
		f   Figures
		err error
	}
	figures := make(chan counted, 1)
	go func() {
		f, err := count(both)
		if err != nil {
			cancel()
		}
		figures <- counted{f, err}
	}()
	tmp, err := write(both)
	if err != nil {
		cancel()
	}
	got := <-figures
	if got.err != nil && !errors.Is(got.err, context.Canceled) {
		err = got.err
	}
	if err != nil && tmp != "" {
		_ = os.Remove(tmp)
	}
	return tmp, got.f, err
}

// without drops tables whose rows were left out: their counts would never match.
func without(tables map[string]int64, excluded []string) map[string]int64 {
	for name := range tables {
		if ignored(name, excluded) {
			delete(tables, name)
		}
	}
	return tables
}

// dumped tells whether the dump is there already.
func dumped(spec task.Dump, p *evidence.Page) (bool, error) {
	path := filepath.Join(spec.Dir, spec.Name+".json")
	if _, err := os.Stat(path); errors.Is(err, os.ErrNotExist) {
		return false, nil
	}
	m, err := readManifest(path)
	if err != nil {
		return false, err
	}
	fi, err := os.Stat(filepath.Join(spec.Dir, m.File))
	if err != nil || fi.Size() != m.Size {
		return false, task.Fail(task.NameConflict, "the dump %s has a manifest that does not fit its file", spec.Name)
	}
	p.Progress("the dump %s is complete already", spec.Name)
	return true, publish(m, p)
}

// describe reads what a restore needs to make the same database again.
func describe(ctx context.Context, c *pgx.Conn, m *task.Manifest) error {
	err := c.QueryRow(ctx, `SELECT current_setting('server_version'), pg_database_size(oid),
		pg_encoding_to_char(encoding), datcollate, datctype FROM pg_database WHERE datname = current_database()`).
		Scan(&m.ServerVersion, &m.DatabaseSize, &m.Encoding, &m.Collate, &m.CType)
	if err != nil {
		return failed(err, "describe the database")
	}
	err = rows(ctx, c, `SELECT unnest(setconfig) FROM pg_db_role_setting s JOIN pg_database d ON d.oid = s.setdatabase
		WHERE d.datname = current_database() AND s.setrole = 0`, func(_ []string, v [][]byte) error {
		m.Settings = append(m.Settings, string(v[0]))
		return nil
	})
	if err != nil {
		return failed(err, "read the settings of the database")
	}
	return nil
}

func enoughRoom(spec task.Dump, size int64) error {
	if err := os.MkdirAll(spec.Dir, 0o750); err != nil {
		return task.FailBecause(err, "BackupVolumeUnusable", "make the directory for backups")
	}
	var st syscall.Statfs_t
	if err := syscall.Statfs(spec.Dir, &st); err != nil {
		return fmt.Errorf("look for free space in %s: %w", spec.Dir, err)
	}
	factor := spec.MinFreeFactor
	if factor == 0 {
		factor = 0.5
	}
	free := int64(st.Bavail) * st.Bsize
	if need := int64(float64(size) * factor); free < need {
		return task.Fail(
			task.NotEnoughSpace,
			"the backup volume has %d MiB free and the dump may need %d MiB",
			free>>20,
			need>>20,
		)
	}
	return nil
}

// removePartials clears what earlier, killed runs left.
func removePartials(spec task.Dump) error {
	old, err := filepath.Glob(filepath.Join(spec.Dir, "."+spec.Name+".partial-*"))
	if err != nil {
		return fmt.Errorf("look for unfinished dumps: %w", err)
	}
	for _, f := range old {
		if err := os.Remove(f); err != nil && !errors.Is(err, os.ErrNotExist) {
			return fmt.Errorf("remove unfinished dump: %w", err)
		}
	}
	return nil
}

// writeDump streams pg_dump into a temporary file and fills in size and digest.
func writeDump(
	ctx context.Context,
	spec task.Dump,
	t Target,
	bin string,
	m *task.Manifest,
	p *evidence.Page,
) (string, error) {
	f, err := os.CreateTemp(spec.Dir, "."+spec.Name+".partial-*")
	if err != nil {
		return "", task.FailBecause(err, "BackupVolumeUnusable", "create a file on the backup volume")
	}
	defer f.Close()
	sum := sha256.New()
	out := &meter{w: io.MultiWriter(f, sum), p: p, every: 10 * time.Second, last: time.Now()}
	argv := []string{bin, "--format=custom", "--no-password", "--lock-wait-timeout=60000", "--snapshot=" + m.Instant}
	if spec.Compression != nil {
		argv = append(argv, "--compress="+strconv.Itoa(*spec.Compression))
	}
	for _, e := range spec.ExcludeTableData {
		argv = append(argv, "--exclude-table-data="+e)
	}
	err = tool(ctx, append(argv, "--dbname="+t.conninfo()), t, out, p)
	if errors.Is(out.err, syscall.ENOSPC) || errors.Is(out.err, syscall.EDQUOT) {
		err = task.Fail(task.NotEnoughSpace, "the backup volume is full after %d MiB", out.n>>20)
	}
	if err != nil {
		return f.Name(), err
	}
	if err := f.Sync(); err != nil {
		return f.Name(), fmt.Errorf("sync %s: %w", f.Name(), err)
	}
	m.Size, m.SHA256 = out.n, hex.EncodeToString(sum.Sum(nil))
	return f.Name(), nil
}
