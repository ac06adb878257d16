// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package watchdog

import (
	"context"
	"errors"
	"flag"
	"fmt"
	"io"
	"net/http"
	"os/signal"
	"strings"
	"sync"
	"syscall"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/runtime"
	clientgoscheme "k8s.io/client-go/kubernetes/scheme"
	"k8s.io/utils/clock"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/config"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/production"
)

// Main runs `gradus watchdog ARGS` until it is told to stop, and gives the
// exit code: 0 stopped, 1 failed, 2 wrongly called.
func Main(ctx context.Context, args []string, stdout, stderr io.Writer) int {
	d := &Dog{Clock: clock.RealClock{}}
	f := flag.NewFlagSet("gradus watchdog", flag.ContinueOnError)
	f.SetOutput(stderr)
	f.StringVar(&d.Site, "site", "", "name of the Site whose lease is watched")
	f.StringVar(&d.Namespace, "namespace", "", "namespace of the Site")
	f.StringVar(&d.Run, "run", "", "who is watched, as the lease names its holder: Kind/name/UID")
	f.DurationVar(&d.Duration, "lease-duration", production.DefaultDuration, "silence after which the lease is taken")
	f.DurationVar(&d.Poll, "poll", 5*time.Second, "how often the lease is read")
	f.DurationVar(&d.Alarm, "alarm-every", 5*time.Minute, "how often a closed site without a keeper is told of")
	listen := f.String("listen", ":8081", "address of /readyz, /healthz and /metrics")
	f.Func("target", "an object that may have our note, as Kind/name; may be repeated", func(s string) error {
		kind, name, ok := strings.Cut(s, "/")
		if !ok {
			return fmt.Errorf("want Kind/name, got %q", s)
		}
		d.Targets = append(d.Targets, v1alpha1.ChangeTarget{Kind: kind, Name: name})
		return nil
	})
	if err := f.Parse(args); err != nil {
		if errors.Is(err, flag.ErrHelp) {
			return 0
		}
		return 2
	}
	if d.Site == "" || d.Namespace == "" || d.Run == "" || f.NArg() > 0 {
		fmt.Fprintln(stderr, "gradus watchdog: --site, --namespace and --run are needed, and no arguments")
		return 2
	}
	c, err := connect()
	if err != nil {
		fmt.Fprintf(stderr, "gradus watchdog: %v\n", err)
		return 1
	}
	d.Client, d.Tell, d.Log = c, events{c, d, stdout}, stderr
	ctx, stop := signal.NotifyContext(ctx, syscall.SIGTERM, syscall.SIGINT)
	defer stop()
	return serve(ctx, d, *listen, stdout, stderr)
}

func connect() (client.Client, error) {
	scheme := runtime.NewScheme()
	if err := errors.Join(clientgoscheme.AddToScheme(scheme), v1alpha1.AddToScheme(scheme)); err != nil {
		return nil, err
	}
	cfg, err := config.GetConfig()
	if err != nil {
		return nil, err
	}
	cfg.Timeout = 10 * time.Second // a poll that hangs is one without an answer
	return client.New(cfg, client.Options{Scheme: scheme})
}

// serve polls until the context ends.
func serve(ctx context.Context, d *Dog, listen string, stdout, stderr io.Writer) int {
	var lock sync.Mutex
	server := &http.Server{Addr: listen, ReadHeaderTimeout: 5 * time.Second, Handler: handler(func() State {
		lock.Lock()
		defer lock.Unlock()
		return d.State
	})}
	failed := make(chan error, 1)
	go func() { failed <- server.ListenAndServe() }()
	defer func() { _ = server.Close() }()
	fmt.Fprintf(stdout, "watching Lease %s in %s\n", production.LeaseName(d.Site), d.Namespace)
	ticker := time.NewTicker(d.Poll)
	defer ticker.Stop()
	for {
		lock.Lock()
		if err := d.Look(ctx); err != nil && !lostCause(err) {
			fmt.Fprintf(stderr, "gradus watchdog: %v\n", err)
		}
		lock.Unlock()
		select {
		case <-ctx.Done():
			return 0
		case err := <-failed:
			fmt.Fprintf(stderr, "gradus watchdog: %v\n", err)
			return 1
		case <-ticker.C:
		}
	}
}

// handler answers the kubelet and Prometheus.
func handler(state func() State) http.Handler {
	mux := http.NewServeMux()
	mux.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) { _, _ = io.WriteString(w, "ok\n") })
	mux.HandleFunc("/readyz", func(w http.ResponseWriter, _ *http.Request) {
		if !state().Ready {
			http.Error(w, "the lease was not read yet", http.StatusServiceUnavailable)
			return
		}
		_, _ = io.WriteString(w, "ok\n")
	})
	mux.HandleFunc("/metrics", func(w http.ResponseWriter, _ *http.Request) {
		s, abandoned := state(), 0
		if s.Abandoned {
			abandoned = 1
		}
		silence := s.Silence.Seconds()
		fmt.Fprintf(w, "# TYPE gradus_watchdog_silence_seconds gauge\ngradus_watchdog_silence_seconds %g\n", silence)
		fmt.Fprintf(w, "# TYPE gradus_watchdog_site_abandoned gauge\ngradus_watchdog_site_abandoned %d\n", abandoned)
		fmt.Fprintf(w, "# TYPE gradus_watchdog_undone_total counter\ngradus_watchdog_undone_total %d\n", s.Undone)
		fmt.Fprintf(w, "# TYPE gradus_watchdog_refused gauge\ngradus_watchdog_refused %d\n", s.Refused)
		fmt.Fprintf(w, "# TYPE gradus_watchdog_untold_total counter\ngradus_watchdog_untold_total %d\n", s.Untold)
	})
	return mux
}

// events tells people by Events on the Lease, and in the log.
type events struct {
	client client.Client
	dog    *Dog
	log    io.Writer
}

// Tell writes an Event; its name says when, so that none is lost by merging.
func (e events) Tell(ctx context.Context, reason, message string) error {
	fmt.Fprintf(e.log, "%s: %s\n", reason, message)
	now := metav1.NewTime(e.dog.Clock.Now())
	name := production.LeaseName(e.dog.Site)
	err := e.client.Create(ctx, &corev1.Event{
		ObjectMeta: metav1.ObjectMeta{Namespace: e.dog.Namespace, Name: fmt.Sprintf("%s.%x", name, now.UnixNano())},
		InvolvedObject: corev1.ObjectReference{APIVersion: "coordination.k8s.io/v1", Kind: "Lease",
			Namespace: e.dog.Namespace, Name: name},
		Reason: reason, Message: message, Type: corev1.EventTypeWarning, Count: 1,
		FirstTimestamp: now, LastTimestamp: now, Source: corev1.EventSource{Component: "gradus-watchdog"},
		ReportingController: "gradus.dev/watchdog", ReportingInstance: "gradus-watchdog",
	})
	if err != nil {
		return fmt.Errorf("create Event %s: %w", reason, err)
	}
	return nil
}
