// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rights

import (
	"bytes"
	"context"
	"errors"
	"fmt"
	"io"
	"os"
	"os/exec"
	"path/filepath"
	"strings"
	"time"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/util/wait"
	"k8s.io/apimachinery/pkg/util/yaml"
	"k8s.io/client-go/rest"
	"sigs.k8s.io/controller-runtime/pkg/client"
)

const (
	root      = "../.."
	poll      = 200 * time.Millisecond
	patience  = 2 * time.Minute
	siteSpace = "campus"      // its owner gave Gradus every right
	readSpace = "read-only"   // its owner gave gradus-site only
	bareSpace = "strangers"   // its owner gave nothing
	copySpace = "campus-copy" // made by Gradus
	lockSpace = "locked"      // a go-live holds it
	generous  = "generous"    // somebody gave Gradus everything, by mistake
)

// Who asks.
const (
	manager      = "system:serviceaccount:gradus-system:gradus-manager"
	production   = "system:serviceaccount:gradus-system:gradus-production"
	argoCD       = "system:serviceaccount:argocd:application-controller" // cluster-admin
	garbage      = "system:serviceaccount:kube-system:generic-garbage-collector"
	namespacer   = "system:serviceaccount:kube-system:namespace-controller"
	cronJobs     = "system:serviceaccount:kube-system:cronjob-controller"
	autoscaler   = "system:serviceaccount:kube-system:horizontal-pod-autoscaler"
	deployer     = "system:serviceaccount:kube-system:deployment-controller"
	lockWatchdog = "system:serviceaccount:" + lockSpace + ":gradus-watchdog-campus-0a1b2c3d"
	owner        = "olga"    // admin of the sites' namespaces
	tenant       = "tom"     // edit in the sites' namespaces
	approver     = "anna"    // gradus-approver in campus
	secondPerson = "bert"    // gradus-approver in campus
	narrow       = "nina"    // approve on one gate of one plan
	keeper       = "norbert" // may patch namespaces
	clusterAdmin = "root"    // cluster-admin, not system:masters
	gradusAdmin  = "gudrun"  // gradus-admin in campus
	bot          = "system:serviceaccount:campus:pipeline"
	allowedBot   = "system:serviceaccount:campus:trusted-pipeline"
)

// as returns a client that speaks as somebody.
func as(user string) client.Client {
	groups := []string{"system:authenticated"}
	if parts := strings.Split(user, ":"); len(parts) == 4 && parts[1] == "serviceaccount" {
		groups = append(groups, "system:serviceaccounts", "system:serviceaccounts:"+parts[2])
	}
	if user == approver {
		groups = append(groups, "moodle-owners")
	}
	c := rest.CopyConfig(config)
	c.Impersonate = rest.ImpersonationConfig{UserName: user, Groups: groups}
	made, err := client.New(c, client.Options{})
	if err != nil {
		panic(err)
	}
	return made
}

// parse reads objects from YAML; $NAME in it stands for what names says.
func parse(text string) []*unstructured.Unstructured {
	var objects []*unstructured.Unstructured
	decoder := yaml.NewYAMLOrJSONDecoder(strings.NewReader(text), 4096)
	for {
		object := &unstructured.Unstructured{}
		err := decoder.Decode(&object.Object)
		if errors.Is(err, io.EOF) {
			return objects
		}
		if err != nil {
			panic(fmt.Sprintf("%v in\n%s", err, text))
		}
		if len(object.Object) > 0 {
			objects = append(objects, object)
		}
	}
}

// one reads a single object.
func one(text string) *unstructured.Unstructured { return parse(text)[0] }

// render runs kustomize on a folder below config.
func render(folder string) (string, error) {
	kubectl := filepath.Join(os.Getenv("KUBEBUILDER_ASSETS"), "kubectl")
	command := exec.Command(kubectl, "kustomize", filepath.Join(root, "config", folder))
	var stderr bytes.Buffer
	command.Stderr = &stderr
	out, err := command.Output()
	if err != nil {
		return "", fmt.Errorf("kustomize %s: %w: %s", folder, err, stderr.String())
	}
	return string(out), nil
}

// prepare installs Gradus, makes the namespaces and people of the tests, and
// waits until the policies are enforced.
func prepare(ctx context.Context) error {
	var err error
	if admin, err = client.New(config, client.Options{}); err != nil {
		return err
	}
	text, err := render("default")
	if err != nil {
		return err
	}
	for _, object := range parse(text) {
		if err := create(ctx, admin, object); err != nil {
			return fmt.Errorf("%s %s: %w", object.GetKind(), object.GetName(), err)
		}
	}
	if err := makePeople(ctx); err != nil {
		return err
	}
	if err := makeSites(ctx); err != nil {
		return err
	}
	if err := waitFor(ctx, "the mutating policies", mutates); err != nil {
		return err
	}
	if err := makeObjects(ctx); err != nil {
		return err
	}
	for name, probe := range probes {
		if err := waitFor(ctx, name, probe.holds); err != nil {
			return fmt.Errorf("%w; last answer: %w", err, probe.do(ctx, as(probe.by)))
		}
	}
	return nil
}

// create retries while the API server does not know a new kind yet.
func create(ctx context.Context, c client.Client, object client.Object) error {
	return wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		err := c.Create(ctx, object)
		if apierrors.IsNotFound(err) || apierrors.IsServiceUnavailable(err) || metaNoMatch(err) {
			return false, nil
		}
		return err == nil, err
	})
}

func metaNoMatch(err error) bool {
	return err != nil && strings.Contains(err.Error(), "no matches for kind")
}

// waitFor asks until a probe holds: policies are enforced some seconds after
// they were made.
func waitFor(ctx context.Context, what string, probe func(context.Context) bool) error {
	err := wait.PollUntilContextTimeout(ctx, poll, patience, true, func(ctx context.Context) (bool, error) {
		return probe(ctx), nil
	})
	if err != nil {
		return fmt.Errorf("not enforced: %s: %w", what, err)
	}
	return nil
}

func mutates(ctx context.Context) bool {
	plan := one(planYAML)
	if as(clusterAdmin).Create(ctx, plan, client.DryRunAll) != nil {
		return false
	}
	approval := one(approvalYAML)
	err := as(approver).Create(ctx, approval, client.DryRunAll)
	stamped, _, _ := unstructured.NestedString(approval.Object, "spec", "approver")
	return err == nil && plan.GetAnnotations()["lms.gradus.dev/authors"] == clusterAdmin && stamped == approver
}
