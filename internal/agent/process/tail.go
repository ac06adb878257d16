// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package process

// Tail keeps the first and the last bytes of a stream: the memory bound of a
// program that prints for hours.
type Tail struct {
	head, ring []byte
	next       int
	full       bool
	half       int
	Lost       int64
}

// NewTail keeps at most size bytes.
func NewTail(size int) *Tail { return &Tail{half: size / 2} }

// Write appends.
func (t *Tail) Write(p []byte) (int, error) {
	n := len(p)
	if room := t.half - len(t.head); room > 0 {
		k := min(room, len(p))
		t.head = append(t.head, p[:k]...)
		p = p[k:]
	}
	for _, b := range p {
		if len(t.ring) < t.half {
			t.ring = append(t.ring, b)
			continue
		}
		t.Lost++
		t.ring[t.next] = b
		t.next = (t.next + 1) % t.half
		t.full = true
	}
	return n, nil
}

// Head is the first half.
func (t *Tail) Head() []byte { return t.head }

// Last is the second half, oldest byte first.
func (t *Tail) Last() []byte {
	if !t.full {
		return t.ring
	}
	return append(append([]byte{}, t.ring[t.next:]...), t.ring[:t.next]...)
}
