// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	_ "embed"
	"fmt"
	"os"
	"path/filepath"
	"runtime/debug"
	"sync/atomic"
	"time"

	authorizationv1 "k8s.io/api/authorization/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/transport"
	clocktesting "k8s.io/utils/clock/testing"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

//go:embed site.yaml
var siteYAML []byte

// World is one run: a namespace with one site, the processes of the operator,
// and everything around them.
type World struct {
	Namespace string
	// Admin reads and plays; Person is somebody with every right.
	Admin, Person client.Client
	Clock         *clocktesting.FakeClock
	Gate          *gate.Gate
	// Kinds whose reconcilers work; the others' objects are played.
	Kinds []string
	// Outcomes of Jobs, by a part of their names; all others succeed.
	Outcomes map[string]pipeline.JobOutcome
	// Verdicts of objects that are played, by kind: the reason why they fail.
	Verdicts map[string]string
	// Driver is what the storage driver says to a snapshot; empty when it takes it.
	Driver string
	// Script of what is played.
	Script
	// Bound on the ticks of the run.
	Bound, Ticks int
	// Lag is how long a process hangs, how long a cache lags, and how far back.
	Lag time.Duration
	// Panics of reconcilers, and errors that they gave.
	Panics, Errors []string
	// Witness is called after each tick.
	Witness func()
	// looked: versions of objects of ours when they were last looked at.
	looked map[string]string
	// Marked is the request after which the story is one of its own.
	Marked int

	ctx    context.Context
	server *Server
	memo   *memo
	procs  []*process
	// versions of the API server at the last ticks, the oldest first.
	versions []string
	dog      *dog
	// dogBack is when the watchdog is back, reachable when the API server is.
	dogBack, reachable time.Time
	hung               []hung
	later              []later
	rivals             []rival
	// during is what the story waits for; before, what it waited for in the moment
	// that it goes on from, until it has come there, and began, when that was.
	during, before string
	began          time.Time
	// forgetful: nobody is woken at the time that they asked for, a bug that is put in.
	forgetful bool
	// image of the operator that works.
	image string
	// Neglected is what became of objects of others, and should not have.
	Neglected []string
	// Gone is by which fault nobody of the operator was there last, Absences how often that was;
	// Undone, that the run was given up for it.
	Gone     gate.Kind
	Absences int
	Undone   bool
}

var runs atomic.Int64

// Stopped is what a run panics with when it cannot go on.
type Stopped struct{ Why string }

// New makes a world in a namespace of its own, whose owner gave Gradus all that
// config/site asks for.
func (s *Server) New(ctx context.Context, g *gate.Gate, kinds ...string) *World {
	w := &World{
		ctx: ctx, server: s, memo: newMemo(), Gate: g, Kinds: kinds, Bound: 300, Lag: 30 * time.Second,
		Namespace: fmt.Sprintf("%s-%05d", s.Sites, runs.Add(1)), Outcomes: map[string]pipeline.JobOutcome{},
		Verdicts: map[string]string{}, image: Image,
		Clock: clocktesting.NewFakeClock(time.Now().Truncate(time.Second)),
	}
	w.Admin, w.Person = w.As(""), w.As("registrar@campus.example")
	g.Normalise = w.Normalise
	g.Pause = func() { w.Clock.Step(time.Minute) }
	g.Away, g.Rival, g.Lag = w.leave, w.meddle, w.lag
	w.Must(w.Admin.Create(ctx, &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: w.Namespace}}))
	w.grant()
	objects, err := parse(siteYAML)
	w.Must(err)
	for _, object := range objects {
		object.SetNamespace(w.Namespace)
		w.Must(w.Admin.Create(ctx, object))
	}
	w.play()
	w.procs = []*process{{name: "manager", user: Manager}, {name: "production", user: Production}}
	for _, p := range w.procs {
		w.boot(p)
	}
	return w
}

// Must stops the run on an error of the world's own.
func (w *World) Must(err error) {
	if err != nil {
		w.Stop("%v\n%s", err, debug.Stack())
	}
}

// Stop ends the run.
func (w *World) Stop(format string, args ...any) { panic(Stopped{fmt.Sprintf(format, args...)}) }

// As gives a client that speaks as somebody, around the gate.
func (w *World) As(user string) client.Client {
	return &reader{Client: w.speaks(user, w.memo.wrap, w.done), memo: w.memo, read: map[string]decoded{}}
}

func (w *World) speaks(user string, through ...transport.WrapperFunc) client.Client {
	config := w.server.as(user)
	for _, wrap := range through {
		config.Wrap(wrap)
	}
	c, err := client.New(config, client.Options{Scheme: scheme, Mapper: w.server.mapper})
	w.Must(err)
	return c
}

