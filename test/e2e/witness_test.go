// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package e2e

import (
	"bufio"
	"context"
	"encoding/json"
	"slices"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/util/wait"

	"github.com/gradus-lms/gradus/hack/demo/proof"
	"github.com/gradus-lms/gradus/hack/demo/world"
	"github.com/gradus-lms/gradus/internal/notify"
)

// witnesses is the namespace of those who look on.
const witnesses = "e2e-witness"

// channel over which the stories' plan tells people.
const channel = "campus-it"

// witness starts one pod that looks on, and gives it when it runs.
func witness(t *testing.T, name string, args ...string) *corev1.Pod {
	t.Helper()
	pod := &corev1.Pod{
		ObjectMeta: metav1.ObjectMeta{Namespace: witnesses, Name: name, Labels: map[string]string{"app": name}},
		Spec:       world.WitnessPod(args...),
	}
	if err := admin.Create(t.Context(), pod); err != nil {
		t.Fatal(err)
	}
	_, err := world.Await(within(t, time.Minute), admin, pod, func(p *corev1.Pod) (string, error) {
		if p.Status.Phase != corev1.PodRunning {
			return "it is " + string(p.Status.Phase), nil
		}
		return "", nil
	})
	if err != nil {
		t.Fatal(err)
	}
	return pod
}

// watchDoor asks the site's door four times a second, from another namespace;
// what it gives reads what was seen since.
func watchDoor(t *testing.T, ns string) func() proof.Door {
	t.Helper()
	began := time.Now()
	pod := witness(t, "door", "door", "http://campus-web."+ns+".svc", "being upgraded")
	return func() proof.Door {
		log, err := admin.LogOf(t.Context(), pod, "witness")
		if err != nil {
			t.Fatal(err)
		}
		return proof.ReadDoor(log, began)
	}
}

// listen configures a channel and gives what reads the messages that came.
func listen(t *testing.T) func() []notify.Message {
	t.Helper()
	pod := witness(t, "hook", "hook", ":8080")
	service := &corev1.Service{
		ObjectMeta: metav1.ObjectMeta{Namespace: witnesses, Name: "hook"},
		Spec: corev1.ServiceSpec{
			Selector: map[string]string{"app": "hook"}, Ports: []corev1.ServicePort{{Port: 8080}},
		},
	}
	if err := admin.Create(t.Context(), service); err != nil {
		t.Fatal(err)
	}
	meta := metav1.ObjectMeta{Namespace: world.SystemNamespace, Name: notify.Name}
	config := &corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{channel: "webhook: {urlKey: it}"}}
	address := &corev1.Secret{ObjectMeta: meta, StringData: map[string]string{"it": "http://hook." + witnesses + ".svc:8080/"}}
	forget := func() {
		remove(within(t, time.Minute), t, config.DeepCopy())
		remove(within(t, time.Minute), t, address.DeepCopy())
	}
	forget() // what an earlier run left
	for _, create := range []func() error{
		func() error { return admin.Create(t.Context(), config) },
		func() error { return admin.Create(t.Context(), address) },
	} {
		if err := create(); err != nil {
			t.Fatal(err)
		}
	}
	return func() []notify.Message {
		log, err := admin.LogOf(t.Context(), pod, "witness")
		if err != nil {
			t.Fatal(err)
		}
		return messages(log)
	}
}

func messages(log string) []notify.Message {
	var out []notify.Message
	for lines := bufio.NewScanner(strings.NewReader(log)); lines.Scan(); {
		var line struct{ Body notify.Message }
		if json.Unmarshal(lines.Bytes(), &line) == nil && line.Body.Plan != "" {
			out = append(out, line.Body)
		}
	}
	return out
}

// told waits until a step's rest is told over the channel, with what somebody must
// do: that comes after it stands in the status.
func told(t *testing.T, heard func() []notify.Message, step, state string, words ...string) {
	t.Helper()
	n := 0
	err := wait.PollUntilContextTimeout(t.Context(), time.Second, time.Minute, true, func(context.Context) (bool, error) {
		all := heard()
		n = len(all)
		i := slices.IndexFunc(all, func(m notify.Message) bool { return m.Step == step && m.State == state })
		if i >= 0 {
			has(t, all[i].Text+" "+all[i].Act, words...)
		}
		return i >= 0, nil
	})
	if err != nil {
		t.Errorf("nobody was told that %s is %s; told were %d messages", step, state, n)
	}
}
