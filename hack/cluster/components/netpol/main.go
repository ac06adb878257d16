// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Command netpol enforces NetworkPolicy with iptables and ipset: kube-router's
// policy controller, without its router, its service proxy and its BGP.
package main

import (
	"errors"
	"flag"
	"fmt"
	"net/http"
	"os"
	"os/signal"
	"sync"
	"syscall"
	"time"

	"github.com/cloudnativelabs/kube-router/pkg/controllers/netpol"
	"github.com/cloudnativelabs/kube-router/pkg/healthcheck"
	"github.com/cloudnativelabs/kube-router/pkg/options"
	"k8s.io/client-go/informers"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/tools/cache"
	"k8s.io/client-go/tools/clientcmd"
	"k8s.io/klog/v2"
)

type settings struct {
	kubeconfig  string
	node        string
	serviceCIDR string
	healthz     string
	syncPeriod  time.Duration
}

func main() {
	var s settings
	flag.StringVar(&s.kubeconfig, "kubeconfig", "", "kubeconfig of the controller")
	flag.StringVar(&s.node, "node", "", "name of this node")
	flag.StringVar(&s.serviceCIDR, "service-cidr", "10.96.0.0/16", "range of the service addresses")
	flag.StringVar(&s.healthz, "healthz", "127.0.0.1:10260", "address that answers 200 after the first synchronisation")
	flag.DurationVar(&s.syncPeriod, "sync-period", 5*time.Minute, "time between synchronisations that nothing asked for")
	klog.InitFlags(nil)
	flag.Parse()
	if err := run(s); err != nil {
		fmt.Fprintln(os.Stderr, "netpol:", err)
		os.Exit(1)
	}
}

func run(s settings) error {
	config, err := clientcmd.BuildConfigFromFlags("", s.kubeconfig)
	if err != nil {
		return fmt.Errorf("read kubeconfig: %w", err)
	}
	client, err := kubernetes.NewForConfig(config)
	if err != nil {
		return fmt.Errorf("make client: %w", err)
	}
	stop := make(chan struct{})
	factory := informers.NewSharedInformerFactory(client, 0)
	pods := factory.Core().V1().Pods().Informer()
	namespaces := factory.Core().V1().Namespaces().Informer()
	policies := factory.Networking().V1().NetworkPolicies().Informer()

	router := options.NewKubeRouterConfig()
	router.RunFirewall = true
	router.HostnameOverride = s.node
	router.ClusterIPCIDR = s.serviceCIDR
	router.IPTablesSyncPeriod = s.syncPeriod
	var ipsets sync.Mutex
	controller, err := netpol.NewNetworkPolicyController(client, router, pods, policies, namespaces, &ipsets)
	if err != nil {
		return fmt.Errorf("make policy controller: %w", err)
	}
	pods.AddEventHandler(controller.PodEventHandler)
	policies.AddEventHandler(controller.NetworkPolicyEventHandler)
	namespaces.AddEventHandler(controller.NamespaceEventHandler)
	factory.Start(stop)
	if !cache.WaitForCacheSync(stop, pods.HasSynced, namespaces.HasSynced, policies.HasSynced) {
		return errors.New("watch pods, namespaces and policies: caches did not fill")
	}

	beats := make(chan *healthcheck.ControllerHeartbeat, 1)
	serveHealth(s.healthz, beats)
	var done sync.WaitGroup
	done.Add(1)
	go controller.Run(beats, stop, &done)
	signals := make(chan os.Signal, 1)
	signal.Notify(signals, syscall.SIGTERM, syscall.SIGINT)
	<-signals
	close(stop)
	done.Wait()
	return nil
}

// serveHealth drains the controller's heartbeats, which would block it
// otherwise. The first one is sent as its first synchronisation begins.
func serveHealth(address string, beats <-chan *healthcheck.ControllerHeartbeat) {
	var once sync.Once
	started := make(chan struct{})
	go func() {
		for range beats {
			once.Do(func() { close(started) })
		}
	}()
	http.HandleFunc("/healthz", func(w http.ResponseWriter, _ *http.Request) {
		select {
		case <-started:
			fmt.Fprintln(w, "ok")
		default:
			http.Error(w, "not synchronised yet", http.StatusServiceUnavailable)
		}
	})
	go func() { klog.Fatal(http.ListenAndServe(address, nil)) }()
}
