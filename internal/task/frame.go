// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

import (
	"bufio"
	"compress/gzip"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"io"
)

// How a document travels through a container's log. Header and end are lines
// of their own; what is not between them is for people to read.
const (
	// FramePrefix begins the header line, followed by a FrameHeader in JSON.
	FramePrefix = "GRADUS-DOCUMENT "
	// FrameEnd begins the last line, followed by the name.
	FrameEnd = "GRADUS-END "
	// FrameEncoding is the only encoding so far.
	FrameEncoding = "gzip+base64"
	// FrameLine is the length of a line: kubelets cut lines at 16 KiB.
	FrameLine = 4096
	// MaxDocument bounds one document; a container's log is rotated at 10 MiB.
	MaxDocument = 16 << 20
	// MaxDocuments bounds their number.
	MaxDocuments = 256
)

// FrameHeader says what follows.
type FrameHeader struct {
	Name     string `json:"name"`
	Size     int64  `json:"size"`
	SHA256   string `json:"sha256"`
	Encoding string `json:"encoding"`
}

// WriteDocument frames what it reads from r, which must be what d says.
func WriteDocument(w io.Writer, d Document, r io.Reader) error {
	h, err := json.Marshal(FrameHeader{Name: d.Name, Size: d.Size, SHA256: d.SHA256, Encoding: FrameEncoding})
	if err != nil {
		return fmt.Errorf("encode header of %s: %w", d.Name, err)
	}
	out := bufio.NewWriter(w)
	if _, err := fmt.Fprintf(out, "%s%s\n", FramePrefix, h); err != nil {
		return fmt.Errorf("write document %s: %w", d.Name, err)
	}
	lines := &lineWriter{w: out}
	b64 := base64.NewEncoder(base64.StdEncoding, lines)
	zip := gzip.NewWriter(b64)
	if _, err := io.Copy(zip, r); err != nil {
		return fmt.Errorf("write document %s: %w", d.Name, err)
	}
	for _, c := range []io.Closer{zip, b64, lines} {
		if err := c.Close(); err != nil {
			return fmt.Errorf("write document %s: %w", d.Name, err)
		}
	}
	if _, err := fmt.Fprintf(out, "%s%s\n", FrameEnd, d.Name); err != nil {
		return fmt.Errorf("write document %s: %w", d.Name, err)
	}
	return out.Flush()
}

// lineWriter breaks a stream into lines.
type lineWriter struct {
	w   *bufio.Writer
	col int
}

func (l *lineWriter) Write(p []byte) (int, error) {
	n := len(p)
	for len(p) > 0 {
		k := min(FrameLine-l.col, len(p))
		if _, err := l.w.Write(p[:k]); err != nil {
			return 0, err
		}
		p, l.col = p[k:], l.col+k
		if l.col == FrameLine {
			if err := l.w.WriteByte('\n'); err != nil {
				return 0, err
			}
			l.col = 0
		}
	}
	return n, nil
}

// Close ends the last line.
func (l *lineWriter) Close() error {
	if l.col == 0 {
		return nil
	}
	l.col = 0
	return l.w.WriteByte('\n')
}
