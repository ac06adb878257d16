// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// connection is one that was accepted, or tried.
type connection struct {
	At   string `json:"at"`
	From string `json:"from,omitempty"`
	To   string `json:"to"`
	Said string `json:"said,omitempty"`
}

// relay listens and passes every connection on.
func relay(pairs []string) error {
	ended := make(chan error)
	for _, pair := range pairs {
		listen, to, ok := strings.Cut(pair, "=")
		if !ok {
			return fmt.Errorf("read %q: want LISTEN=TO", pair)
		}
		listener, err := net.Listen("tcp", listen)
		if err != nil {
			return err
		}
		go func() { ended <- accept(listener, to) }()
	}
	return <-ended
}

func accept(listener net.Listener, to string) error {
	for {
		client, err := listener.Accept()
		if err != nil {
			return err
		}
		from, _, _ := net.SplitHostPort(client.RemoteAddr().String())
		say(connection{At: now(), From: from, To: to})
		go pass(client, to)
	}
}

func pass(client net.Conn, to string) {
	defer client.Close()
	server, err := net.DialTimeout("tcp", to, patience)
	if err != nil {
		return
	}
	defer server.Close()
	done := make(chan struct{}, 2)
	for _, way := range [][2]net.Conn{{client, server}, {server, client}} {
		go func() {
			_, _ = io.Copy(way[1], way[0])
			if half, ok := way[1].(*net.TCPConn); ok {
				_ = half.CloseWrite()
			}
			done <- struct{}{}
		}()
	}
	<-done
	<-done
}

// reach tries every address until its answer is the same three times in a row:
// rules for a new pod follow its start by a fraction of a second.
func reach(addresses []string) error {
	open := 0
	for _, address := range addresses {
		said, same := "", 0
		for range time.Tick(interval) {
			answer := "refused"
			if c, err := net.DialTimeout("tcp", address, 2*time.Second); err == nil {
				_ = c.Close()
				answer = "reached"
			}
			if answer != said {
				said, same = answer, 0
			}
			if same++; same == 3 {
				break
			}
		}
		say(connection{At: now(), To: address, Said: said})
		if said == "reached" {
			open++
		}
	}
	if open > 0 {
		return errors.New("something outside can be reached")
	}
	return nil
}
