// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"embed"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"time"
)

//go:embed manifests
var manifests embed.FS

const (
	readyLimit = 3 * time.Minute
	pollPause  = 50 * time.Millisecond
)

var errLate = errors.New("not ready in time")

// up starts what is missing. Each step may find its work done already.
func up(l Layout, _ []string) error {
	if os.Geteuid() != 0 {
		return errors.New("up: namespaces and mounts need root")
	}
	start := time.Now()
	if err := ensurePackages(clusterPackages); err != nil {
		return err
	}
	paths, err := programs(l)
	if err != nil {
		return err
	}
	images, err := makeOwnImages(l, paths)
	if err != nil {
		return err
	}
	crds, err := snapshotCRDs(l)
	if err != nil {
		return err
	}
	if err := startSupervisor(l, paths); err != nil {
		return err
	}
	if err := settle(l, images, crds); err != nil {
		return err
	}
	fmt.Fprintf(os.Stderr, "all ready in %.1fs\nexport KUBECONFIG=%s\n",
		time.Since(start).Seconds(), l.Kubeconfig("admin"))
	return nil
}

func startSupervisor(l Layout, paths map[string]string) error {
	if supervisorRuns(l) {
		for name, target := range paths {
			if ownImages[name] != "" {
				continue // loaded anew below
			}
			if current, err := os.Readlink(l.Program(name)); err != nil || current != target {
				fmt.Fprintf(os.Stderr, "%s runs from an older build; down and up would change it\n", name)
			}
		}
		return nil
	}
	// What a killed supervisor left has lost its mounts' owner: end it.
	if err := killAll(l); err != nil {
		return err
	}
	for _, step := range []func() error{
		func() error { return os.MkdirAll(l.State, 0o755) },
		func() error { return linkPrograms(l, paths) },
		func() error { return makeIdentities(l) },
		func() error { return writeConfigFiles(l) },
		func() error { return cleanRun(l) },
		func() error { return makeNetwork(l) },
		func() error { return launch(l) },
	} {
		if err := step(); err != nil {
			return err
		}
	}
	return nil
}

// cleanRun forgets what a reboot would have: sockets, and the addresses of
// pods that are gone.
func cleanRun(l Layout) error {
	if err := os.RemoveAll(l.Path("run")); err != nil {
		return fmt.Errorf("remove run folder: %w", err)
	}
	if err := os.Remove(statusFile(l)); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove status: %w", err)
	}
	for _, folder := range []string{"run", "etcd", "logs", "logs/pods", "kubelet/plugins_registry"} {
		if err := os.MkdirAll(l.Path(folder), 0o700); err != nil {
			return fmt.Errorf("create folder: %w", err)
		}
	}
	return nil
}

// launch starts a copy of this program, which `go run` would remove, as the
// supervisor.
func launch(l Layout) error {
	self, err := os.Executable()
	if err != nil {
		return fmt.Errorf("find own program: %w", err)
	}
	if err := copyFile(self, l.Program("cluster")); err != nil {
		return err
	}
	log, err := openLog(l.Path("logs", "supervisor.log"))
	if err != nil {
		return err
	}
	defer log.Close()
	nsenter, err := findProgram("nsenter")
	if err != nil {
		return err
	}
	command := exec.Command(nsenter, "--net="+l.namespacePath(), "--",
		l.Program("cluster"), "supervise", "--state", l.State, "--cache", l.Cache)
	command.Dir = "/"
	command.Env = []string{systemPath, sourceVariable + "=" + l.Source}
	command.Stdout, command.Stderr = log, log
	command.SysProcAttr = &syscall.SysProcAttr{Setsid: true, Unshareflags: syscall.CLONE_NEWNS}
	if err := command.Start(); err != nil {
		return fmt.Errorf("start supervisor: %w", err)
	}
	if err := command.Process.Release(); err != nil {
		return fmt.Errorf("let go of supervisor: %w", err)
	}
	return nil
}

