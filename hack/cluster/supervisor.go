// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"encoding/json"
	"errors"
	"fmt"
	"os"
	"os/exec"
	"os/signal"
	"path/filepath"
	"sync"
	"syscall"
	"time"
)

// States of a program.
const (
	stateWaiting  = "Waiting"
	stateStarting = "Starting"
	stateReady    = "Ready"
	stateExited   = "Exited"
)

// progress is what the supervisor knows of one program.
type progress struct {
	Name     string
	State    string
	PID      int
	Restarts int
	Since    time.Time
	// Took is the time from start to ready.
	Took  time.Duration
	Error string
}

// supervisor keeps the programs running: sidecars exit by themselves when
// their driver restarts, and expect to be started again.
type supervisor struct {
	layout Layout
	mu     sync.Mutex
	order  []string
	state  map[string]*progress
	ready  map[string]chan struct{}
}

// supervise is the process behind `up`. It runs in the cluster's network
// namespace and in a mount namespace of its own, so that nothing that it or
// its children mount outlives them.
func supervise(l Layout, _ []string) error {
	if err := joinCgroups(l, os.Getpid()); err != nil {
		return err
	}
	lock, err := lockSupervisor(l)
	if err != nil {
		return err
	}
	defer lock.Close()
	if err := tune(); err != nil {
		return err
	}
	if err := hideHost(l); err != nil {
		return err
	}
	engine, err := mountPool(l)
	if err != nil {
		return err
	}
	s := &supervisor{layout: l, state: map[string]*progress{}, ready: map[string]chan struct{}{}}
	programs := clusterPrograms(l, engine)
	for _, p := range programs {
		s.order = append(s.order, p.Name)
		s.state[p.Name] = &progress{Name: p.Name, State: stateWaiting, Since: time.Now()}
		s.ready[p.Name] = make(chan struct{})
	}
	s.update("etcd", func(*progress) {})
	for _, p := range programs {
		go s.keep(p)
	}
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	return nil
}

// lockSupervisor makes sure that there is one supervisor; the kernel drops the
// lock with the process.
func lockSupervisor(l Layout) (*os.File, error) {
	file, err := os.OpenFile(l.Path("supervisor.lock"), os.O_CREATE|os.O_RDWR, 0o600)
	if err != nil {
		return nil, fmt.Errorf("open lock: %w", err)
	}
	if err := syscall.Flock(int(file.Fd()), syscall.LOCK_EX|syscall.LOCK_NB); err != nil {
		return nil, errors.Join(fmt.Errorf("lock supervisor: %w", err), file.Close())
	}
	return file, nil
}

// keep starts a program again whenever it ends.
func (s *supervisor) keep(p program) {
	for _, name := range p.After {
		<-s.ready[name]
	}
	pause := 200 * time.Millisecond
	for {
		start := time.Now()
		err := s.runOnce(p)
		s.update(p.Name, func(state *progress) {
			state.State, state.PID, state.Error, state.Since = stateExited, 0, fmt.Sprint(err), time.Now()
			state.Restarts++
		})
		if time.Since(start) > time.Minute {
			pause = 200 * time.Millisecond
		}
		time.Sleep(pause)
		pause = min(2*pause, 5*time.Second)
	}
}

func (s *supervisor) runOnce(p program) error {
	log, err := openLog(s.layout.Path("logs", p.Name+".log"))
	if err != nil {
		return err
	}
	defer log.Close()
	name := p.Program
	if name == "" {
		name = p.Name
	}
	file := s.layout.Program(name)
	if p.Debian {
		if file, err = findProgram(name); err != nil {
			return err
		}
	}
	command := exec.Command(file, p.Args...)
	command.Dir = s.layout.State
	command.Env = []string{systemPath, "HOME=" + s.layout.State, "TMPDIR=/tmp"}
	command.Stdout, command.Stderr = log, log
	start := time.Now()
	if err := command.Start(); err != nil {
		return fmt.Errorf("start %s: %w", name, err)
	}
	s.update(p.Name, func(state *progress) {
		state.State, state.PID, state.Error, state.Since = stateStarting, command.Process.Pid, "", start
	})
	ended := make(chan struct{})
	go s.awaitReady(p, start, ended)
	err = command.Wait()
	close(ended)
	return err
}

func (s *supervisor) awaitReady(p program, start time.Time, ended <-chan struct{}) {
	for p.Ready != nil {
		err := p.Ready()
		if err == nil {
			break
		}
		select {
		case <-ended:
			return
		case <-time.After(50 * time.Millisecond):
		}
	}
	s.update(p.Name, func(state *progress) {
		state.State, state.Took, state.Since = stateReady, time.Since(start), time.Now()
	})
	// Closed once; a restart finds it closed.
	s.mu.Lock()
	defer s.mu.Unlock()
	select {
	case <-s.ready[p.Name]:
	default:
		close(s.ready[p.Name])
	}
}

// update changes a program's state and publishes all states in one step.
func (s *supervisor) update(name string, change func(*progress)) {
	s.mu.Lock()
	defer s.mu.Unlock()
	change(s.state[name])
	var all []progress
	for _, name := range s.order {
		all = append(all, *s.state[name])
	}
	if err := writeStatus(s.layout, all); err != nil {
		fmt.Fprintln(os.Stderr, "supervisor:", err)
	}
}

func statusFile(l Layout) string { return l.Path("status.json") }

func writeStatus(l Layout, all []progress) error {
	data, err := json.MarshalIndent(all, "", "  ")
	if err != nil {
		return fmt.Errorf("encode status: %w", err)
	}
	if err := os.WriteFile(statusFile(l)+".partial", data, 0o644); err != nil {
		return fmt.Errorf("write status: %w", err)
	}
	if err := os.Rename(statusFile(l)+".partial", statusFile(l)); err != nil {
		return fmt.Errorf("rename status: %w", err)
	}
	return nil
}

func readStatus(l Layout) ([]progress, error) {
	data, err := os.ReadFile(statusFile(l))
	if err != nil {
		return nil, fmt.Errorf("read status: %w", err)
	}
	var all []progress
	if err := json.Unmarshal(data, &all); err != nil {
		return nil, fmt.Errorf("parse status: %w", err)
	}
	return all, nil
}

const largestLog = 50 << 20

// openLog appends, and keeps one older file.
func openLog(path string) (*os.File, error) {
	if err := os.MkdirAll(filepath.Dir(path), 0o755); err != nil {
		return nil, fmt.Errorf("create folder of logs: %w", err)
	}
	if info, err := os.Stat(path); err == nil && info.Size() > largestLog {
		if err := os.Rename(path, path+".1"); err != nil {
			return nil, fmt.Errorf("rotate log: %w", err)
		}
	}
	file, err := os.OpenFile(path, os.O_CREATE|os.O_APPEND|os.O_WRONLY, 0o644)
	if err != nil {
		return nil, fmt.Errorf("open log: %w", err)
	}
	return file, nil
}
