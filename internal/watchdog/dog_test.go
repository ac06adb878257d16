// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
)

var (
	api    *rest.Config
	scheme = runtime.NewScheme()
)

func TestMain(m *testing.M) {
	_ = clientgoscheme.AddToScheme(scheme)
	_ = v1alpha1.AddToScheme(scheme)
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Println("KUBEBUILDER_ASSETS is not set: tests of the watchdog against an API server are left out")
		os.Exit(m.Run())
	}
	server := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}}
	var err error
	if api, err = server.Start(); err != nil {
		fmt.Println("start API server:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = server.Stop()
	os.Exit(code)
}

// told remembers what people were told.
type told []string

func (t *told) Tell(_ context.Context, reason, _ string) error {
	*t = append(*t, reason)
	return nil
}

// story is a site that a run holds closed, and its watchdog.
type story struct {
	t      *testing.T
	ctx    context.Context
	c      client.WithWatch
	clock  *clocktesting.FakeClock
	golive *v1alpha1.GoLive
	writer production.Writer
	told   told
	dog    *Dog
	// away makes the API server unreachable for the watchdog.
	away bool
}

func closedSite(t *testing.T) *story {
	t.Helper()
	if api == nil {
		t.Skip("no API server")
	}
	c, err := client.NewWithWatch(api, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	s := &story{t: t, ctx: t.Context(), c: c, clock: clocktesting.NewFakeClock(time.Date(2026, 12, 19, 19, 0, 0, 0, time.UTC))}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "campus-"}}
	s.must(c.Create(s.ctx, ns))
	s.must(c.Create(s.ctx, &corev1.Service{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "web"},
		Spec: corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}}}))
	s.golive = &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: ns.Name, Name: "g"}, Spec: v1alpha1.GoLiveSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, PlanRef: v1alpha1.PlanRef{Name: "p"}, BackupRef: v1alpha1.LocalRef{Name: "b"},
		Digest: "sha256:" + strings.Repeat("0", 64),
		Upgrade: v1alpha1.UpgradeSpec{From: "1.0", Hops: []v1alpha1.Hop{{From: "1.0", To: "2.0"}},
			Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}}}}
	s.must(c.Create(s.ctx, s.golive))
	s.writer = production.Writer{Client: c, Live: c, Leases: production.Leases{Client: c, Live: c, Clock: s.clock}}
	for range 4 {
		s.operator(production.WishHold)
	}
	if s.open() {
		t.Fatal("the site was not closed")
	}
	reaches := interceptor.NewClient(c, interceptor.Funcs{Get: func(
		ctx context.Context, c client.WithWatch, k client.ObjectKey, o client.Object, opts ...client.GetOption) error {
		if s.away {
			return errors.New("connection refused")
		}
		return c.Get(ctx, k, o, opts...)
	}})
	s.dog = &Dog{Client: reaches, Clock: s.clock, Namespace: ns.Name, Site: "campus", Run: production.Identity(s.golive), Duration: 120 * time.Second,
		Poll: 5 * time.Second, Alarm: 5 * time.Minute, Tell: &s.told,
		Targets: []v1alpha1.ChangeTarget{{Kind: "Service", Name: "web"}, {Kind: "Namespace", Name: ns.Name}}}
	return s
}

func (s *story) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// operator reconciles once.
func (s *story) operator(wish production.Wish) {
	s.t.Helper()
	s.must(s.c.Get(s.ctx, client.ObjectKeyFromObject(s.golive), s.golive))
	before, session := s.golive.DeepCopy(), s.writer.Begin(s.golive)
	grip, err := s.writer.Leases.Keep(s.ctx, s.golive, wish, "")
	s.must(err)
	if grip.Held && before.Status.Lease != nil && len(s.told) == 0 {
		_, _, err = session.Ensure(s.ctx, s.golive, "CloseDoors", []v1alpha1.Change{
			production.Want("door", "Service", "web", v1alpha1.FieldSelector, "", map[string]string{"holding": "campus"}, v1alpha1.UndoUntilCommit),
			production.Want("lock", "Namespace", s.golive.Namespace, v1alpha1.FieldLabel, "", "g", v1alpha1.UndoUntilCommit),
		})
		s.must(err)
	}
	s.must(s.c.Status().Patch(s.ctx, s.golive, client.MergeFrom(before)))
}

func (s *story) open() bool {
	svc, ns := &corev1.Service{}, &corev1.Namespace{}
	s.must(s.c.Get(s.ctx, client.ObjectKey{Namespace: s.golive.Namespace, Name: "web"}, svc))
	s.must(s.c.Get(s.ctx, client.ObjectKey{Name: s.golive.Namespace}, ns))
	return svc.Spec.Selector["app"] == "web" && ns.Labels[v1alpha1.LockedByLabel] == "" && svc.Annotations[v1alpha1.HeldAnnotation] == ""
}

// pass lets the watchdog poll for a while; the operator renews if it lives.
func (s *story) pass(d time.Duration, alive bool) {
	s.t.Helper()
	for ; d > 0; d -= 5 * time.Second {
		s.clock.Step(5 * time.Second)
		if alive {
			s.operator(production.WishNothing)
		}
		if err := s.dog.Look(s.ctx); err != nil && !s.away {
			s.t.Fatal(err)
		}
	}
}

