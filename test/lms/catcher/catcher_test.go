// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package catcher

import (
	"context"
	"encoding/json"
	"net"
	"net/http/httptest"
	"net/smtp"
	"testing"
)

func TestCatcherCounts(t *testing.T) {
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		t.Fatal(err)
	}
	box := &Catcher{}
	ctx, cancel := context.WithCancel(t.Context())
	ended := make(chan error, 1)
	go func() { ended <- box.ServeSMTP(ctx, listener) }()
	text := "From: a@b.example\r\nSubject: First\r\n\r\nSubject: not this\r\n.\r\n..dots\r\n"
	for range 3 {
		err := smtp.SendMail(listener.Addr().String(), nil, "a@b.example", []string{"c@d.example", "e@f.example"}, []byte(text))
		if err != nil {
			t.Fatal(err)
		}
	}
	cancel()
	if err := <-ended; err != nil {
		t.Errorf("end: %v", err)
	}
	ask := func(method, path string, into any) {
		t.Helper()
		recorder := httptest.NewRecorder()
		box.Handler().ServeHTTP(recorder, httptest.NewRequest(method, path, nil))
		if into == nil {
			return
		}
		if err := json.Unmarshal(recorder.Body.Bytes(), into); err != nil {
			t.Fatalf("%s: %v: %s", path, err, recorder.Body)
		}
	}
	var count struct{ Count int }
	if ask("GET", "/count", &count); count.Count != 3 {
		t.Errorf("%d mails", count.Count)
	}
	var messages []Message
	if ask("GET", "/messages", &messages); len(messages) != 3 || messages[0].Subject != "First" || len(messages[0].To) != 2 {
		t.Errorf("messages: %+v", messages)
	}
	ask("POST", "/hook", nil)
	if ask("GET", "/hooks", &count); count.Count != 1 {
		t.Errorf("%d calls", count.Count)
	}
	if ask("POST", "/reset", &count); count.Count != 0 {
		t.Errorf("%d after reset", count.Count)
	}
}
