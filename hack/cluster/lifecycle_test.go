// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"
)

var lifecycle = flag.Bool("lifecycle", false, "start, kill and remove clusters of the test's own; minutes, root")

const lifecycleState = "/var/lib/gradus-lifecycle"

func TestMain(m *testing.M) {
	code := m.Run()
	_ = os.Remove(programPath())
	os.Exit(code)
}

func programPath() string {
	return filepath.Join(os.TempDir(), fmt.Sprintf("gradus-cluster-test-%d", os.Getpid()))
}

// TestDownLeavesNothing kills parts of a cluster without warning, and demands
// that down removes every trace all the same.
func TestDownLeavesNothing(t *testing.T) {
	if !*lifecycle || os.Geteuid() != 0 {
		t.Skip("left out: wants root and -args -lifecycle")
	}
	l, err := NewLayout(lifecycleState, "/var/cache/gradus-cluster", sourceFolder())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustRun(t, l, "down") })
	for _, victim := range []string{
		"etcd", "kube-apiserver", "kubelet", "containerd", "containerd-shim-runc-v2", "csi-driver", "cluster",
	} {
		t.Run("kill "+victim, func(t *testing.T) {
			mustRun(t, l, "up")
			startWriter(t, l)
			killNamed(t, l, victim)
			mustRun(t, l, "down")
			mustBeGone(t, l)
		})
	}
	t.Run("kill all", func(t *testing.T) {
		mustRun(t, l, "up")
		pids, err := processes(l)
		if err != nil {
			t.Fatal(err)
		}
		for _, pid := range pids {
			kill(t, pid)
		}
		mustRun(t, l, "down")
		mustBeGone(t, l)
	})
	for _, after := range []time.Duration{50, 300, 700, 1500, 3000, 6000} {
		t.Run(fmt.Sprintf("kill up after %d ms", after), func(t *testing.T) {
			killUp(t, l, after*time.Millisecond)
			mustRun(t, l, "down")
			mustBeGone(t, l)
		})
	}
}

// TestUpRepairs kills parts and demands that the cluster works again.
func TestUpRepairs(t *testing.T) {
	if !*lifecycle || os.Geteuid() != 0 {
		t.Skip("left out: wants root and -args -lifecycle")
	}
	l, err := NewLayout(lifecycleState, "/var/cache/gradus-cluster", sourceFolder())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustRun(t, l, "down") })
	mustRun(t, l, "up")
	startWriter(t, l)
	for _, victim := range []string{"csi-driver", "csi-provisioner", "etcd", "kubelet", "containerd", "kube-apiserver", "cluster"} {
		killNamed(t, l, victim)
		//nolint:forbidigo // up is to meet a cluster whose part died a moment ago, not one that has mended itself
		time.Sleep(300 * time.Millisecond)
		mustRun(t, l, "up")
		mustRun(t, l, "status")
	}
	mustRun(t, l, "down", "--keep")
	mustRun(t, l, "up")
	if out, err := kubectl(l, "", "wait", "pod/writer", "--for=condition=Ready", "--timeout=90s"); err != nil {
		t.Errorf("writer after down --keep and up: %v %s", err, out)
	}
}

// TestKilledProgramsComeBack kills every program twice, and demands that it is
// back without anybody's help and that no pod noticed.
func TestKilledProgramsComeBack(t *testing.T) {
	if !*lifecycle || os.Geteuid() != 0 {
		t.Skip("left out: wants root and -args -lifecycle")
	}
	l, err := NewLayout(lifecycleState, "/var/cache/gradus-cluster", sourceFolder())
	if err != nil {
		t.Fatal(err)
	}
	t.Cleanup(func() { mustRun(t, l, "down") })
	mustRun(t, l, "up")
	startWriter(t, l)
	for range 2 {
		for _, p := range clusterPrograms(l, poolBtrfs) {
			mustRun(t, l, "kill", p.Name)
		}
	}
	// Killing the driver ends its sidecars, which come back after it.
	if err := poll(func() error { return status(l, nil) }); err != nil {
		t.Fatal(err)
	}
	writer := func(path string) string {
		t.Helper()
		out, err := kubectl(l, "", "get", "pod", "writer", "-o", "jsonpath={.status.containerStatuses[0]."+path+"}")
		if err != nil {
			t.Fatal(err)
		}
		return out
	}
	if got := writer("restartCount"); got != "0" {
		t.Fatalf("the writer was started again %s times", got)
	}
	_, id, _ := strings.Cut(writer("containerID"), "//")
	mustRun(t, l, "kill", id)
	if err := poll(func() error {
		if writer("restartCount") != "1" || writer("ready") != "true" {
			return errors.New("the kubelet did not start the writer again")
		}
		return nil
	}); err != nil {
		t.Fatal(err)
	}
}

