// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command witness stands in the demo's cluster and writes down what it sees,
// one JSON object a line: how the door of the site answers, and who connects
// to the mail server.
package main

import (
	"encoding/json"
	"fmt"
	"os"
	"sync"
	"time"
)

const usage = `usage: witness door URL PAGE     ask the site's door four times a second
       witness relay LISTEN=TO ...  pass connections on, and write down from whom they come
       witness hook LISTEN          write down every body that is posted
       witness reach HOST:PORT ...  try to connect; ends with 1 if one can be reached
       witness post URL USER        sign in and write one post`

func main() {
	if len(os.Args) < 3 {
		fmt.Fprintln(os.Stderr, usage)
		os.Exit(2)
	}
	var err error
	switch command, args := os.Args[1], os.Args[2:]; {
	case command == "door" && len(args) == 2:
		door(args[0], args[1])
	case command == "relay":
		err = relay(args)
	case command == "hook" && len(args) == 1:
		err = hook(args[0])
	case command == "reach":
		err = reach(args)
	case command == "post" && len(args) == 2:
		err = post(args[0], args[1])
	default:
		err = fmt.Errorf("%s", usage)
	}
	if err != nil {
		fmt.Fprintln(os.Stderr, "witness:", err)
		os.Exit(1)
	}
}

var printing sync.Mutex

// say prints one line.
func say(line any) {
	printing.Lock()
	defer printing.Unlock()
	_ = json.NewEncoder(os.Stdout).Encode(line)
}

func now() string { return time.Now().UTC().Format(time.RFC3339Nano) }
