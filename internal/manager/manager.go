// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package manager starts the controllers, as one of two identities.
package manager

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net"
	"os"
	"time"

	"k8s.io/client-go/rest"
	ctrl "sigs.k8s.io/controller-runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/healthz"
	"sigs.k8s.io/controller-runtime/pkg/log/zap"
	metricsserver "sigs.k8s.io/controller-runtime/pkg/metrics/server"

	"github.com/gradus-lms/gradus/controllers"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/policy"
)

// Roles of the manager.
const (
	RoleMain       = "main"
	RoleProduction = "production"
)

// Options of one manager.
type Options struct {
	Role             string
	Probes, Metrics  string
	Canary           string
	Image, Namespace string
	LeaderElect      bool
}

func (o *Options) bind(f *flag.FlagSet) {
	f.StringVar(&o.Role, "role", RoleMain, "main: plans, copies, reads; production: go-live and rollback")
	f.StringVar(&o.Probes, "health-probe-bind-address", ":8081", "address of /healthz and /readyz")
	f.StringVar(&o.Metrics, "metrics-bind-address", ":8080", "address of /metrics; 0 for none")
	f.StringVar(&o.Canary, "canary-bind-address", ":8090", "address that pods of copies must find closed; 0 for none")
	f.StringVar(&o.Image, "image", "", "image of Gradus for its Jobs; default: that of the manager's own pod")
	f.StringVar(&o.Namespace, "namespace", os.Getenv("POD_NAMESPACE"), "namespace that Gradus is installed in")
	f.BoolVar(&o.LeaderElect, "leader-elect", false, "let one of several managers of a role work at a time")
}

// Main runs `gradus manager ARGS` until it is told to stop. Its code is 0 when
// stopped, 1 when failed, 2 when wrongly called.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	f := flag.NewFlagSet("gradus manager", flag.ContinueOnError)
	f.SetOutput(stderr)
	var o Options
	o.bind(f)
	logging := zap.Options{}
	logging.BindFlags(f)
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	ctrl.SetLogger(zap.New(zap.UseFlagOptions(&logging), zap.WriteTo(stdout)))
	if err := Run(ctx, o); err != nil {
		fmt.Fprintf(stderr, "gradus manager: %v\n", err)
		return 1
	}
	return 0
}

// Run starts one manager and returns when it ends.
func Run(ctx context.Context, o Options) error {
	if o.Role != RoleMain && o.Role != RoleProduction {
		return fmt.Errorf("read --role: want %s or %s, got %q", RoleMain, RoleProduction, o.Role)
	}
	config, err := ctrl.GetConfig()
	if err != nil {
		return fmt.Errorf("find API server: %w", err)
	}
	install, err := installation(ctx, config, o)
	if err != nil {
		return err
	}
	mgr, err := New(config, o)
	if err != nil {
		return err
	}
	// A law that only our own code keeps is a habit: without the policies that
	// hold our accounts back, nothing starts.
	if err := policy.Check(ctx, mgr.GetAPIReader()); err != nil {
		return fmt.Errorf("check admission policies: %w", err)
	}
	if err := setup(mgr, o, install); err != nil {
		return err
	}
	return mgr.Start(ctx)
}

// setup registers what a role runs.
func setup(mgr ctrl.Manager, o Options, install environment.Install) error {
	base, err := controllers.NewBase(mgr, install)
	if err != nil {
		return err
	}
	register := controllers.SetupMain
	if o.Role == RoleProduction {
		register = controllers.SetupProduction
	}
	if err := register(mgr, base); err != nil {
		return err
	}
	if o.Canary == "" || o.Canary == "0" {
		return nil
	}
	return mgr.Add(canary{address: o.Canary})
}

// New gives a manager with the caches and clients that the controllers expect.
func New(config *rest.Config, o Options) (ctrl.Manager, error) {
	config.QPS, config.Burst = 50, 100
	mgr, err := ctrl.NewManager(config, ctrl.Options{
		Scheme:                        controllers.Scheme(),
		Cache:                         controllers.CacheOptions(),
		Client:                        client.Options{Cache: &client.CacheOptions{DisableFor: controllers.Uncached()}},
		Metrics:                       metricsserver.Options{BindAddress: o.Metrics},
		HealthProbeBindAddress:        o.Probes,
		LeaderElection:                o.LeaderElect,
		LeaderElectionID:              identity(o.Role),
		LeaderElectionNamespace:       o.Namespace,
		LeaderElectionReleaseOnCancel: true,
	})
	if err != nil {
		return nil, fmt.Errorf("make manager: %w", err)
	}
	if err := mgr.AddHealthzCheck("alive", healthz.Ping); err != nil {
		return nil, err
	}
	return mgr, mgr.AddReadyzCheck("ready", healthz.Ping)
}

// identity names the service account, and the Lease, of a role.
func identity(role string) string {
	if role == RoleMain {
		return "gradus-manager"
	}
	return "gradus-production"
}

// installation finds out how this manager is installed.
func installation(ctx context.Context, config *rest.Config, o Options) (environment.Install, error) {
	install := environment.Install{Image: o.Image, Namespace: o.Namespace, Account: identity(RoleMain)}
	if install.Namespace == "" {
		install.Namespace = "gradus-system"
	}
	if install.Image == "" {
		image, err := ownImage(ctx, config, install.Namespace, os.Getenv("POD_NAME"))
		if err != nil {
			return install, err
		}
		install.Image = image
	}
	for _, service := range []string{"KUBERNETES", "GRADUS_CANARY"} {
		host, port := os.Getenv(service+"_SERVICE_HOST"), os.Getenv(service+"_SERVICE_PORT")
		if host != "" && port != "" {
			install.Canaries = append(install.Canaries, net.JoinHostPort(host, port))
		}
	}
	if len(install.Canaries) == 0 && o.Role == RoleMain {
		return install, errors.New("find canaries: neither KUBERNETES_SERVICE_HOST nor GRADUS_CANARY_SERVICE_HOST is set; " +
			"copies could not prove that their network is closed")
	}
	return install, nil
}

// canary accepts connections. A copy that can reach it is not closed.
type canary struct{ address string }

// Start listens until the manager stops.
func (c canary) Start(ctx context.Context) error {
	listener, err := (&net.ListenConfig{}).Listen(ctx, "tcp", c.address)
	if err != nil {
		return fmt.Errorf("listen as canary: %w", err)
	}
	stop := context.AfterFunc(ctx, func() { _ = listener.Close() })
	defer stop()
	for {
		conn, err := listener.Accept()
		if ctx.Err() != nil {
			return nil
		}
		if err != nil {
			return fmt.Errorf("accept as canary: %w", err)
		}
		_ = conn.SetDeadline(time.Now().Add(time.Second))
		_ = conn.Close()
	}
}

// NeedLeaderElection is false: every replica answers.
func (canary) NeedLeaderElection() bool { return false }