// programFile builds this program once.
func programFile(t *testing.T) string {
	t.Helper()
	path := programPath()
	if _, err := os.Stat(path); err == nil {
		return path
	}
	if out, err := exec.Command("go", "build", "-o", path, ".").CombinedOutput(); err != nil {
		t.Fatalf("build program: %v\n%s", err, out)
	}
	return path
}

func mustRun(t *testing.T, l Layout, args ...string) {
	t.Helper()
	start := time.Now()
	out, err := exec.Command(programFile(t), append(args, "--state", l.State)...).CombinedOutput()
	if err != nil {
		t.Fatalf("%v: %v\n%s", args, err, out)
	}
	t.Logf("%v %.1fs", args, time.Since(start).Seconds())
}

func killUp(t *testing.T, l Layout, after time.Duration) {
	t.Helper()
	program := programFile(t)
	ctx, cancel := context.WithTimeout(t.Context(), after)
	defer cancel()
	command := exec.CommandContext(ctx, program, "up", "--state", l.State)
	if err := command.Start(); err != nil {
		t.Fatal(err)
	}
	_ = command.Wait()
}

// startWriter gives the node a pod with a volume, so that there are mounts,
// cgroups and network devices to leave behind.
func startWriter(t *testing.T, l Layout) {
	t.Helper()
	_, err := kubectl(l, `
apiVersion: v1
kind: PersistentVolumeClaim
metadata: {name: data}
spec: {accessModes: [ReadWriteOnce], resources: {requests: {storage: 1Gi}}}
---
apiVersion: v1
kind: Pod
metadata: {name: writer}
spec:
  containers:
  - {name: probe, image: "localhost/probe:cluster", imagePullPolicy: Never, args: [write, /data/records], volumeMounts: [{name: data, mountPath: /data}]}
  volumes: [{name: data, persistentVolumeClaim: {claimName: data}}]
`, "apply", "-f", "-")
	if err != nil {
		t.Fatal(err)
	}
	if err := poll(func() error {
		_, err := kubectl(l, "", "wait", "pod/writer", "--for=condition=Ready", "--timeout=60s")
		return err
	}); err != nil {
		t.Fatal(err)
	}
}

func killNamed(t *testing.T, l Layout, name string) {
	t.Helper()
	pids, err := processes(l)
	if err != nil {
		t.Fatal(err)
	}
	killed := 0
	for _, pid := range pids {
		// The folder of a link's target is fine, too: shims run from there.
		data, err := os.ReadFile(fmt.Sprintf("/proc/%d/cmdline", pid))
		if err == nil && filepath.Base(strings.SplitN(string(data), "\x00", 2)[0]) == name {
			kill(t, pid)
			killed++
		}
	}
	if killed == 0 {
		t.Fatalf("no process is called %s", name)
	}
}

func kill(t *testing.T, pid int) {
	t.Helper()
	if err := syscall.Kill(pid, syscall.SIGKILL); err != nil && !errors.Is(err, syscall.ESRCH) {
		t.Fatal(err)
	}
}

// mustBeGone looks for every kind of trace, in every process's view.
func mustBeGone(t *testing.T, l Layout) {
	t.Helper()
	if pids, err := processes(l); err != nil || len(pids) > 0 {
		t.Errorf("processes in cgroups: %v %v", pids, err)
	}
	groups, err := l.cgroups()
	if err != nil {
		t.Fatal(err)
	}
	for _, path := range append(groups, l.State, l.namespacePath(), "/sys/class/net/"+l.HostVeth) {
		if _, err := os.Stat(path); !errors.Is(err, os.ErrNotExist) {
			t.Errorf("%s is still there: %v", path, err)
		}
	}
	found, err := filepath.Glob("/proc/[0-9]*/mountinfo")
	if err != nil {
		t.Fatal(err)
	}
	for _, mountinfo := range found {
		if points, err := mountPoints(mountinfo, l.State); err == nil && len(points) > 0 {
			t.Errorf("%s: mounts %v", mountinfo, points)
		}
		cmdline, err := os.ReadFile(filepath.Join(filepath.Dir(mountinfo), "cmdline"))
		if err == nil && strings.Contains(string(cmdline), l.State) {
			t.Errorf("process %s: %q", mountinfo, cmdline)
		}
	}
	loops, err := filepath.Glob("/sys/block/loop*/loop/backing_file")
	if err != nil {
		t.Fatal(err)
	}
	for _, loop := range loops {
		if file, err := os.ReadFile(loop); err == nil && strings.HasPrefix(string(file), l.State) {
			t.Errorf("%s: %s", loop, file)
		}
	}
}
