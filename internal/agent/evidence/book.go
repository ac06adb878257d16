// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package evidence collects what a task finds: facts, findings and documents,
// with all known secrets taken out on the way in.
package evidence

import (
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"hash"
	"io"
	"os"
	"path/filepath"
	"strings"
	"sync"
	"time"

	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/task"
)

// Documents is the directory below the output directory.
const Documents = "documents"

// Book is what one task has found so far. It is safe for concurrent use.
type Book struct {
	Scrubber
	dir string
	out io.Writer

	outMu sync.Mutex
	mu    sync.Mutex
	res   task.Result
}

// Open makes a book whose documents go below dir and whose progress goes to out.
func Open(dir string, out io.Writer) (*Book, error) {
	if err := os.MkdirAll(filepath.Join(dir, Documents), 0o755); err != nil {
		return nil, fmt.Errorf("make directory for documents: %w", err)
	}
	return &Book{dir: dir, out: out, res: task.Result{Facts: map[string]string{}}}, nil
}

// Result is a copy of what was collected.
func (b *Book) Result() task.Result {
	b.mu.Lock()
	defer b.mu.Unlock()
	r := b.res
	r.Facts = make(map[string]string, len(b.res.Facts))
	for k, v := range b.res.Facts {
		r.Facts[k] = v
	}
	return r
}

// Did records what became of an action.
func (b *Book) Did(a task.ActionResult) {
	b.mu.Lock()
	defer b.mu.Unlock()
	b.res.Actions = append(b.res.Actions, a)
}

// Page is the book as one action sees it: names are prefixed with the action's.
type Page struct {
	*Book
	Action string
	// Blocked counts the blocking findings of this action.
	Blocked int
	First   task.Finding
}

// Page opens a page.
func (b *Book) Page(action string) *Page { return &Page{Book: b, Action: action} }

// Fact records a value; the last one counts.
func (p *Page) Fact(key, value string) {
	p.mu.Lock()
	defer p.mu.Unlock()
	p.res.Facts[p.Action+"."+key] = message.Clip(p.Clean(value), 512)
}

// maxFindings bounds the result; a check that finds more has said enough.
const maxFindings = 200

// Find records a finding.
func (p *Page) Find(severity task.Severity, code, component, format string, args ...any) {
	f := task.Finding{Severity: severity, Code: code, Component: p.Clean(component),
		Message: message.Clip(p.Clean(fmt.Sprintf(format, args...)), 500)}
	p.mu.Lock()
	defer p.mu.Unlock()
	if severity == task.Blocking {
		if p.Blocked == 0 {
			p.First = f
		}
		p.Blocked++
	}
	if len(p.res.Findings) < maxFindings {
		p.res.Findings = append(p.res.Findings, f)
	}
}

// Progress prints a line for whoever follows the log.
func (p *Page) Progress(format string, args ...any) {
	line := p.Clean(strings.TrimRight(fmt.Sprintf(format, args...), "\n"))
	p.outMu.Lock()
	defer p.outMu.Unlock()
	fmt.Fprintf(p.out, "%s %s: %s\n", time.Now().UTC().Format("15:04:05"), p.Action, line)
}

// Document writes a small document at once.
func (p *Page) Document(name string, content []byte) error {
	d, err := p.NewDocument(name)
	if err != nil {
		return err
	}
	if _, err := d.Write([]byte(p.Clean(string(content)))); err != nil {
		return err
	}
	return d.Close()
}

// Draft is a document that is being written.
type Draft struct {
	page *Page
	name string
	f    *os.File
	sum  hash.Hash
	size int64
	left int64
}

// NewDocument begins a document. The writer has to scrub what it writes.
func (p *Page) NewDocument(name string) (*Draft, error) {
	full := p.Action + "." + name
	f, err := os.Create(filepath.Join(p.dir, Documents, full))
	if err != nil {
		return nil, fmt.Errorf("create document %s: %w", full, err)
	}
	return &Draft{page: p, name: full, f: f, sum: sha256.New(), left: task.MaxDocument}, nil
}

// Write appends; what is over the bound is left out and the document says so by its fact.
func (d *Draft) Write(b []byte) (int, error) {
	n := len(b)
	if int64(n) > d.left {
		b = b[:d.left]
		d.page.Fact("truncated", "true")
	}
	d.left -= int64(len(b))
	d.size += int64(len(b))
	d.sum.Write(b)
	if _, err := d.f.Write(b); err != nil {
		return 0, fmt.Errorf("write document %s: %w", d.name, err)
	}
	return n, nil
}

// Close makes the document part of the result.
func (d *Draft) Close() error {
	if err := d.f.Close(); err != nil {
		return fmt.Errorf("close document %s: %w", d.name, err)
	}
	d.page.mu.Lock()
	defer d.page.mu.Unlock()
	d.page.res.Documents = append(d.page.res.Documents,
		task.Document{Name: d.name, Size: d.size, SHA256: hex.EncodeToString(d.sum.Sum(nil))})
	return nil
}
