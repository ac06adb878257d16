// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package catcher is where the mail and the webhook calls of the test site end:
// it counts them and delivers nothing.
package catcher

import (
	"bufio"
	"context"
	"fmt"
	"io"
	"net"
	"strings"
	"time"
)

// idleLimit ends a connection that says nothing.
const idleLimit = 30 * time.Second

// ServeSMTP takes mail until the context ends.
func (c *Catcher) ServeSMTP(ctx context.Context, listener net.Listener) error {
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept mail: %w", err)
		}
		go c.talk(conn)
	}
}

func (c *Catcher) talk(conn net.Conn) {
	defer func() { _ = conn.Close() }()
	reader := bufio.NewReader(io.LimitReader(conn, 32<<20))
	say := func(line string) { _, _ = fmt.Fprintf(conn, "%s\r\n", line) }
	say("220 campus catcher")
	var message Message
	for {
		_ = conn.SetDeadline(time.Now().Add(idleLimit))
		line, err := reader.ReadString('\n')
		if err != nil {
			return
		}
		verb, rest, _ := strings.Cut(strings.TrimSpace(line), " ")
		switch strings.ToUpper(verb) {
		case "MAIL":
			message = Message{From: address(rest)}
			say("250 ok")
		case "RCPT":
			message.To = append(message.To, address(rest))
			say("250 ok")
		case "DATA":
			say("354 go on")
			if message.Subject, err = readData(reader); err != nil {
				return
			}
			c.addMail(message)
			say("250 caught")
		case "QUIT":
			say("221 bye")
			return
		default: // HELO, EHLO, RSET, NOOP
			say("250 ok")
		}
	}
}

func address(text string) string {
	_, text, _ = strings.Cut(text, "<")
	text, _, _ = strings.Cut(text, ">")
	return text
}

// readData reads to the single dot and keeps the subject.
func readData(reader *bufio.Reader) (subject string, err error) {
	for {
		line, err := reader.ReadString('\n')
		if err != nil {
			return "", err
		}
		line = strings.TrimRight(line, "\r\n")
		if line == "." {
			return subject, nil
		}
		if name, value, found := strings.Cut(line, ":"); found && subject == "" && strings.EqualFold(name, "Subject") {
			subject = strings.TrimSpace(value)
		}
	}
}
