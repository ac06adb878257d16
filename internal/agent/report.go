// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"flag"
	"fmt"
	"io"
	"os"
	"path/filepath"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
	"github.com/gradus-lms/gradus/internal/task"
)

// reportResult is the main container: its log has the documents, its
// termination message the shortened result, its code the verdict.
func reportResult(_ context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("report", flag.ContinueOnError)
	out := f.String("out", task.OutDir, "directory with result and documents")
	term := f.String("termination", task.TerminationPath, "file of the termination message")
	const usage = "Prints the documents and writes the termination message. Exits 1 when the result is not OK."
	if code, done := parse(f, usage, args, stdout, stderr); done {
		return code
	}
	r, err := frames(*out, stdout)
	if err != nil {
		fmt.Fprintf(stderr, "gradus agent report: %v\n", err)
		r = task.Result{Reason: task.NoResult, Message: err.Error()}
	}
	if err := os.WriteFile(*term, task.EncodeTermination(r), 0o644); err != nil {
		fmt.Fprintf(stderr, "gradus agent report: write termination message: %v\n", err)
		return 1
	}
	if !r.OK {
		return 1
	}
	return 0
}

// frames prints the documents and gives the result, to which the whole result
// is added as its first document.
func frames(dir string, stdout io.Writer) (task.Result, error) {
	b, err := os.ReadFile(filepath.Join(dir, task.ResultDocument))
	if err != nil {
		return task.Result{}, fmt.Errorf("read result: %w", err)
	}
	var r task.Result
	if err := json.Unmarshal(b, &r); err != nil {
		return task.Result{}, fmt.Errorf("read result: %w", err)
	}
	sum := sha256.Sum256(b)
	whole := task.Document{Name: task.ResultDocument, Size: int64(len(b)), SHA256: hex.EncodeToString(sum[:])}
	docs := append([]task.Document{whole}, r.Documents...)
	for _, d := range docs {
		path := filepath.Join(dir, evidence.Documents, filepath.Base(d.Name))
		if d.Name == task.ResultDocument {
			path = filepath.Join(dir, d.Name)
		}
		if err := send(stdout, d, path); err != nil {
			return task.Result{}, err
		}
	}
	r.Documents = docs
	return r, nil
}

func send(w io.Writer, d task.Document, path string) error {
	f, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open document %s: %w", d.Name, err)
	}
	defer f.Close()
	return task.WriteDocument(w, d, f)
}
