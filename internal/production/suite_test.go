// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

var (
	config *rest.Config
	scheme = runtime.NewScheme()
	start  = time.Date(2026, 12, 19, 19, 0, 0, 0, time.UTC)
)

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Println("KUBEBUILDER_ASSETS is not set: tests of the writer against an API server are left out")
		os.Exit(m.Run())
	}
	_ = clientgoscheme.AddToScheme(scheme)
	_ = v1alpha1.AddToScheme(scheme)
	server := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}}
	var err error
	if config, err = server.Start(); err != nil {
		fmt.Println("start API server:", err)
		os.Exit(1)
	}
	code := m.Run()
	_ = server.Stop()
	os.Exit(code)
}

// site is a little live site in a namespace of its own.
type site struct {
	t         *testing.T
	ctx       context.Context
	namespace string
	// admin is a person, or a tool that is not ours.
	admin client.WithWatch
	clock *clocktesting.FakeClock
	// crash stops the operator at the n-th write: before it, or after it.
	crash  int
	after  bool
	writes int
	// onDelete sees what the operator asks to be deleted.
	onDelete func(client.Object)
}

var errCrashed = errors.New("crashed")

func newSite(t *testing.T) *site {
	t.Helper()
	if config == nil {
		t.Skip("no API server")
	}
	admin, err := client.NewWithWatch(config, client.Options{Scheme: scheme})
	if err != nil {
		t.Fatal(err)
	}
	s := &site{t: t, ctx: t.Context(), admin: admin, clock: clocktesting.NewFakeClock(start), crash: -1}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "campus-"}}
	s.must(admin.Create(s.ctx, ns))
	s.namespace = ns.Name
	for name, replicas := range map[string]int32{"web": 2, "cron": 1} {
		labels := map[string]string{"app": name}
		s.must(admin.Create(s.ctx, &appsv1.Deployment{
			ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name},
			Spec: appsv1.DeploymentSpec{Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels},
				Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
					Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "app", Image: "campus:1.0",
						Env: []corev1.EnvVar{{Name: "MODE", Value: "old"}}}}}}},
		}))
	}
	s.must(admin.Create(s.ctx, &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: "web"},
		Spec:       corev1.ServiceSpec{Selector: map[string]string{"app": "web"}, Ports: []corev1.ServicePort{{Port: 80}}},
	}))
	return s
}

func (s *site) must(err error) {
	s.t.Helper()
	if err != nil {
		s.t.Fatal(err)
	}
}

// run creates a go-live.
func (s *site) run(name string) *v1alpha1.GoLive {
	s.t.Helper()
	g := &v1alpha1.GoLive{ObjectMeta: metav1.ObjectMeta{Namespace: s.namespace, Name: name}, Spec: v1alpha1.GoLiveSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"}, PlanRef: v1alpha1.PlanRef{Name: "p"}, BackupRef: v1alpha1.LocalRef{Name: "b"},
		Digest:  "sha256:" + fmt.Sprintf("%064d", 0),
		Upgrade: v1alpha1.UpgradeSpec{From: "1.0", Hops: []v1alpha1.Hop{{From: "1.0", To: "2.0"}}, Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}},
	}}
	s.must(s.admin.Create(s.ctx, g))
	return g
}

// client is the operator's: it crashes where it is told to.
func (s *site) client() client.Client {
	at := func(write func() error) error {
		n := s.writes
		s.writes++
		if n == s.crash && !s.after {
			return errCrashed
		}
		err := write()
		if n == s.crash && s.after {
			return errCrashed
		}
		return err
	}
	return interceptor.NewClient(s.admin, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			return at(func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return at(func() error { return c.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			if s.onDelete != nil {
				s.onDelete(o)
			}
			return at(func() error { return c.Delete(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			return at(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return at(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
}

func (s *site) writer() Writer {
	c := s.client()
	return Writer{Client: c, Live: s.admin, Leases: Leases{Client: c, Live: s.admin, Clock: s.clock}}
}

// reconcile is what a controller does, with one step.
func (s *site) reconcile(name string, wish Wish, want []v1alpha1.Change) (bool, *v1alpha1.Change, error) {
	g := &v1alpha1.GoLive{}
	s.must(s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, g))
	return s.reconcileRead(g, wish, want)
}

// reconcileRead goes on from what was read, which may be old.
func (s *site) reconcileRead(g *v1alpha1.GoLive, wish Wish, want []v1alpha1.Change) (bool, *v1alpha1.Change, error) {
	before, w := g.DeepCopy(), s.writer()
	session := w.Begin(g)
	grip, err := w.Leases.Keep(s.ctx, g, wish, "")
	if errors.Is(err, errCrashed) {
		return false, nil, err
	}
	done, foreign := false, (*v1alpha1.Change)(nil)
	if err == nil && grip.Held && before.Held() != nil {
		done, foreign, err = session.Ensure(s.ctx, g, "Step", want)
	}
	if errors.Is(err, errCrashed) {
		return false, nil, err
	}
	if grip.Lost {
		err = ErrLeaseLost
	}
	werr := w.Client.Status().Patch(s.ctx, g, client.MergeFromWithOptions(before, client.MergeFromWithOptimisticLock{}))
	return done, foreign, errors.Join(err, werr)
}

// until reconciles until done; a crash drops all memory.
func (s *site) until(name string, wish Wish, want []v1alpha1.Change) {
	s.t.Helper()
	for range 30 {
		done, foreign, err := s.reconcile(name, wish, want)
		if foreign != nil || err != nil && !errors.Is(err, errCrashed) {
			s.t.Fatalf("foreign %v, error %v", foreign, err)
		}
		s.oracle(name)
		if done && err == nil {
			return
		}
	}
	s.t.Fatal("not done after 30 reconciles")
}

// oracle: nothing of production differs from how it was found unless the
// journal of the run says so.
func (s *site) oracle(name string) {
	s.t.Helper()
	g := s.golive(name)
	known := func(kind, target string, field v1alpha1.ChangeField) bool {
		for _, c := range g.Status.Changes {
			if c.Target.Kind == kind && c.Target.Name == target && c.Field == field {
				return true
			}
		}
		return false
	}
	for deployment, replicas := range map[string]int32{"web": 2, "cron": 1} {
		if *s.deployment(deployment).Spec.Replicas != replicas && !known("Deployment", deployment, v1alpha1.FieldReplicas) {
			s.t.Fatalf("replicas of %s changed and the journal does not know it", deployment)
		}
	}
	if s.service().Spec.Selector["app"] != "web" && !known("Service", "web", v1alpha1.FieldSelector) {
		s.t.Fatal("the selector changed and the journal does not know it")
	}
}

func (s *site) golive(name string) *v1alpha1.GoLive {
	s.t.Helper()
	g := &v1alpha1.GoLive{}
	s.must(s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, g))
	return g
}

func (s *site) deployment(name string) *appsv1.Deployment {
	s.t.Helper()
	d := &appsv1.Deployment{}
	s.must(s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: name}, d))
	return d
}

func (s *site) service() *corev1.Service {
	s.t.Helper()
	svc := &corev1.Service{}
	s.must(s.admin.Get(s.ctx, client.ObjectKey{Namespace: s.namespace, Name: "web"}, svc))
	return svc
}

func (s *site) lease() (holderName string, fence int32, at v1alpha1.LeasePoint) {
	s.t.Helper()
	lease, err := s.writer().Leases.Get(s.ctx, s.golive("g"))
	s.must(err)
	return holder(lease), ptr.Deref(lease.Spec.LeaseTransitions, -1), point(lease)
}
