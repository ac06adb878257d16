// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"bytes"
	"context"
	"encoding/json"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/jackc/pgx/v5"

	"github.com/gradus-lms/gradus/internal/report"
	"github.com/gradus-lms/gradus/internal/task"
)

const (
	pgBin       = "/usr/lib/postgresql/15/bin"
	nobody      = 65534 // has a name in /etc/passwd
	stranger    = 54321 // has none, as most pods
	ownerPass   = "owner-Secret-1"
	readerPass  = "reader-Secret-1"
	integration = "GRADUS_INTEGRATION"
	asAgent     = "GRADUS_TEST_AS_AGENT"
)

// TestMain is also the agent: the tests start this binary again, as another user.
func TestMain(m *testing.M) {
	if os.Getenv(asAgent) != "" {
		os.Exit(Main(context.Background(), os.Args[1:], os.Stdout, os.Stderr))
	}
	if os.Getenv(integration) == "" {
		fmt.Println(
			"left out: database tests against a real PostgreSQL 15 (set GRADUS_INTEGRATION=1, as root, with postgresql-15 installed)",
		)
	}
	os.Exit(m.Run())
}

// world is a directory that others may enter, with a server and our binary in it.
type world struct {
	t      *testing.T
	dir    string
	self   string
	socket string
}

// newWorld starts a server with the database campus, its owner and its reader.
func newWorld(t *testing.T) *world {
	t.Helper()
	if os.Getenv(integration) == "" {
		t.Skip("needs " + integration + "=1")
	}
	//nolint:usetesting // a server run by nobody must reach its socket, whose path may have 107 bytes
	dir, err := os.MkdirTemp("", "gradus-agent-")
	must(t, err)
	t.Cleanup(func() { _ = os.RemoveAll(dir) })
	must(t, os.Chmod(dir, 0o755))
	w := &world{t: t, dir: dir, self: filepath.Join(dir, "gradus")}
	must(t, copySelf(w.self))
	w.socket = w.path("socket", nobody)
	must(t, os.Chmod(w.socket, 0o755))
	w.secret("owner", "campus", ownerPass)
	w.secret("reader", "campus_reader", readerPass)
	w.secret("admin", "postgres", "admin-Secret-1")
	data := w.path("data", nobody)
	w.as(nobody, filepath.Join(pgBin, "initdb"), "-D", data, "-U", "postgres", "-A", "scram-sha-256",
		"--pwfile", filepath.Join(dir, "secrets/admin/password"), "-E", "UTF8", "--no-sync")
	w.serve(data)
	w.sql("postgres", `CREATE ROLE campus LOGIN CREATEDB PASSWORD '`+ownerPass+`'`)
	w.sql("postgres", `GRANT pg_signal_backend TO campus`)
	w.sql("postgres", `CREATE ROLE campus_reader LOGIN PASSWORD '`+readerPass+`'`)
	w.sql("postgres", `CREATE DATABASE campus OWNER campus`)
	w.sql("postgres", `ALTER DATABASE campus SET search_path TO "$user", public`)
	w.sql("campus", schema)
	return w
}

// schema is a small LMS, owned by its role.
const schema = `SET ROLE campus;
	CREATE TABLE cmp_config (name text PRIMARY KEY, value text);
	INSERT INTO cmp_config VALUES ('release', '1.0 (Build: 1)');
	CREATE TABLE cmp_users (id bigserial PRIMARY KEY, name text, deleted boolean DEFAULT false);
	INSERT INTO cmp_users (name) SELECT 'user ' || i FROM generate_series(1, 500) i;
	CREATE TABLE cmp_posts (id int GENERATED ALWAYS AS IDENTITY PRIMARY KEY, body text);
	INSERT INTO cmp_posts (body) SELECT md5(random()::text) || md5(random()::text) FROM generate_series(1, 60000) i;
	CREATE TABLE cmp_empty (id serial);
	GRANT SELECT ON ALL TABLES IN SCHEMA public TO campus_reader;
	GRANT SELECT ON ALL SEQUENCES IN SCHEMA public TO campus_reader;`

func (w *world) serve(data string) {
	w.t.Helper()
	cmd := exec.Command(filepath.Join(pgBin, "postgres"), "-D", data, "-c", "listen_addresses=", "-c", "fsync=off",
		"-c", "unix_socket_directories="+w.socket, "-c", "lc_messages=C")
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody},
		Pdeathsig:  syscall.SIGQUIT,
	}
	cmd.Dir = w.dir
	out, err := cmd.StderrPipe()
	must(w.t, err)
	must(w.t, cmd.Start())
	ready, log := make(chan bool, 1), &bytes.Buffer{}
	go func() {
		buf := make([]byte, 4096)
		for {
			n, err := out.Read(buf)
			log.Write(buf[:n])
			if strings.Contains(log.String(), "ready to accept connections") {
				select {
				case ready <- true:
				default:
				}
			}
			if err != nil {
				close(ready)
				return
			}
		}
	}()
	if !<-ready {
		w.t.Fatalf("server did not start: %s", log)
	}
	w.t.Cleanup(func() { _ = cmd.Process.Signal(syscall.SIGQUIT); _ = cmd.Wait() })
}

