// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package lms_test

import (
	"context"
	"errors"
	"fmt"
	"net"
	"os"
	"os/exec"
	"path/filepath"
	"slices"
	"syscall"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/test/lms/config"
	"github.com/gradus-lms/gradus/test/lms/database"
	"github.com/gradus-lms/gradus/test/lms/release"
)

const (
	nobody        = 65534 // PostgreSQL refuses to run as root
	ownerPassword = "owner's {users}"
	readerLogin   = "campus_reader"
)

// lab is what all integration tests share: a server and four binaries.
var lab struct {
	leftOut string // why there is none
	dir     string
	bin     string // of PostgreSQL
	port    int
}

func TestMain(m *testing.M) {
	os.Exit(runTests(m))
}

func runTests(m *testing.M) int {
	if os.Getenv("GRADUS_INTEGRATION") != "1" {
		lab.leftOut = "left out: everything that needs PostgreSQL (set GRADUS_INTEGRATION=1)"
		fmt.Println(lab.leftOut)
		return m.Run()
	}
	bin, err := postgresBin()
	if err != nil {
		lab.leftOut = "left out: everything that needs PostgreSQL: " + err.Error()
		fmt.Println(lab.leftOut)
		return m.Run()
	}
	stop, err := startLab(bin)
	if err != nil {
		fmt.Println(err)
		return 1
	}
	defer stop()
	return m.Run()
}

// postgresBin finds Debian's server, and installs it where that is possible.
func postgresBin() (string, error) {
	find := func() []string {
		found, _ := filepath.Glob("/usr/lib/postgresql/*/bin/initdb")
		slices.Sort(found)
		return found
	}
	found := find()
	if len(found) == 0 && os.Geteuid() == 0 {
		install := exec.Command("apt-get", "install", "-y", "--no-install-recommends", "postgresql-15")
		if output, err := install.CombinedOutput(); err != nil {
			return "", fmt.Errorf("install postgresql-15: %w: %s", err, output)
		}
		found = find()
	}
	if len(found) == 0 {
		return "", errors.New("package postgresql-15 is not installed")
	}
	return filepath.Dir(found[len(found)-1]), nil
}

func startLab(bin string) (stop func(), err error) {
	lab.bin = bin
	if lab.dir, err = os.MkdirTemp("", "campus-"); err != nil {
		return nil, err
	}
	remove := func() { _ = os.RemoveAll(lab.dir) }
	if err := buildBinaries(); err != nil {
		remove()
		return nil, err
	}
	server, err := startServer(bin)
	if err != nil {
		remove()
		return nil, err
	}
	return func() {
		_ = server.Process.Signal(syscall.SIGINT)
		_ = server.Wait()
		remove()
	}, nil
}

func binary(name string) string { return filepath.Join(lab.dir, "campus-"+name) }

func buildBinaries() error {
	for _, r := range release.All {
		build := exec.Command("go", "build", "-buildvcs=false", "-o", binary(r.Name),
			"-ldflags", "-s -w -X github.com/gradus-lms/gradus/test/lms/release.code="+r.Name, "./cmd/campus")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if output, err := build.CombinedOutput(); err != nil {
			return fmt.Errorf("build %s: %w: %s", r.Name, err, output)
		}
	}
	return nil
}

// startServer starts PostgreSQL the way its pod does.
func startServer(bin string) (*exec.Cmd, error) {
	data := filepath.Join(lab.dir, "postgres")
	if err := errors.Join(os.Chmod(lab.dir, 0o755), os.Mkdir(data, 0o755)); err != nil {
		return nil, err
	}
	listener, err := net.Listen("tcp", "127.0.0.1:0")
	if err != nil {
		return nil, err
	}
	lab.port = listener.Addr().(*net.TCPAddr).Port
	_ = listener.Close()
	server := exec.Command(binary("1.0"), "pg-entry",
		"-c", "listen_addresses=127.0.0.1", "-c", fmt.Sprintf("port=%d", lab.port), "-c", "fsync=off")
	server.Env = []string{
		"PGDATA=" + filepath.Join(data, "cluster"), "PG_BIN=" + bin, "PG_SOCKET_DIR=" + data, "CAMPUS_DB_NAME=campus",
		"OWNER_USER=campus", "OWNER_PASSWORD=" + ownerPassword, "READER_USER=" + readerLogin, "READER_PASSWORD=reads",
	}
	if os.Geteuid() == 0 {
		if err := os.Chown(data, nobody, nobody); err != nil {
			return nil, err
		}
		server.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: nobody, Gid: nobody}}
	}
	log, err := os.Create(filepath.Join(lab.dir, "postgres.log"))
	if err != nil {
		return nil, err
	}
	server.Stdout, server.Stderr = log, log
	if err := server.Start(); err != nil {
		return nil, err
	}
	if err := waitForServer(); err != nil {
		_ = server.Process.Kill()
		text, _ := os.ReadFile(log.Name())
		return nil, fmt.Errorf("%w\n%s", err, text)
	}
	return server, nil
}

func ownerOf(databaseName string) config.Database {
	return config.Database{
		Host: "127.0.0.1", Port: uint16(lab.port), Name: databaseName,
		User: "campus", Password: ownerPassword, Prefix: "cmp_",
	}
}

func waitForServer() error {
	ctx := context.Background()
	db, err := database.Open(ctx, ownerOf("campus"), "test")
	if err != nil {
		return err
	}
	defer db.Close()
	return db.Wait(ctx, time.Minute)
}
