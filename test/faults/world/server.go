// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package world is a cluster in which a process of the operator may die at any
// request: a real API server with the roles and policies of config, and
// everything else played, one tick after the other.
package world

import (
	"bytes"
	"context"
	"crypto/rand"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"
	"sigs.k8s.io/controller-runtime/pkg/envtest"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/controllers"
)

// scheme of all clients: to make one takes longer than a request.
var scheme = controllers.Scheme()

// Server is what all runs share.
type Server struct {
	// Root of the repository.
	Root string
	// Sites is how the namespaces of runs begin.
	Sites   string
	config  *rest.Config
	mapper  meta.RESTMapper
	stop    func() error
	admin   client.Client
	storage storage
}

// Start brings up the API server and installs Gradus. Legible, its storage can
// be kept as text.
func Start(ctx context.Context, root string, legible bool) (*Server, error) {
	cluster := &envtest.Environment{ErrorIfCRDPathMissing: true,
		CRDDirectoryPaths: []string{filepath.Join(root, "test/faults/world/crds")}}
	// Every run has Services of its own; and nobody reads this disk again.
	cluster.ControlPlane.GetAPIServer().Configure().Set("service-cluster-ip-range", "10.0.0.0/12")
	// A list from a watch cache waits until that is fresh, longer than etcd takes for
	// the few objects of a run.
	cluster.ControlPlane.GetAPIServer().Configure().Set("watch-cache", "false")
	// Nobody here has to wait for his turn.
	cluster.ControlPlane.GetAPIServer().Configure().Set("enable-priority-and-fairness", "false")
	if legible {
		cluster.ControlPlane.GetAPIServer().Configure().Set("storage-media-type", "application/json")
	}
	token := rand.Text()
	tokens, err := tokenFile(token)
	if err != nil {
		return nil, err
	}
	defer func() { _ = os.Remove(tokens) }() // it is read once
	cluster.ControlPlane.GetAPIServer().Configure().Set("token-auth-file", tokens)
	cluster.ControlPlane.Etcd = &envtest.Etcd{}
	cluster.ControlPlane.Etcd.Configure().Set("unsafe-no-fsync", "true")
	config, err := cluster.Start()
	if err != nil {
		return nil, fmt.Errorf("start API server: %w", errors.Join(err, cluster.Stop()))
	}
	config.QPS, config.Burst = -1, -1
	config.BearerToken, config.CertData, config.KeyData = token, nil, nil
	s := &Server{Root: root, Sites: "campus", config: config, stop: cluster.Stop,
		storage: storage{url: cluster.ControlPlane.Etcd.URL.String()}}
	if err := s.install(ctx); err != nil {
		return nil, errors.Join(err, cluster.Stop())
	}
	return s, nil
}

// tokenFile names an administrator. The API server verifies a certificate with every
// request, and that takes as long as a short read.
func tokenFile(token string) (string, error) {
	file, err := os.CreateTemp("", "gradus-faults-tokens-*.csv")
	if err != nil {
		return "", err
	}
	_, err = fmt.Fprintf(file, "%s,administrator,administrator,system:masters\n", token)
	return file.Name(), errors.Join(err, file.Close())
}

// Stop ends it.
func (s *Server) Stop() error { return s.stop() }