// path makes a directory for a user.
func (w *world) path(name string, uid int) string {
	w.t.Helper()
	p := filepath.Join(w.dir, name)
	must(w.t, os.MkdirAll(p, 0o700))
	must(w.t, os.Chown(p, uid, uid))
	return p
}

func (w *world) secret(name, user, password string) {
	w.t.Helper()
	d := filepath.Join(w.dir, "secrets", name)
	must(w.t, os.MkdirAll(d, 0o755))
	must(w.t, os.WriteFile(filepath.Join(d, "username"), []byte(user), 0o644))
	must(w.t, os.WriteFile(filepath.Join(d, "password"), []byte(password+"\n"), 0o644))
}

func (w *world) as(uid uint32, argv ...string) {
	w.t.Helper()
	cmd := exec.Command(argv[0], argv[1:]...)
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Dir = w.dir
	if out, err := cmd.CombinedOutput(); err != nil {
		w.t.Fatalf("%v: %v\n%s", argv, err, out)
	}
}

// database is a way in, by the name of its secret.
func (w *world) database(name, who string) task.Database {
	return task.Database{Host: w.socket, Port: 5432, Name: name, TLS: "disable",
		CredentialsDir: filepath.Join(w.dir, "secrets", who)}
}

func (w *world) conn(db string) *pgx.Conn {
	w.t.Helper()
	c, err := pgx.Connect(
		context.Background(),
		fmt.Sprintf("host=%s user=postgres password=admin-Secret-1 dbname=%s sslmode=disable", w.socket, db),
	)
	must(w.t, err)
	w.t.Cleanup(func() { _ = c.Close(context.Background()) })
	return c
}

func (w *world) sql(db, sql string) {
	w.t.Helper()
	c := w.conn(db)
	_, err := c.PgConn().Exec(context.Background(), sql).ReadAll()
	must(w.t, err)
	must(w.t, c.Close(context.Background()))
}

// one asks for a single value.
func (w *world) one(db, sql string) string {
	w.t.Helper()
	var s string
	c := w.conn(db)
	must(w.t, c.QueryRow(context.Background(), sql).Scan(&s))
	must(w.t, c.Close(context.Background()))
	return s
}

// agent is a run of the agent as another user.
func (w *world) agent(uid uint32, t task.Task) (cmd *exec.Cmd, out string, log *bytes.Buffer) {
	w.t.Helper()
	out = w.path(fmt.Sprintf("out-%d", time.Now().UnixNano()), int(uid))
	tmp := w.path("t"+filepath.Base(out)[4:], int(uid))
	text, err := t.Encode()
	must(w.t, err)
	cmd = exec.Command(w.self, "run", "--out", out, "--tmp", tmp)
	cmd.Env = []string{asAgent + "=1", task.EnvTask + "=" + text, "PATH=/usr/bin:/bin", "TMPDIR=" + tmp}
	cmd.SysProcAttr = &syscall.SysProcAttr{Credential: &syscall.Credential{Uid: uid, Gid: uid}}
	cmd.Dir = "/"
	log = &bytes.Buffer{}
	cmd.Stdout, cmd.Stderr = log, log
	return cmd, out, log
}

// do runs a task to its end, reports, and reads the report as the operator would.
func (w *world) do(uid uint32, actions ...task.Action) (task.Result, map[string][]byte) {
	w.t.Helper()
	cmd, out, log := w.agent(uid, task.Task{Actions: actions})
	if err := cmd.Run(); err != nil {
		w.t.Fatalf("run: %v\n%s", err, log)
	}
	r, docs, all := told(w.t, out)
	for _, secret := range []string{ownerPass, readerPass, "admin-Secret-1"} {
		if strings.Contains(log.String()+all, secret) {
			w.t.Errorf("a secret was printed")
		}
	}
	if w.t.Failed() || testing.Verbose() {
		w.t.Logf("%s", log)
	}
	return r, docs
}

// told reports and reads.
func told(t *testing.T, out string) (task.Result, map[string][]byte, string) {
	t.Helper()
	var log bytes.Buffer
	term := filepath.Join(out, "termination")
	code := Main(context.Background(), []string{"report", "--out", out, "--termination", term}, &log, io.Discard)
	b, err := os.ReadFile(term)
	must(t, err)
	r, docs, err := report.Read(b, bytes.NewReader(log.Bytes()))
	if err != nil {
		t.Fatalf("read report: %v", err)
	}
	if (code == 0) != r.OK {
		t.Errorf("report left with %d for a result that is OK: %v", code, r.OK)
	}
	plain, err := json.Marshal(r)
	must(t, err)
	for _, d := range docs {
		plain = append(plain, d...)
	}
	return r, docs, string(plain)
}

func must(t *testing.T, err error) {
	t.Helper()
	if err != nil {
		t.Fatal(err)
	}
}

// succeeds fails the test unless the result is OK.
func succeeds(t *testing.T, r task.Result) {
	t.Helper()
	if !r.OK {
		t.Fatalf("failed: %s: %s %v", r.Reason, r.Message, r.Findings)
	}
}

// fails wants a reason.
func fails(t *testing.T, r task.Result, reason string) {
	t.Helper()
	if r.OK || r.Reason != reason {
		t.Fatalf("result is %s (%s), want %s", r.Reason, r.Message, reason)
	}
}
