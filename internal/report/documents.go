// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package report

import (
	"bufio"
	"bytes"
	"compress/gzip"
	"crypto/sha256"
	"encoding/base64"
	"encoding/hex"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"strings"

	"github.com/gradus-lms/gradus/internal/task"
)

// maxTotal bounds all documents of one log together.
const maxTotal = 64 << 20

// maxLine bounds a line of a log.
const maxLine = 64 << 10

// ReadDocuments finds the wanted documents in a log and proves each by size
// and digest. The error names all that are missing or wrong; what is right is
// there nevertheless.
func ReadDocuments(log io.Reader, want []task.Document) (map[string][]byte, error) {
	if err := saneDocuments(want); err != nil {
		return nil, fmt.Errorf("read documents: %w", err)
	}
	wanted := map[string]task.Document{}
	var total int64
	for _, d := range want {
		wanted[d.Name] = d
		total += d.Size
	}
	if total > maxTotal {
		return nil, fmt.Errorf("read documents: %d bytes in all, at most %d are allowed", total, maxTotal)
	}
	out := map[string][]byte{}
	in := bufio.NewReaderSize(log, maxLine)
	for {
		line, err := readLine(in)
		if errors.Is(err, io.EOF) {
			break
		}
		if err != nil {
			return out, fmt.Errorf("read documents: %w", err)
		}
		d, ok := announced(line, wanted)
		if !ok {
			continue
		}
		// A frame that is not what was promised is as good as none: a later one may be.
		if b, err := readFrame(in, d); err == nil {
			out[d.Name] = b
		}
	}
	var missing []string
	for _, d := range want {
		if _, ok := out[d.Name]; !ok {
			missing = append(missing, d.Name)
		}
	}
	if len(missing) > 0 {
		return out, fmt.Errorf("read documents: missing or damaged: %s", strings.Join(missing, ", "))
	}
	return out, nil
}

// announced reads a header line. Only what the termination message promised is read at all.
func announced(line []byte, wanted map[string]task.Document) (task.Document, bool) {
	rest, ok := bytes.CutPrefix(line, []byte(task.FramePrefix))
	if !ok {
		return task.Document{}, false
	}
	var h task.FrameHeader
	if json.Unmarshal(rest, &h) != nil || h.Encoding != task.FrameEncoding {
		return task.Document{}, false
	}
	d, ok := wanted[h.Name]
	return d, ok && d.Size == h.Size && d.SHA256 == h.SHA256
}

// readFrame reads up to the end line.
func readFrame(in *bufio.Reader, d task.Document) ([]byte, error) {
	var text bytes.Buffer
	// gzip of what cannot be made smaller is a little longer than the content.
	limit := d.Size + d.Size/2 + 4096
	for {
		line, err := readLine(in)
		if err != nil {
			return nil, fmt.Errorf("read %s: %w", d.Name, err)
		}
		if name, ok := bytes.CutPrefix(line, []byte(task.FrameEnd)); ok {
			if string(name) != d.Name {
				return nil, fmt.Errorf("read %s: another document's end", d.Name)
			}
			break
		}
		if int64(text.Len()+len(line)) > limit {
			return nil, fmt.Errorf("read %s: longer than announced", d.Name)
		}
		text.Write(line)
	}
	zip, err := gzip.NewReader(base64.NewDecoder(base64.StdEncoding, &text))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", d.Name, err)
	}
	b, err := io.ReadAll(io.LimitReader(zip, d.Size+1))
	if err != nil {
		return nil, fmt.Errorf("unpack %s: %w", d.Name, err)
	}
	sum := sha256.Sum256(b)
	if int64(len(b)) != d.Size || hex.EncodeToString(sum[:]) != d.SHA256 {
		return nil, fmt.Errorf("unpack %s: not what was announced", d.Name)
	}
	return b, nil
}

// readLine gives a line without its end; of one that is too long, the beginning.
func readLine(in *bufio.Reader) ([]byte, error) {
	line, more, err := in.ReadLine()
	if err != nil {
		return nil, err
	}
	line = bytes.Clone(line)
	for more {
		if _, more, err = in.ReadLine(); err != nil && !errors.Is(err, io.EOF) {
			return nil, err
		}
	}
	return bytes.TrimRight(line, "\r"), nil
}

// Read gives the whole result of a pod and its documents, from its termination
// message and its log. Without the log (rotated, node gone) the shortened
// result stands, and the error says what is missing.
func Read(termination []byte, log io.ReadSeeker) (task.Result, map[string][]byte, error) {
	short, err := ParseTermination(termination)
	if err != nil {
		return task.Result{}, nil, err
	}
	if !short.Truncated {
		docs, err := ReadDocuments(log, short.Documents)
		return short, docs, err
	}
	first, err := ReadDocuments(log, short.Documents)
	b, ok := first[task.ResultDocument]
	if !ok {
		if err == nil {
			err = errors.New("read documents: the termination message names no result")
		}
		return short, first, err
	}
	whole, err := ParseResult(b)
	if err != nil {
		return short, first, err
	}
	if whole.OK != short.OK || whole.Reason != short.Reason {
		return short, first, errors.New("read result: contradicts the termination message")
	}
	if _, err := log.Seek(0, io.SeekStart); err != nil {
		return whole, first, fmt.Errorf("read documents: %w", err)
	}
	docs, err := ReadDocuments(log, whole.Documents)
	if docs == nil {
		docs = map[string][]byte{}
	}
	docs[task.ResultDocument] = b
	return whole, docs, err
}
