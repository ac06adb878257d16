// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"strings"
	"syscall"
	"time"
)

// inRow is how many refusals prove it: network policies arrive up to a
// quarter of a second after the pod.
const inRow = 3

// canaries is a flag that may be given several times.
type canaries []string

func (c *canaries) String() string { return strings.Join(*c, ",") }

// Set adds one.
func (c *canaries) Set(v string) error {
	if _, _, err := net.SplitHostPort(v); err != nil {
		return fmt.Errorf("want host:port: %w", err)
	}
	*c = append(*c, v)
	return nil
}

// awaitClosed is the first init container of every pod of a copy.
func awaitClosed(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("await-closed", flag.ContinueOnError)
	var list canaries
	f.Var(&list, "canary", "host:port that must be refused; may be given several times")
	limit := f.Duration("timeout", time.Minute, "when to give up")
	each := f.Duration(
		"connect-timeout",
		500*time.Millisecond,
		"how long a connect may stay unanswered before it counts as refused",
	)
	usage := fmt.Sprintf("Leaves with 0 when every canary was refused %d times in a row, else with 1.", inRow)
	if code, done := parse(f, usage, args, stdout, stderr); done {
		return code
	}
	if len(list) == 0 {
		fmt.Fprintln(stderr, "gradus agent await-closed: without a canary nothing is proven; give --canary")
		return 2
	}
	ctx, cancel := context.WithTimeout(ctx, *limit)
	defer cancel()
	if err := refused(ctx, list, *each, stdout); err != nil {
		fmt.Fprintf(stderr, "gradus agent await-closed: %v\n", err)
		return 1
	}
	return 0
}

// refused returns when all canaries were refused in as many rounds as it takes.
func refused(ctx context.Context, list []string, each time.Duration, out io.Writer) error {
	began, row, last := time.Now(), 0, map[string]string{}
	for row < inRow {
		closed := true
		for _, c := range list {
			saw, ok := try(ctx, c, each)
			if ctx.Err() != nil {
				return fmt.Errorf("the network is not closed: %s", last)
			}
			if last[c] != saw {
				last[c] = saw
				fmt.Fprintf(out, "%6d ms %s: %s\n", time.Since(began).Milliseconds(), c, saw)
			}
			closed = closed && ok
		}
		if closed {
			row++
		} else {
			row = 0
		}
		timer := time.NewTimer(50 * time.Millisecond)
		select {
		case <-timer.C:
		case <-ctx.Done():
			timer.Stop()
			if row < inRow {
				return fmt.Errorf("the network is not closed: %s", last)
			}
		}
	}
	fmt.Fprintf(
		out,
		"%6d ms closed: every canary was refused %d times in a row\n",
		time.Since(began).Milliseconds(),
		inRow,
	)
	return nil
}

// try connects once. Only a refusal or silence is a proof: a name that does
// not resolve says nothing about the address behind it.
func try(ctx context.Context, canary string, each time.Duration) (string, bool) {
	d := net.Dialer{Timeout: each}
	conn, err := d.DialContext(ctx, "tcp", canary)
	if err == nil {
		_ = conn.Close()
		return "answers", false
	}
	var dns *net.DNSError
	var timeout net.Error
	switch {
	case errors.As(err, &dns):
		return "its name does not resolve, which proves nothing", false
	case errors.Is(err, syscall.ECONNREFUSED), errors.Is(err, syscall.EHOSTUNREACH),
		errors.Is(err, syscall.ENETUNREACH), errors.Is(err, syscall.EACCES), errors.Is(err, syscall.EPERM):
		return "refused", true
	case errors.As(err, &timeout) && timeout.Timeout():
		return "no answer", true
	}
	return err.Error(), false
}
