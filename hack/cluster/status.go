// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"strings"
	"text/tabwriter"
	"time"
)

var errNotReady = errors.New("not everything is ready")

// status fails unless everything is ready, so that scripts can ask.
func status(l Layout, _ []string) error {
	if !supervisorRuns(l) {
		pids, err := processes(l)
		if err != nil {
			return err
		}
		if len(pids) > 0 {
			return fmt.Errorf("the supervisor is gone and left %d processes: run up to repair, or down", len(pids))
		}
		return errors.New("the cluster is down")
	}
	all, err := readStatus(l)
	if err != nil {
		return err
	}
	ready := true
	table := tabwriter.NewWriter(os.Stdout, 0, 8, 2, ' ', 0)
	fmt.Fprintln(table, "NAME\tSTATE\tSINCE\tTOOK\tRESTARTS\tPID\tERROR")
	for _, p := range all {
		ready = ready && p.State == stateReady
		fmt.Fprintf(table, "%s\t%s\t%s\t%s\t%d\t%d\t%s\n", p.Name, p.State, time.Since(p.Since).Round(time.Second),
			p.Took.Round(10*time.Millisecond), p.Restarts, p.PID, p.Error)
	}
	if err := table.Flush(); err != nil {
		return fmt.Errorf("print status: %w", err)
	}
	fmt.Printf("state %s  node %s  host %s  kubeconfig %s\n", l.State, l.NodeIP, l.HostIP, l.Kubeconfig("admin"))
	if !ready {
		return errNotReady
	}
	return nil
}

func kubeconfig(l Layout, args []string) error {
	flags := flag.NewFlagSet("kubeconfig", flag.ContinueOnError)
	raw := flags.Bool("raw", false, "print the content")
	if err := flags.Parse(args); err != nil {
		return err
	}
	data, err := os.ReadFile(l.Kubeconfig("admin"))
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w (is the cluster up?)", err)
	}
	if *raw {
		fmt.Print(string(data))
		return nil
	}
	fmt.Println(l.Kubeconfig("admin"))
	return nil
}

func logs(l Layout, args []string) error {
	follow := slices.Contains(args, "-f")
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "-f" })
	if len(args) == 0 {
		names, err := filepath.Glob(l.Path("logs", "*.log"))
		if err != nil {
			return fmt.Errorf("list logs: %w", err)
		}
		for _, name := range names {
			fmt.Println(strings.TrimSuffix(filepath.Base(name), ".log"))
		}
		return nil
	}
	path := l.Path("logs", filepath.Base(args[0])+".log")
	if (args[0] == "audit" || args[0] == "connections") && !follow {
		fmt.Println(path)
		return nil
	}
	file, err := os.Open(path)
	if err != nil {
		return fmt.Errorf("open log: %w", err)
	}
	defer file.Close()
	for tick := time.NewTicker(200 * time.Millisecond); ; <-tick.C {
		if _, err := io.Copy(os.Stdout, file); err != nil {
			return fmt.Errorf("print log: %w", err)
		}
		if !follow {
			return nil
		}
	}
}

// execInside runs a command where the cluster's programs run: with their
// mounts, their network and their folders.
func execInside(l Layout, args []string) error {
	args = slices.DeleteFunc(args, func(arg string) bool { return arg == "--" })
	if len(args) == 0 {
		return errors.New("exec: name a command")
	}
	all, err := readStatus(l)
	if err != nil {
		return err
	}
	for _, p := range all {
		if p.PID == 0 {
			continue
		}
		command := exec.Command("nsenter", append([]string{"-t", fmt.Sprint(p.PID), "--mount", "--net", "--"}, args...)...)
		command.Stdin, command.Stdout, command.Stderr = os.Stdin, os.Stdout, os.Stderr
		if err := command.Run(); err != nil {
			return fmt.Errorf("run %s: %w", args[0], err)
		}
		return nil
	}
	return errors.New("exec: no program runs")
}
