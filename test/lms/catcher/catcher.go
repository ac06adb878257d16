// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package catcher

import (
	"encoding/json"
	"io"
	"net/http"
	"sync"
	"time"
)

// keep bounds the messages that are remembered; all are counted.
const keep = 1000

// Message is one caught mail.
type Message struct {
	From    string    `json:"from"`
	To      []string  `json:"to"`
	Subject string    `json:"subject"`
	At      time.Time `json:"at"`
}

// Catcher counts.
type Catcher struct {
	mu       sync.Mutex
	mails    int64
	hooks    int64
	messages []Message
}

func (c *Catcher) addMail(message Message) {
	c.mu.Lock()
	defer c.mu.Unlock()
	c.mails++
	message.At = time.Now().UTC()
	c.messages = append(c.messages, message)
	if len(c.messages) > keep {
		c.messages = c.messages[len(c.messages)-keep:]
	}
}

// Handler tells the counts and receives webhook calls.
func (c *Catcher) Handler() http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("GET /healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("GET /count", func(w http.ResponseWriter, _ *http.Request) {
		c.answer(w, func() any { return map[string]int64{"count": c.mails} })
	})
	mux.HandleFunc("GET /hooks", func(w http.ResponseWriter, _ *http.Request) {
		c.answer(w, func() any { return map[string]int64{"count": c.hooks} })
	})
	mux.HandleFunc("GET /messages", func(w http.ResponseWriter, _ *http.Request) {
		c.answer(w, func() any { return append([]Message{}, c.messages...) })
	})
	mux.HandleFunc("POST /reset", func(w http.ResponseWriter, _ *http.Request) {
		c.answer(w, func() any {
			c.mails, c.hooks, c.messages = 0, 0, nil
			return map[string]int64{"count": 0}
		})
	})
	mux.HandleFunc("/hook", func(w http.ResponseWriter, _ *http.Request) {
		c.mu.Lock()
		defer c.mu.Unlock()
		c.hooks++
		w.WriteHeader(http.StatusNoContent)
	})
	return mux
}

func (c *Catcher) answer(w http.ResponseWriter, read func() any) {
	c.mu.Lock()
	value := read()
	c.mu.Unlock()
	w.Header().Set("Content-Type", "application/json")
	_ = json.NewEncoder(w).Encode(value)
}
