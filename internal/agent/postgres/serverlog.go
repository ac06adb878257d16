// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package postgres

import (
	"bufio"
	"io"
	"strings"

	"github.com/gradus-lms/gradus/internal/agent/evidence"
)

// follow reads the server's log: it is where the server says that it is ready,
// and why it is not. It reads to the end, or the server would block.
func (s *server) follow(r io.Reader, ready chan struct{}, p *evidence.Page) {
	in := bufio.NewReaderSize(r, 16<<10)
	open := true
	for {
		line, err := in.ReadString('\n')
		line = strings.TrimSpace(line)
		if line != "" {
			p.Progress("%s", line)
			s.mu.Lock()
			if s.last == "" || strings.Contains(line, "FATAL") || strings.Contains(line, "PANIC") {
				s.last = line
			}
			s.mu.Unlock()
		}
		// While a standby it accepts read-only connections only, which are "ready" in other words.
		if open && strings.Contains(line, "database system is ready to accept connections") {
			open = false
			close(ready)
		}
		if err != nil {
			return
		}
	}
}
