// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package golive_test

import (
	"context"
	"errors"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"testing"
	"time"

	appsv1 "k8s.io/api/apps/v1"
	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime/schema"
	"k8s.io/client-go/rest"
	clocktesting "k8s.io/utils/clock/testing"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/interceptor"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/controllers"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive/order"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/status"
)

var api *rest.Config

func TestMain(m *testing.M) {
	if os.Getenv("KUBEBUILDER_ASSETS") == "" {
		fmt.Println("KUBEBUILDER_ASSETS is not set: stories of go-live and rollback against an API server are left out")
		os.Exit(m.Run())
	}
	server := &envtest.Environment{CRDDirectoryPaths: []string{filepath.Join("..", "..", "config", "crd", "bases")}}
	// Each world has Services of its own.
	server.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/16")
	var err error
	if api, err = server.Start(); err != nil {
		fmt.Println("start API server:", err)
		os.Exit(1)
	}
	api.QPS, api.Burst = 1000, 1000
	code := m.Run()
	_ = server.Stop()
	os.Exit(code)
}

var errCrashed = errors.New("crashed")

// world is a cluster with one site, an approved plan, and everything around
// the operator played by the test.
type world struct {
	t         *testing.T
	ctx       context.Context
	namespace string
	profile   string
	admin     client.WithWatch
	clock     *clocktesting.FakeClock
	// outcomes of Jobs, by the longest part of their names; all others succeed.
	outcomes map[string]pipeline.JobOutcome
	// crash at the n-th write of the operator, after it was done or before.
	crash, writes int
	after         bool
	goLive        *v1alpha1.GoLive
	// refuse creates of objects whose name has this part, deny patches of the
	// object that is called so.
	refuse, deny string
	// blind: reads of this object of the site are refused; sights outlive a crash.
	blind  string
	sights *controllers.Sights
	// cached is what stands between the operator and the API server; nil: nothing.
	cached func(client.WithWatch) client.WithWatch
	// skip is a Rollback that nothing wakes.
	skip string
	// at is called after each tick.
	at func()
}

// reports plays the pods.
type reports struct{ w *world }

func (reports) Keep(context.Context, pipeline.Owner, string, *batchv1.Job, pipeline.JobOutcome) ([]v1alpha1.Evidence, error) {
	return nil, nil
}

func (reports) Store(context.Context, pipeline.Owner, *v1alpha1.StepStatus, string, []byte) (v1alpha1.Evidence, error) {
	return v1alpha1.Evidence{}, nil
}

const image = "gradus:1"

func newWorld(t *testing.T) *world { return newWorldOf(t, "campus") }

// newWorldOf makes a world whose site has a profile.
func newWorldOf(t *testing.T, product string) *world {
	t.Helper()
	if api == nil {
		t.Skip("no API server")
	}
	admin, err := client.NewWithWatch(api, client.Options{Scheme: controllers.Scheme()})
	if err != nil {
		t.Fatal(err)
	}
	w := &world{t: t, ctx: t.Context(), admin: admin, profile: product, crash: -1, sights: &controllers.Sights{}, outcomes: map[string]pipeline.JobOutcome{},
		clock: clocktesting.NewFakeClock(time.Now().Truncate(time.Second))}
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{GenerateName: "campus-"}}
	w.must(admin.Create(w.ctx, ns))
	w.namespace = ns.Name
	w.live()
	return w
}

func (w *world) must(err error) {
	w.t.Helper()
	if err != nil {
		w.t.Fatal(err)
	}
}

func (w *world) meta(name string) metav1.ObjectMeta {
	// As admission writes it, which is not in force here.
	author := map[string]string{v1alpha1.AuthorsAnnotation: "planner@campus.example"}
	return metav1.ObjectMeta{Namespace: w.namespace, Name: name, Annotations: author}
}