func (s *story) grip() production.Grip {
	s.t.Helper()
	g := s.golive.DeepCopy()
	s.must(s.c.Get(s.ctx, client.ObjectKeyFromObject(s.golive), g))
	grip, err := s.writer.Leases.Keep(s.ctx, g, production.WishNothing, "")
	s.must(err)
	return grip
}

func TestTheSiteOpensWhenNobodyRenews(t *testing.T) {
	s := closedSite(t)
	s.pass(5*time.Minute, true)
	if s.open() || len(s.told) > 0 {
		t.Fatalf("opened while the operator lived: %v", s.told)
	}
	s.pass(100*time.Second, false)
	if s.open() {
		t.Fatal("opened before the lease ran out")
	}
	s.pass(30*time.Second, false)
	if !s.open() {
		t.Fatal("not opened")
	}
	if grip := s.grip(); !grip.Lost || grip.Holder != "" {
		t.Errorf("the operator's grip is %+v", grip)
	}
	if strings.Join(s.told, " ") != "LeaseTaken SiteReopened" {
		t.Errorf("told %v", s.told)
	}
}

func TestAnOutageOfTheAPIServerIsNobodysSilence(t *testing.T) {
	s := closedSite(t)
	s.pass(100*time.Second, false)
	s.away = true
	s.pass(5*time.Minute, false)
	s.away = false
	s.pass(100*time.Second, false)
	if s.open() {
		t.Error("opened because the API server was away")
	}
}

func TestCommittedIsNeverTouched(t *testing.T) {
	s := closedSite(t)
	s.operator(production.WishCommit)
	s.pass(12*time.Minute, false)
	if s.open() {
		t.Error("opened after the point of no return")
	}
	if strings.Join(s.told, " ") != "SiteAbandoned SiteAbandoned" || !s.dog.State.Abandoned {
		t.Errorf("told %v", s.told)
	}
	if grip := s.grip(); !grip.Held {
		t.Errorf("the lease was touched: %+v", grip)
	}
}

// The rights of a watchdog end at the journal of its run: with another's lease it
// could do nothing, and would keep it.
func TestTheLeaseOfAnotherRunIsNotTaken(t *testing.T) {
	s := closedSite(t)
	s.dog.Run = "GoLive/another/u"
	s.pass(12*time.Minute, false)
	if s.open() || len(s.told) != 0 {
		t.Errorf("told %v, open: %t", s.told, s.open())
	}
	if grip := s.grip(); !grip.Held {
		t.Errorf("the lease was touched: %+v", grip)
	}
}

func TestALostJournalIsReadFromTheNotes(t *testing.T) {
	s := closedSite(t)
	s.must(s.c.Delete(s.ctx, s.golive))
	s.pass(130*time.Second, false)
	if !s.open() {
		t.Error("not opened")
	}
}

func TestAWatchdogThatDiesWhileUndoingGoesOn(t *testing.T) {
	s := closedSite(t)
	s.pass(2*time.Minute, false)
	patches := 0
	s.dog.Client = interceptor.NewClient(s.c, interceptor.Funcs{Patch: func(
		ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
		if patches++; patches == 2 {
			return errors.New("crashed")
		}
		return c.Patch(ctx, o, p, opts...)
	}})
	s.clock.Step(10 * time.Second)
	_ = s.dog.Look(s.ctx)
	if s.open() {
		t.Fatal("open already")
	}
	again := *s.dog
	again.silence, again.Client = Silence{}, s.c
	s.must(again.Look(s.ctx))
	if !s.open() {
		t.Error("not opened")
	}
}

func TestObjectsHaveExactlyTheRightsThatAreNeeded(t *testing.T) {
	g := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "plan-golive-1", UID: "0a1b2c3d-4e5f"}}
	spec := Spec{Namespace: "campus", Site: "campus", Image: "gradus:1", Owner: g, Targets: []v1alpha1.ChangeTarget{
		{Kind: "Deployment", Name: "web"}, {Kind: "Deployment", Name: "cron"}, {Kind: "Deployment", Name: "web"}, {Kind: "Service", Name: "web"}}}
	if got := spec.Name(); got != "gradus-watchdog-campus-0a1b2c3d" {
		t.Errorf("name is %s", got)
	}
	role, _ := spec.Objects()[1].(*rbacv1.Role)
	for _, rule := range role.Rules {
		if len(rule.ResourceNames) == 0 && rule.Resources[0] != "events" {
			t.Errorf("a rule without names: %+v", rule)
		}
		if rule.Resources[0] == "deployments" && strings.Join(rule.ResourceNames, ",") != "cron,web" {
			t.Errorf("names are %v", rule.ResourceNames)
		}
	}
	long := spec
	long.Site = strings.Repeat("very-long-", 20)
	if len(long.Name()) > 63 {
		t.Errorf("name %s is too long", long.Name())
	}
}

func TestMainRefusesWhatItDoesNotKnow(t *testing.T) {
	var out, complaints strings.Builder
	for name, args := range map[string][]string{
		"no site": {"--namespace=a"}, "a flag that is none": {"--force"}, "a target without a kind": {"--site=a", "--namespace=a", "--run=GoLive/g/u", "--target=web"}, "no run": {"--site=a", "--namespace=a"},
	} {
		if code := Main(t.Context(), args, &out, &complaints); code != 2 {
			t.Errorf("%s: exit code %d", name, code)
		}
	}
}