func copyFile(from, to string) error {
	source, err := os.Open(from)
	if err != nil {
		return fmt.Errorf("open program: %w", err)
	}
	defer source.Close()
	// A new file: the old one may still run.
	if err := os.Remove(to); err != nil && !errors.Is(err, os.ErrNotExist) {
		return fmt.Errorf("remove program: %w", err)
	}
	target, err := os.OpenFile(to, os.O_CREATE|os.O_WRONLY|os.O_EXCL, 0o755)
	if err != nil {
		return fmt.Errorf("create program: %w", err)
	}
	if _, err := io.Copy(target, source); err != nil {
		return errors.Join(fmt.Errorf("copy program: %w", err), target.Close())
	}
	return target.Close()
}

func supervisorRuns(l Layout) bool {
	file, err := os.Open(l.Path("supervisor.lock"))
	if err != nil {
		return false
	}
	defer file.Close()
	return errors.Is(syscall.Flock(int(file.Fd()), syscall.LOCK_SH|syscall.LOCK_NB), syscall.EWOULDBLOCK)
}

// settle waits for every program and gives the cluster its content as soon as
// what the content needs is there.
func settle(l Layout, images []string, crds string) error {
	for _, step := range []struct {
		name string
		do   func() error
	}{
		{"containerd", func() error { return waitProgram(l, "containerd") }},
		{"images", func() error { return loadMissing(l, images) }},
		{"kube-apiserver", func() error { return waitProgram(l, "kube-apiserver") }},
		{"snapshot kinds", func() error { _, err := apply(l, readAll(crds)); return err }},
		{"rights, classes, DNS", func() error { return applyManifests(l) }},
		{"programs", func() error { return waitAll(l) }},
		{"node", func() error { return waitFor(l, "node/"+nodeName, "condition=Ready") }},
		{"drivers", func() error { return waitDrivers(l) }},
		{"DNS", func() error { return waitFor(l, "deployment/coredns", "condition=Available", "-n", "kube-system") }},
	} {
		start := time.Now()
		if err := step.do(); err != nil {
			return fmt.Errorf("%s: %w", step.name, err)
		}
		fmt.Fprintf(os.Stderr, "%-22s %6.2fs\n", step.name, time.Since(start).Seconds())
	}
	return nil
}

func waitProgram(l Layout, name string) error {
	return poll(func() error {
		all, err := readStatus(l)
		if err != nil {
			return err
		}
		for _, p := range all {
			if p.Name == name && p.State != stateReady {
				return fmt.Errorf("%s is %s after %d restarts: %s (see `logs %s`)", name, p.State, p.Restarts, p.Error, name)
			}
		}
		return nil
	})
}

func waitAll(l Layout) error {
	all, err := readStatus(l)
	if err != nil {
		return err
	}
	for _, p := range all {
		if err := waitProgram(l, p.Name); err != nil {
			return err
		}
	}
	return nil
}

func waitFor(l Layout, object, condition string, more ...string) error {
	// Until the object exists, kubectl's own wait fails at once.
	return poll(func() error {
		_, err := kubectl(l, "", append([]string{"wait", object, "--for=" + condition, "--timeout=30s"}, more...)...)
		return err
	})
}

// waitDrivers waits until the kubelet has told the scheduler of both drivers.
func waitDrivers(l Layout) error {
	return poll(func() error {
		out, err := kubectl(l, "", "get", "csinode", nodeName, "-o", "jsonpath={.spec.drivers[*].name}")
		if err == nil && (!strings.Contains(out, driverSnapshots) || !strings.Contains(out, driverPlain)) {
			err = fmt.Errorf("registered drivers are %q", out)
		}
		return err
	})
}

func poll(check func() error) error {
	deadline := time.Now().Add(readyLimit)
	for {
		err := check()
		if err == nil {
			return nil
		}
		if time.Now().After(deadline) {
			return fmt.Errorf("%w: %w", errLate, err)
		}
		time.Sleep(pollPause)
	}
}

// loadMissing imports those of the cluster's images that are not there.
func loadMissing(l Layout, tars []string) error {
	for _, tar := range tars {
		mark := l.Path("containerd", "loaded-"+filepath.Base(tar))
		if _, err := os.Stat(mark); err == nil {
			continue
		}
		if err := containerdClient(l, "images", "import", tar); err != nil {
			return err
		}
		if err := os.WriteFile(mark, nil, 0o644); err != nil {
			return fmt.Errorf("mark image: %w", err)
		}
	}
	return nil
}
