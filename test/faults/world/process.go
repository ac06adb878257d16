// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"context"
	"errors"
	"fmt"
	"runtime/debug"
	"slices"
	"strings"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	rbacv1 "k8s.io/api/rbac/v1"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/controllers"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/evidence"
	"github.com/gradus-lms/gradus/internal/notify"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/status"
	"github.com/gradus-lms/gradus/internal/watchdog"
	"github.com/gradus-lms/gradus/test/faults/gate"
)

// Image of Gradus, as far as the operator knows.
const Image = "gradus:1"

// process is one identity of the operator.
type process struct {
	name, user string
	gate       *gate.Process
	base       controllers.Base
	// view is its cache; travels is the version with which that of the next life begins.
	view    *view
	travels string
	// replaced: another runs in its place.
	replaced bool
	// back is when it is started again after it was taken away.
	back time.Time
	// idle are objects whose last reconcile wrote nothing.
	idle map[string]idle
}

// idle is why an object need not be reconciled: of what it read nothing has changed of
// which a watch of its reconciler tells, and it asked to be looked at again no sooner. A
// reconciler that forgets to watch, or to ask, is not woken here either.
type idle struct {
	asked map[string][]string
	until time.Time
}

// client speaks as the process, through the gate. With a cache it reads what
// the manager's client reads from there.
func (w *World) client(user string, life *gate.Process, cache client.Reader) client.Client {
	config := w.server.as(user)
	config.Wrap(w.memo.of(life))
	config.Wrap(life.Wrap)
	options := client.Options{Scheme: scheme, Mapper: w.server.mapper}
	if cache != nil {
		options.Cache = &client.CacheOptions{Reader: cache, DisableFor: controllers.Uncached()}
	}
	c, err := client.New(config, options)
	w.Must(err)
	return c
}

// look begins the cache of a life.
func (w *World) look(p *process) {
	p.view = &view{Client: w.As(p.user), mapper: w.server.mapper, life: p.gate}
	if p.travels != "" {
		p.view.lags = []lag{{version: p.travels, until: w.Clock.Now().Add(w.Lag)}}
		p.travels = ""
	}
}

// boot begins a new life of a process, with what main gives to reconcilers.
func (w *World) boot(p *process) {
	p.gate, p.idle = w.Gate.Process(p.name), map[string]idle{}
	w.look(p)
	c, live := w.client(p.user, p.gate, p.view), w.client(p.user, p.gate, nil)
	said := reports{Reader: evidence.Reader{Client: c, Live: live, Clock: w.Clock}, world: w}
	p.base = controllers.Base{
		Client: c, Live: live, Clock: w.Clock, Sights: &controllers.Sights{},
		Install: environment.Install{Image: w.image, Namespace: "gradus-system", Account: "gradus-manager",
			Canaries: []string{"10.0.0.1:443"}},
		Teller:  notify.NewTeller(live, "gradus-system"),
		Engine:  pipeline.Engine{Client: c, Live: live, Clock: w.Clock, Reports: said},
		Settler: status.Settler{Client: c},
	}
}

// reports plays what the pods of Jobs said; what is kept of it is real.
type reports struct {
	evidence.Reader
	world *World
}

func (r reports) Outcome(_ context.Context, job *batchv1.Job) (pipeline.JobOutcome, error) {
	return r.world.outcome(job), nil
}

// reconcile runs the reconcilers of a process over their objects, in order.
func (w *World) reconcile(p *process) {
	if p.user == Manager {
		each(w, p, &v1alpha1.SiteList{}, &controllers.SiteReconciler{Base: p.base})
		each(w, p, &v1alpha1.SiteBackupList{}, &controllers.SiteBackupReconciler{Base: p.base})
		each(w, p, &v1alpha1.StagingEnvironmentList{}, &controllers.StagingEnvironmentReconciler{Base: p.base})
		each(w, p, &v1alpha1.TrialUpgradeList{}, &controllers.TrialUpgradeReconciler{Base: p.base})
		each(w, p, &v1alpha1.UpgradePlanList{}, &controllers.UpgradePlanReconciler{Base: p.base})
		return
	}
	each(w, p, &v1alpha1.GoLiveList{}, &controllers.GoLiveReconciler{Base: p.base})
	each(w, p, &v1alpha1.RollbackList{}, &controllers.RollbackReconciler{Base: p.base})
}

// reconciler of a kind, and what wakes it besides the object itself.
type reconciler[T client.Object] interface {
	Reconcile(context.Context, T) (ctrl.Result, error)
	Wakes() []controllers.Wake
}

// each reconciles every object of a list, as long as the process lives.
func each[T client.Object](w *World, p *process, list client.ObjectList, r reconciler[T]) {
	kind := strings.TrimSuffix(fmt.Sprintf("%T", list), "List")
	kind = kind[strings.LastIndex(kind, ".")+1:]
	if !slices.Contains(w.Kinds, kind) || p.gate.Dead() {
		return
	}
	w.Must(p.view.List(w.ctx, list, client.InNamespace(w.Namespace)))
	for _, item := range itemsOf(list) {
		if p.gate.Dead() {
			return
		}
		id := kind + "/" + item.GetName()
		if w.idles(p.idle[id]) {
			continue
		}
		var result ctrl.Result
		w.memo.begin()
		ended, err := w.unless(p, func() error {
			return w.guarded(kind, func() (err error) {
				result, err = r.Reconcile(w.ctx, item.(T))
				return err
			})
		})
		if !ended {
			return
		}
		p.idle[id] = w.rests(heard(r.Wakes()), gate.ResourceOf(item), result, err)
		if err != nil && !errors.Is(err, gate.Dead) {
			w.Errors = append(w.Errors, fmt.Sprintf("tick %d, %s %s: %v", w.Ticks, kind, item.GetName(), err))
		}
	}
}

