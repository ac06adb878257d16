// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command probe is what conformance tests run in pods: it needs no shell, no
// libc and no writable root.
package main

import (
	"context"
	"fmt"
	"io"
	"net"
	"net/http"
	"os"
	"os/signal"
	"strings"
	"syscall"
	"time"
)

const patience = 3 * time.Second

var commands = map[string]func(args []string) error{
	"serve":  first(serve),
	"get":    first(get),
	"lookup": first(lookup),
	"dial":   first(dial),
	"reach":  first(reach),
	"watch":  first(watch),
	"fill":   first(fill),
	"check":  first(check),
	"write":  func(args []string) error { return write(argument(args, 0), argument(args, 1)) },
	"verify": verifyAll,
	"sleep":  func([]string) error { sleep(); return nil },
}

func main() {
	if len(os.Args) < 2 {
		fail("usage: probe serve|get|lookup|dial|reach|watch|fill|check|write|verify|sleep ...")
	}
	command, found := commands[os.Args[1]]
	if !found {
		fail(os.Args[1] + ": no such command")
	}
	if err := command(os.Args[2:]); err != nil {
		fail(err.Error())
	}
}

// first is for commands that take one argument.
func first(command func(string) error) func([]string) error {
	return func(args []string) error { return command(argument(args, 0)) }
}

// argument is empty where nothing was given: a mode, for one, may be left out.
func argument(args []string, position int) string {
	if position >= len(args) {
		return ""
	}
	return args[position]
}

func fail(message string) {
	fmt.Fprintln(os.Stderr, "probe:", message)
	os.Exit(1)
}

func sleep() {
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
}

// serve answers every request with the pod's name.
func serve(address string) error {
	go func() { sleep(); os.Exit(0) }()
	name, err := os.Hostname()
	if err != nil {
		return fmt.Errorf("read host name: %w", err)
	}
	http.HandleFunc("/", func(w http.ResponseWriter, _ *http.Request) { fmt.Fprintln(w, name) })
	return http.ListenAndServe(address, nil)
}

func get(url string) error {
	client := http.Client{Timeout: patience}
	response, err := client.Get(url)
	if err != nil {
		return err
	}
	defer response.Body.Close()
	if _, err := io.Copy(os.Stdout, response.Body); err != nil {
		return fmt.Errorf("read answer: %w", err)
	}
	if response.StatusCode != http.StatusOK {
		return fmt.Errorf("get %s: %s", url, response.Status)
	}
	return nil
}

func lookup(name string) error {
	ctx, cancel := context.WithTimeout(context.Background(), patience)
	defer cancel()
	addresses, err := net.DefaultResolver.LookupHost(ctx, name)
	if err != nil {
		return err
	}
	fmt.Println(strings.Join(addresses, " "))
	return nil
}

func dial(address string) error {
	connection, err := net.DialTimeout("tcp", address, patience)
	if err != nil {
		return err
	}
	fmt.Println("connected")
	return connection.Close()
}

// reach dials until it succeeds: a policy that lets a pod in, too, follows the
// pod's start by a fraction of a second.
func reach(address string) error {
	for deadline := time.Now().Add(patience); ; time.Sleep(20 * time.Millisecond) {
		err := dial(address)
		if err == nil || time.Now().After(deadline) {
			return err
		}
	}
}

// watch prints each change between reachable and refused, with the time since
// its own start.
func watch(address string) error {
	go func() { sleep(); os.Exit(0) }()
	start, last := time.Now(), ""
	for {
		state := "reachable"
		connection, err := net.DialTimeout("tcp", address, 200*time.Millisecond)
		if err != nil {
			state = "refused"
		} else if err := connection.Close(); err != nil {
			return fmt.Errorf("close connection: %w", err)
		}
		if state != last {
			fmt.Printf("%d ms: %s\n", time.Since(start).Milliseconds(), state)
			last = state
		}
		time.Sleep(5 * time.Millisecond)
	}
}