// live makes the site.
func (w *world) live() {
	for name, replicas := range map[string]int32{"web": 2, "cron": 1} {
		labels := map[string]string{"app": name}
		w.must(w.admin.Create(w.ctx, &appsv1.Deployment{ObjectMeta: w.meta(name), Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(replicas), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels}, Spec: corev1.PodSpec{
				Containers: []corev1.Container{{Name: "app", Image: "campus:1.0", VolumeMounts: []corev1.VolumeMount{{Name: "files", MountPath: "/var/lib/campus"}}}},
				Volumes: []corev1.Volume{{Name: "files", VolumeSource: corev1.VolumeSource{
					PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "files"}}}},
			}}}}))
	}
	labels := map[string]string{"app": "db"}
	w.must(w.admin.Create(w.ctx, &appsv1.StatefulSet{ObjectMeta: w.meta("db"), Spec: appsv1.StatefulSetSpec{
		ServiceName: "db", Selector: &metav1.LabelSelector{MatchLabels: labels},
		Template: corev1.PodTemplateSpec{ObjectMeta: metav1.ObjectMeta{Labels: labels},
			Spec: corev1.PodSpec{Containers: []corev1.Container{{Name: "pg", Image: "postgresql:15"}}}}}}))
	for name, port := range map[string]int32{"web": 80, "db": 5432} {
		w.must(w.admin.Create(w.ctx, &corev1.Service{ObjectMeta: w.meta(name), Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": name}, Ports: []corev1.ServicePort{{Port: port}}}}))
	}
	workload := func(name string, role v1alpha1.WorkloadRole) v1alpha1.Workload {
		return v1alpha1.Workload{Name: name, Role: role, ApplicationContainer: "app",
			TargetRef: v1alpha1.WorkloadRef{APIVersion: "apps/v1", Kind: "Deployment", Name: name}}
	}
	w.must(w.admin.Create(w.ctx, &v1alpha1.Site{ObjectMeta: w.meta("campus"), Spec: v1alpha1.SiteSpec{
		Profile: w.profile, URL: "http://campus.example",
		Workloads: []v1alpha1.Workload{workload("web", v1alpha1.RoleWeb), workload("cron", v1alpha1.RoleCron)},
		Traffic:   v1alpha1.Traffic{ServiceRef: v1alpha1.LocalRef{Name: "web"}, Port: 80},
		Database: v1alpha1.Database{Engine: "PostgreSQL", Name: "campus", TablePrefix: "cmp_", Port: 5432,
			WorkloadRef:    &v1alpha1.WorkloadRef{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "db"},
			OwnerSecretRef: v1alpha1.LocalRef{Name: "db-owner"}, ReaderSecretRef: v1alpha1.LocalRef{Name: "db-reader"},
			Clone: v1alpha1.DatabaseClone{Method: v1alpha1.CloneDump}},
		Volumes: []v1alpha1.SiteVolume{{Name: "files", ClaimName: "files", MountPath: "/var/lib/campus",
			Clone: v1alpha1.VolumeClone{Method: v1alpha1.CloneVolumeSnapshot}}},
		Backup: v1alpha1.Backup{Locations: []v1alpha1.BackupLocation{{Name: "vault", FailureDomain: "other",
			Holds: []v1alpha1.BackupContent{v1alpha1.HoldsDatabase}, Volume: &v1alpha1.VolumeLocation{ClaimName: "gradus-vault"}}}},
	}}))
}

// order makes the plan, its approval, the backup, and the go-live. Change asks
// for other terms: the plan says the same.
func (w *world) order(change func(*v1alpha1.GoLiveSpec)) *v1alpha1.GoLive {
	w.t.Helper()
	var terms v1alpha1.GoLiveSpec
	if change != nil {
		change(&terms)
	}
	plan := &v1alpha1.UpgradePlan{ObjectMeta: w.meta("plan"), Spec: v1alpha1.UpgradePlanSpec{
		SiteRef: v1alpha1.LocalRef{Name: "campus"},
		Target:  v1alpha1.Target{Version: "2.0", Releases: []v1alpha1.Release{{Version: "2.0", Image: "campus:2.0"}}},
		GoLive:  v1alpha1.GoLiveTerms{OnFailure: terms.OnFailure}, Infrastructure: v1alpha1.Infrastructure{Scale: terms.Scale}}}
	now, layout := w.clock.Now().UTC().Truncate(time.Minute), "2006-01-02T15:04"
	closes := now.Add(40 * time.Hour)
	if terms.Closes != nil {
		closes = terms.Closes.UTC().Truncate(time.Minute)
	}
	plan.Spec.Rollout.Window = &v1alpha1.Window{Opens: now.Add(-24 * time.Hour).Format(layout), Closes: closes.Format(layout)}
	if terms.Look == "Approve" {
		plan.Spec.ChangeControl.Gates = []v1alpha1.GateTerms{{Name: v1alpha1.GateOpen, Approvals: []v1alpha1.Quorum{{Group: "testers", Count: 1}}}}
	}
	w.must(w.admin.Create(w.ctx, plan))
	plan.Status.Hops = []v1alpha1.HopResult{{Hop: v1alpha1.Hop{From: "1.0", To: "2.0"}}}
	plan.Status.Summary.From = "1.0"
	w.must(w.admin.Status().Update(w.ctx, plan))
	digest := w.subject(plan, v1alpha1.GateGoLive)
	w.must(w.admin.Create(w.ctx, &v1alpha1.UpgradeApproval{ObjectMeta: w.meta("yes"), Spec: v1alpha1.UpgradeApprovalSpec{
		PlanRef: &v1alpha1.PlanRef{Name: "plan"}, Gate: v1alpha1.GateGoLive, Digest: digest,
		Decision: v1alpha1.DecisionApprove, Approver: "registrar@campus.example"}}))
	w.must(w.admin.Create(w.ctx, &v1alpha1.SiteBackup{ObjectMeta: w.meta("backup"),
		Spec: v1alpha1.SiteBackupSpec{SiteRef: v1alpha1.LocalRef{Name: "campus"}}}))
	w.backups()
	g := &v1alpha1.GoLive{ObjectMeta: w.meta("go"), Spec: order.Of(plan)}
	g.Spec.Digest, g.Spec.BackupRef, g.Spec.Closes = digest, v1alpha1.LocalRef{Name: "backup"}, &metav1.Time{Time: closes}
	if terms.Digest != "" {
		g.Spec.Digest = terms.Digest
	}
	w.must(w.admin.Create(w.ctx, g))
	w.goLive = g
	return g
}

// subject gives the digest that an approval of a gate must carry.
func (w *world) subject(plan *v1alpha1.UpgradePlan, name string) string {
	w.t.Helper()
	site := &v1alpha1.Site{}
	w.must(w.admin.Get(w.ctx, client.ObjectKey{Namespace: w.namespace, Name: "campus"}, site))
	known, err := profile.Load(w.profile)
	w.must(err)
	return gate.Subject(name, gate.Facts{Plan: plan, Site: site, ProfileDigest: known.Digest(), AgentImage: image}).Digest()
}

// base is what main gives to the reconcilers, with a client that may crash.
func (w *world) base() controllers.Base {
	write := func(do func() error) error {
		n := w.writes
		w.writes++
		if n == w.crash && !w.after {
			return errCrashed
		}
		if err := do(); err != nil {
			return err
		}
		if n == w.crash && w.after {
			return errCrashed
		}
		return nil
	}
	c := interceptor.NewClient(w.admin, interceptor.Funcs{
		Create: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.CreateOption) error {
			if w.refuse != "" && strings.Contains(o.GetName(), w.refuse) {
				return apierrors.NewForbidden(schema.GroupResource{Group: "batch", Resource: "jobs"}, o.GetName(), errors.New("exceeded quota"))
			}
			return write(func() error { return c.Create(ctx, o, opts...) })
		},
		Update: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.UpdateOption) error {
			return write(func() error { return c.Update(ctx, o, opts...) })
		},
		Delete: func(ctx context.Context, c client.WithWatch, o client.Object, opts ...client.DeleteOption) error {
			return write(func() error { return c.Delete(ctx, o, opts...) })
		},
		Patch: func(ctx context.Context, c client.WithWatch, o client.Object, p client.Patch, opts ...client.PatchOption) error {
			if w.deny != "" && o.GetName() == w.deny {
				return apierrors.NewForbidden(schema.GroupResource{Group: "apps", Resource: "deployments"}, w.deny, errors.New("image policy"))
			}
			return write(func() error { return c.Patch(ctx, o, p, opts...) })
		},
		SubResourcePatch: func(ctx context.Context, c client.Client, sub string, o client.Object, p client.Patch, opts ...client.SubResourcePatchOption) error {
			return write(func() error { return c.SubResource(sub).Patch(ctx, o, p, opts...) })
		},
	})
	if w.cached != nil {
		c = w.cached(c)
	}
	return controllers.Base{
		Client: c, Live: w.eyes(), Clock: w.clock, Install: environment.Install{Image: image}, Sights: w.sights,
		Engine:  pipeline.Engine{Client: c, Live: w.eyes(), Clock: w.clock, Reports: reports{w}},
		Settler: status.Settler{Client: c},
	}
}

// eyes are how the operator reads past the cache.
func (w *world) eyes() client.Reader {
	return interceptor.NewClient(w.admin, interceptor.Funcs{
		Get: func(ctx context.Context, c client.WithWatch, key client.ObjectKey, o client.Object, opts ...client.GetOption) error {
			if w.blind != "" && key.Name == w.blind {
				return apierrors.NewForbidden(schema.GroupResource{Resource: "objects"}, w.blind, errors.New("no role is known"))
			}
			return c.Get(ctx, key, o, opts...)
		},
	})
}