// idles says whether there is nothing new for an object.
func (w *World) idles(last idle) bool {
	due := !last.until.IsZero() && !w.Clock.Now().Before(last.until)
	return last.asked != nil && !due && w.memo.same(last.asked)
}

// rests tells what a reconcile that ended waits for: that something changes of which a
// watch tells it, or a time. Nothing, if it failed, or wrote itself what is watched.
func (w *World) rests(watched map[string]bool, own string, result ctrl.Result, err error) idle {
	asked, wrote := w.memo.end()
	if err != nil || wrote[own] {
		return idle{}
	}
	last := idle{asked: map[string][]string{}}
	for resource, keys := range asked {
		if watched[resource] {
			last.asked[resource] = keys
		}
	}
	for resource := range wrote {
		if watched[resource] {
			return idle{}
		}
	}
	if result.RequeueAfter > 0 && !w.forgetful {
		last.until = w.Clock.Now().Add(result.RequeueAfter)
	}
	return last
}

// heard are the resources of which a watch tells.
func heard(wakes []controllers.Wake) map[string]bool {
	out := map[string]bool{}
	for _, wake := range wakes {
		out[gate.ResourceOf(wake.Of)] = true
	}
	return out
}

// guarded counts panics, as a manager would recover from them.
func (w *World) guarded(kind string, do func() error) error {
	defer func() {
		switch said := recover().(type) {
		case nil:
		case Stopped:
			panic(said)
		default:
			w.Panics = append(w.Panics, fmt.Sprintf("%s: %v\n%s", kind, said, debug.Stack()))
		}
	}()
	return do()
}

// dog is the watchdog of the run that holds the site, once it was deployed.
type dog struct {
	process
	watchdog.Dog
}

type silent struct{}

func (silent) Tell(context.Context, string, string) error { return nil }

// watch lets the watchdog look, as the account that the operator made for it.
func (w *World) watch() {
	at := w.Watchdog()
	if at == nil || !w.bound(at.Spec.Template.Spec.ServiceAccountName) {
		w.dog = nil
		return
	}
	if w.Clock.Now().Before(w.dogBack) {
		w.dog = nil
		return
	}
	if w.dog == nil || w.dog.gate.Dead() {
		w.unleash(at)
	}
	err := w.guarded("watchdog", func() error { return w.dog.Look(w.ctx) })
	if err != nil && !errors.Is(err, gate.Dead) {
		w.Errors = append(w.Errors, fmt.Sprintf("tick %d, watchdog: %v", w.Ticks, err))
	}
}

// Watchdog gives the Deployment of the watchdog that stands beside the site; nil when none does.
func (w *World) Watchdog() *appsv1.Deployment {
	var all appsv1.DeploymentList
	w.List(&all)
	for i := range slices.Backward(all.Items) {
		if strings.HasPrefix(all.Items[i].Spec.Template.Spec.ServiceAccountName, "gradus-watchdog") {
			return &all.Items[i]
		}
	}
	return nil
}

// bound says whether an account of the site's namespace was given anything that is there.
func (w *World) bound(account string) bool {
	var all rbacv1.RoleBindingList
	w.List(&all)
	return slices.ContainsFunc(all.Items, func(b rbacv1.RoleBinding) bool {
		return slices.ContainsFunc(b.Subjects, func(s rbacv1.Subject) bool { return s.Name == account }) &&
			w.Get(b.RoleRef.Name, &rbacv1.Role{})
	})
}

// unleash starts the watchdog with the arguments of its Deployment.
func (w *World) unleash(at *appsv1.Deployment) {
	user := "system:serviceaccount:" + w.Namespace + ":" + at.Spec.Template.Spec.ServiceAccountName
	w.mayNow(user, w.Namespace, "get", "coordination.k8s.io", "leases", "gradus-campus")
	life := w.Gate.Process("watchdog")
	w.dog = &dog{process: process{name: "watchdog", user: user, gate: life}, Dog: watchdog.Dog{
		Client: w.client(user, life, nil), Clock: w.Clock, Namespace: w.Namespace, Site: "campus",
		Duration: 2 * time.Minute, Poll: 5 * time.Second, Alarm: 5 * time.Minute, Tell: silent{},
	}}
	args := slices.Concat(at.Spec.Template.Spec.Containers[0].Command, at.Spec.Template.Spec.Containers[0].Args)
	for i, arg := range args {
		if run, ok := strings.CutPrefix(arg, "--run="); ok {
			w.dog.Run = run
		}
		value, ok := strings.CutPrefix(arg, "--target=")
		if !ok && arg == "--target" && i+1 < len(args) {
			value, ok = args[i+1], true
		}
		if kind, name, cut := strings.Cut(value, "/"); ok && cut {
			w.dog.Targets = append(w.dog.Targets, v1alpha1.ChangeTarget{Kind: kind, Name: name})
		}
	}
}