// Changes counts what was written in the run.
func (w *World) Changes() int { return w.memo.allChanges() }

// Meta names an object of the site's namespace.
func (w *World) Meta(name string) metav1.ObjectMeta {
	return metav1.ObjectMeta{Namespace: w.Namespace, Name: name}
}

// Key names an object of the site's namespace.
func (w *World) Key(name string) client.ObjectKey {
	return client.ObjectKey{Namespace: w.Namespace, Name: name}
}

// Get reads an object of the site's namespace; false when there is none.
func (w *World) Get(name string, into client.Object) bool {
	err := w.Admin.Get(w.ctx, w.Key(name), into)
	w.Must(client.IgnoreNotFound(err))
	return err == nil
}

// List reads objects of the site's namespace.
func (w *World) List(into client.ObjectList) {
	w.Must(w.Admin.List(w.ctx, into, client.InNamespace(w.Namespace)))
}

// Fresh reads an object past what was read before: a bug may have written it
// behind the back of everybody.
func (w *World) Fresh(name string, into client.Object) {
	w.Must(client.IgnoreNotFound(w.server.admin.Get(w.ctx, w.Key(name), into)))
}

// FreshList does so with all objects of a namespace.
func (w *World) FreshList(namespace string, into client.ObjectList) {
	w.Must(w.server.admin.List(w.ctx, into, client.InNamespace(namespace)))
}

// Behind gives a client of which nobody hears.
func (w *World) Behind() client.Client { return w.speaks("", w.memo.behind) }

// Create makes objects as a person.
func (w *World) Create(objects ...client.Object) {
	for _, object := range objects {
		w.Must(w.Person.Create(w.ctx, object))
	}
}

// grant gives Gradus its rights in the namespace, and waits until they hold.
func (w *World) grant() {
	for _, file := range []string{"read.yaml", "production.yaml", "secrets.yaml"} {
		text, err := os.ReadFile(filepath.Join(w.server.Root, "config/site", file))
		w.Must(err)
		objects, err := parse(text)
		w.Must(err)
		for _, object := range objects {
			object.SetNamespace(w.Namespace)
			w.Must(w.Admin.Create(w.ctx, object))
		}
	}
	w.mayNow(Manager, w.Namespace, "create", "batch", "jobs", "")
	w.mayNow(Production, w.Namespace, "patch", "apps", "deployments", "")
}

// mayNow waits until the API server knows of a right that was given.
func (w *World) mayNow(user, namespace, verb, group, resource, name string) {
	w.Must(until(w.ctx, "rights of "+user, func() error {
		review := &authorizationv1.SubjectAccessReview{Spec: authorizationv1.SubjectAccessReviewSpec{
			User: user, ResourceAttributes: &authorizationv1.ResourceAttributes{
				Namespace: namespace, Verb: verb, Group: group, Resource: resource, Name: name}}}
		if err := w.Admin.Create(w.ctx, review); err != nil {
			return err
		}
		if !review.Status.Allowed {
			return fmt.Errorf("%s may not %s %s in %s", user, verb, resource, namespace)
		}
		return nil
	}))
}

// tick is how much time passes in each.
const tick = 5 * time.Second

// Tick lets every process reconcile once everything that it would, and the
// cluster answer. A process that has crashed is back for the next tick, and
// remembers nothing.
func (w *World) Tick() {
	if w.before != "" {
		return
	}
	w.Ticks++
	if w.Ticks > w.Bound {
		w.Stop("the run does not end within %d ticks", w.Bound)
	}
	w.happens()
	w.returns()
	w.catchUp()
	w.arrive()
	w.retreat()
	w.stir()
	for _, p := range w.procs {
		if w.Clock.Now().Before(p.back) {
			continue
		}
		if p.gate.Dead() {
			w.boot(p)
		}
		w.reconcile(p)
	}
	w.watch()
	w.play()
	w.Clock.Step(tick)
	if w.Witness != nil {
		w.Witness()
	}
}

// Until ticks until something holds.
func (w *World) Until(what string, holds func() bool) {
	if w.over(what, holds) {
		return
	}
	for !holds() {
		if w.Ticks >= w.Bound {
			w.Stop("never came to it within %d ticks: %s\n%s", w.Bound, what, w.told())
		}
		w.Tick()
	}
}

// Context of the run.
func (w *World) Context() context.Context { return w.ctx }

// Mark says that what came before is another scenario's to break.
func (w *World) Mark() { w.Marked = len(w.Gate.Trace()) }