// install makes what `kubectl apply -k config/default` makes, and waits until
// the policies are enforced.
func (s *Server) install(ctx context.Context) error {
	bare, err := client.New(s.config, client.Options{})
	if err != nil {
		return err
	}
	objects, err := s.render("default")
	if err != nil {
		return err
	}
	for _, object := range objects {
		if err := create(ctx, bare, object); err != nil {
			return fmt.Errorf("create %s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	if err := s.mapAll(ctx); err != nil {
		return err
	}
	class := &snapshotv1.VolumeSnapshotClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Driver: driver,
		DeletionPolicy: snapshotv1.VolumeSnapshotContentRetain}
	storage := &storagev1.StorageClass{ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Provisioner: driver}
	for _, object := range []client.Object{class, storage} {
		if err := s.admin.Create(ctx, object); err != nil {
			return err
		}
	}
	return s.enforced(ctx)
}

// mapAll learns the kinds once, for all clients of all runs.
func (s *Server) mapAll(ctx context.Context) error {
	http, err := rest.HTTPClientFor(s.config)
	if err != nil {
		return err
	}
	return until(ctx, "kinds", func() error {
		if s.mapper, err = apiutil.NewDynamicRESTMapper(s.config, http); err != nil {
			return err
		}
		for gvk := range scheme.AllKnownTypes() {
			if gvk.GroupVersion() == v1alpha1.GroupVersion {
				_, _ = s.mapper.RESTMapping(gvk.GroupKind(), gvk.Version)
			}
		}
		if _, err = s.mapper.RESTMapping(v1alpha1.GroupVersion.WithKind("GoLive").GroupKind(), "v1alpha1"); err != nil {
			return err
		}
		s.admin, err = client.New(s.config, client.Options{Scheme: scheme, Mapper: s.mapper})
		return err
	})
}

// enforced waits until one request each that only a policy changes or refuses
// is answered so.
func (s *Server) enforced(ctx context.Context) error {
	ns := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "probe"}}
	if err := s.admin.Create(ctx, ns); err != nil {
		return err
	}
	here := metav1.ObjectMeta{Namespace: "probe", Name: "any"}
	return until(ctx, "policies", func() error {
		approval := &v1alpha1.UpgradeApproval{ObjectMeta: here, Spec: v1alpha1.UpgradeApprovalSpec{
			PlanRef: &v1alpha1.PlanRef{Name: "any"}, Gate: v1alpha1.GateGoLive, Decision: v1alpha1.DecisionApprove,
			Digest: "sha256:" + strings.Repeat("0", 64)}}
		if err := s.admin.Create(ctx, approval, client.DryRunAll); err != nil {
			return err
		}
		ref := v1alpha1.LocalRef{Name: "any"}
		order := &v1alpha1.GoLive{ObjectMeta: here, Spec: v1alpha1.GoLiveSpec{Digest: approval.Spec.Digest,
			SiteRef: ref, BackupRef: ref, PlanRef: v1alpha1.PlanRef{Name: "any"},
			Upgrade: v1alpha1.UpgradeSpec{From: "1", Hops: []v1alpha1.Hop{{From: "1", To: "2"}},
				Releases: []v1alpha1.Release{{Version: "2", Image: "a:2"}}}}}
		if err := s.admin.Create(ctx, order, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "makers:") {
			return fmt.Errorf("a GoLive of a person is not refused: %w", err)
		}
		mgr, err := client.New(s.as(Manager), client.Options{Scheme: scheme, Mapper: s.mapper})
		if err != nil {
			return err
		}
		other := &corev1.Namespace{ObjectMeta: metav1.ObjectMeta{Name: "other"}}
		if err := mgr.Create(ctx, other, client.DryRunAll); err == nil || !strings.Contains(err.Error(), "fence:") {
			return fmt.Errorf("any namespace is not refused: %w", err)
		}
		return nil
	})
}

// Who the processes of the operator are.
const (
	Manager    = "system:serviceaccount:gradus-system:gradus-manager"
	Production = "system:serviceaccount:gradus-system:gradus-production"
)

// as gives a configuration that speaks as somebody, in JSON: the gate reads it. Answers, which
// it only hands on, come in what is read fastest.
func (s *Server) as(user string) *rest.Config {
	c := rest.CopyConfig(s.config)
	c.ContentType = runtime.ContentTypeJSON
	c.AcceptContentTypes = runtime.ContentTypeProtobuf + "," + runtime.ContentTypeJSON
	if user == "" {
		return c
	}
	groups := []string{"system:authenticated"}
	if parts := strings.Split(user, ":"); len(parts) == 4 && parts[1] == "serviceaccount" {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	} else {
		groups = append(groups, "system:masters") // a person with every right
	}
	c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	return c
}

// render runs kustomize on a folder below config.
func (s *Server) render(folder string) ([]*unstructured.Unstructured, error) {
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	command := exec.Command(kubectl, "kustomize", filepath.Join(s.Root, "config", folder))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return nil, fmt.Errorf("kustomize %s: %w: %s", folder, err, stderr.String())
	}
	return parse(out)
}

func parse(text []byte) ([]*unstructured.Unstructured, error) {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(bytes.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects, nil
		}
		if err != nil {
			return nil, err
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// create retries while the API server does not know a new kind yet.
func create(ctx context.Context, c client.Client, object client.Object) error {
	return until(ctx, object.GetName(), func() error {
		if err := c.Create(ctx, object); !apierrors.IsAlreadyExists(err) {
			return err
		}
		return nil
	})
}

// until asks again until it gets no error: there is nothing to watch for the
// moment in which the API server takes a rule into use.
func until(ctx context.Context, what string, do func() error) error {
	var last error
	err := wait.PollUntilContextTimeout(ctx, 20*time.Millisecond, time.Minute, true,
		func(context.Context) (bool, error) {
			last = do()
			return last == nil, nil
		})
	if err != nil {
		return fmt.Errorf("wait for %s: %w", what, last)
	}
	return nil
}
