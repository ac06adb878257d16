// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package agent

import (
	"net"
	"net/http"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"syscall"
	"testing"
	"time"

	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// site is a real Campus on a real server, driven by its profile.
type site struct {
	*world
	profile profile.Profile
	params  profile.Params
	env     []string
	backup  string
}

// newSite installs and fills release 1.0.
func newSite(t *testing.T) *site {
	w := newWorld(t)
	w.sql("postgres", "CREATE DATABASE lms OWNER campus")
	p, err := profile.Load("campus")
	must(t, err)
	s := &site{world: w, profile: p, backup: w.path("backup", nobody), params: profile.Params{
		Reader: w.database("lms", "admin"), Owner: w.database("lms", "owner"), MailSink: "127.0.0.1:1",
		DataRoot: w.path("files", nobody), Target: "2.0", Keep: "smoke,admin"}}
	s.env = []string{"CAMPUS_DB_HOST=" + w.socket, "CAMPUS_DB_PORT=5432", "CAMPUS_DB_NAME=lms", "CAMPUS_DB_USER=campus",
		"CAMPUS_DB_PASSWORD=" + ownerPass, "CAMPUS_DATA_ROOT=" + s.params.DataRoot, "CAMPUS_BASE_URL=http://campus.example",
		"CAMPUS_PLUGIN_DIR=" + w.dir, "CAMPUS_SMTP_HOST=127.0.0.1:1"}
	for _, r := range []string{"1.0", "2.0"} {
		build := exec.Command("go", "build", "-o", s.binary(r), "-ldflags",
			"-X github.com/gradus-lms/gradus/test/lms/release.code="+r, "github.com/gradus-lms/gradus/test/lms/cmd/campus")
		build.Env = append(os.Environ(), "CGO_ENABLED=0")
		if out, err := build.CombinedOutput(); err != nil {
			t.Fatalf("build campus %s: %v\n%s", r, err, out)
		}
	}
	s.campus("1.0", "install", "--admin-password", "pw-admin")
	s.campus("1.0", "seed", "--size", "S", "--seed", "1")
	return s
}

func (s *site) binary(release string) string { return filepath.Join(s.dir, "campus-"+release) }

func (s *site) command(release string, args ...string) *exec.Cmd {
	cmd := exec.Command(s.binary(release), args...)
	cmd.Env, cmd.Dir = s.env, "/"
	cmd.SysProcAttr = &syscall.SysProcAttr{
		Credential: &syscall.Credential{Uid: nobody, Gid: nobody},
		Pdeathsig:  syscall.SIGKILL,
	}
	return cmd
}

func (s *site) campus(release string, args ...string) {
	s.t.Helper()
	if out, err := s.command(release, args...).CombinedOutput(); err != nil {
		s.t.Fatalf("campus %v: %v\n%s", args, err, out)
	}
}

// job runs a task in the image of a release.
func (s *site) job(release string, t task.Task, env ...string) task.Result {
	s.t.Helper()
	for _, a := range t.Actions {
		for _, c := range []*task.Command{a.Command, inPlugins(a.Plugins)} {
			if c != nil && c.Argv[0] == "/usr/local/bin/campus" {
				c.Argv[0] = s.binary(release)
			}
		}
	}
	cmd, out, log := s.agent(nobody, t)
	cmd.Env = append(append(cmd.Env, s.env...), env...)
	if err := cmd.Run(); err != nil {
		s.t.Fatalf("run: %v\n%s", err, log)
	}
	if testing.Verbose() {
		s.t.Logf("%s", log)
	}
	r, _, _ := told(s.t, out)
	return r
}

func inPlugins(p *task.Plugins) *task.Command {
	if p == nil {
		return nil
	}
	return p.Command
}

// verb is a job of a verb.
func (s *site) verb(release string, v profile.VerbName) task.Result {
	s.t.Helper()
	t, _, err := s.profile.VerbTask(v, s.params)
	must(s.t, err)
	return s.job(release, t)
}

// verbs wants each to succeed.
func (s *site) verbs(release string, all ...profile.VerbName) {
	s.t.Helper()
	for _, v := range all {
		if r := s.verb(release, v); !r.OK {
			s.t.Errorf("%s: %s: %s", v, r.Reason, r.Message)
		}
	}
}

func (s *site) built(t task.Task, _ profile.Image, err error) task.Task {
	s.t.Helper()
	must(s.t, err)
	return t
}

// web starts the web container of a release.
func (s *site) web(release string) {
	l, err := net.Listen("tcp", "127.0.0.1:0")
	must(s.t, err)
	addr := l.Addr().String()
	l.Close()
	cmd := s.command(release, "serve", "--listen", addr)
	must(s.t, cmd.Start())
	s.t.Cleanup(func() { _ = cmd.Process.Kill(); _ = cmd.Wait() })
	s.params.BaseURL = "http://" + addr
	for tick := time.NewTicker(20 * time.Millisecond); ; <-tick.C {
		if resp, err := http.Get(s.params.BaseURL + "/healthz"); err == nil {
			resp.Body.Close()
			return
		}
	}
}

func TestCampusIsUpgradedByItsProfile(t *testing.T) {
	s := newSite(t)
	before := s.job("1.0", s.built(s.profile.CountTask(s.params, nil, nil, nil)))
	succeeds(t, before)
	equal, orphans := s.profile.SplitFigures(facts(before, "count"))
	if len(equal) != 7 || len(orphans) != 3 {
		t.Fatalf("figures are %v and %v", equal, orphans)
	}
	succeeds(t, s.job("1.0", s.built(s.profile.HashFilesTask(s.params, s.params.DataRoot, true, 0, profile.Throttle{}))))
	dump := s.built(s.profile.DumpTask(s.params, s.backup, "b1"))
	verify := s.built(s.profile.VerifyDumpTask(s.params, s.backup, "b1", s.path("scratch", nobody)))
	succeeds(t, s.job("1.0", dump))
	succeeds(t, s.job("1.0", verify))

	s.verbs("1.0", profile.VersionVerb, profile.InventoryVerb, profile.SettingsVerb, profile.StatisticsVerb, profile.HoldDeletionsVerb,
		profile.QuiesceVerb, profile.MaintenanceVerb, profile.NeutraliseVerb, profile.AssertNeutralVerb)
	succeeds(t, s.verb("2.0", profile.PreflightVerb))
	fails(t, s.verb("2.0", profile.PendingVerb), "UpgradePending")

	failing := s.job("2.0", s.built(s.profile.UpgradeTask(s.params)), "CAMPUS_FAULTS=migration-fail=2.0:grades")
	fails(t, failing, "StepFailed")
	if !strings.Contains(failing.Message, "2.0:grades") {
		t.Errorf("message is %s", failing.Message)
	}
	s.sql(
		"lms",
		"INSERT INTO cmp_config (name, value) VALUES ('upgraderunning', extract(epoch FROM now() + interval '1 minute')::bigint::text)",
	)
	fails(t, s.job("2.0", s.built(s.profile.UpgradeTask(s.params))), "UpgradeLocked")
	after := s.job("2.0", s.built(s.profile.AftermathTask(s.params)))
	if after.Facts["still.running"] != "0" || after.Facts["lock.until"] == "" || after.Facts["version.database"] != "2.0" {
		t.Errorf("facts after a kill are %v", after.Facts)
	}
	succeeds(t, s.job("2.0", s.built(s.profile.StaleLockTask(s.params, s.params.DataRoot))))

	succeeds(t, s.job("2.0", s.built(s.profile.UpgradeTask(s.params))))
	s.verbs("2.0", profile.DrainVerb, profile.CheckVerb, profile.CachesVerb, profile.AfterwardsVerb)
	succeeds(t, s.job("2.0", s.built(s.profile.CountTask(s.params, equal, orphans, nil))))
	undo, _, err := s.profile.UndoTask(profile.MaintenanceVerb, s.params)
	must(t, err)
	succeeds(t, s.job("2.0", undo))
	fails(t, s.verb("1.0", profile.PreflightVerb), "CodeTooOld")

	s.web("2.0")
	succeeds(t, s.job("2.0", s.built(s.profile.VersionTask(s.params, "2.0"))))
	s.secret("smoke", "smoke", "pw-smoke")
	s.params.Credentials = filepath.Join(s.dir, "secrets/smoke")
	smoke := s.job("2.0", s.built(s.profile.SmokeTask(s.params, time.Second)))
	succeeds(t, smoke)
	if smoke.Facts["smoke.passed"] != smoke.Facts["smoke.checks"] {
		t.Errorf("facts are %v, findings %v", smoke.Facts, smoke.Findings)
	}
	s.sql("lms", "DELETE FROM cmp_forum_posts WHERE id = (SELECT max(id) FROM cmp_forum_posts)")
	fails(t, s.job("2.0", s.built(s.profile.CountTask(s.params, equal, orphans, nil))), task.CountsDiffer)
}

func facts(r task.Result, action string) map[string]string {
	out := map[string]string{}
	for k, v := range r.Facts {
		if name, ok := strings.CutPrefix(k, action+"."); ok {
			out[name] = v
		}
	}
	return out
}
