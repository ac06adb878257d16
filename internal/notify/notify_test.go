// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package notify

import (
	"encoding/json"
	"net/http"
	"net/http/httptest"
	"strings"
	"testing"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/fake"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// teller has channels: it (answers as told), broken (not YAML of ours).
func teller(t *testing.T, answer int) (Teller, *[]Message) {
	t.Helper()
	var heard []Message
	server := httptest.NewServer(http.HandlerFunc(func(w http.ResponseWriter, r *http.Request) {
		var m Message
		if err := json.NewDecoder(r.Body).Decode(&m); err != nil || r.Method != http.MethodPost {
			t.Errorf("%s: %v", r.Method, err)
		}
		heard = append(heard, m)
		w.Header().Set("Location", "/elsewhere")
		w.WriteHeader(answer)
	}))
	t.Cleanup(server.Close)
	meta := metav1.ObjectMeta{Namespace: "gradus-system", Name: Name}
	objects := []client.Object{
		&corev1.ConfigMap{ObjectMeta: meta, Data: map[string]string{"it": "webhook: {urlKey: it-url}", "broken": "webhok: {}"}},
		&corev1.Secret{ObjectMeta: meta, Data: map[string][]byte{"it-url": []byte(server.URL + "/secret-path")}},
	}
	return NewTeller(fake.NewClientBuilder().WithObjects(objects...).Build(), "gradus-system"), &heard
}

var one = []Message{{Plan: "campus-2-0", Step: "GoLive", State: "Waiting", Text: "gate GoLive waits", Act: "registrar: kubectl create"}}

func TestAMessageArrivesAsItWasWritten(t *testing.T) {
	told, heard := teller(t, http.StatusNoContent)
	if err := told.Tell(t.Context(), []string{"it"}, one); err != nil {
		t.Fatal(err)
	}
	if len(*heard) != 1 || (*heard)[0] != one[0] {
		t.Errorf("heard %v", *heard)
	}
}

func TestWhatIsNotDeliveredIsToldWithoutItsAddress(t *testing.T) {
	for name, answer := range map[string]int{"refused": http.StatusForbidden, "sent elsewhere": http.StatusFound} {
		told, heard := teller(t, answer)
		err := told.Tell(t.Context(), []string{"it"}, one)
		if err == nil || !strings.Contains(err.Error(), "channel it") || strings.Contains(err.Error(), "secret-path") {
			t.Errorf("%s: %v", name, err)
		}
		if len(*heard) != 1 {
			t.Errorf("%s: %d requests", name, len(*heard))
		}
	}
}

func TestChannelsThatAreNotConfigured(t *testing.T) {
	told, _ := teller(t, http.StatusOK)
	known, err := told.Channels(t.Context())
	if err != nil || len(known) != 1 || known["it"].Webhook == nil {
		t.Errorf("channels %v, error %v", known, err)
	}
	if err := told.Tell(t.Context(), []string{"broken"}, one); err == nil || !strings.Contains(err.Error(), "channel broken") {
		t.Errorf("error %v", err)
	}
	none := NewTeller(fake.NewClientBuilder().Build(), "gradus-system")
	if known, err := none.Channels(t.Context()); err != nil || len(known) != 0 {
		t.Errorf("without a ConfigMap: %v, %v", known, err)
	}
}

func TestOnlyWhatChangedIsTold(t *testing.T) {
	plan := func(states ...v1alpha1.StepState) *v1alpha1.UpgradePlan {
		p := &v1alpha1.UpgradePlan{}
		p.Name, p.Spec.SiteRef.Name = "campus-2-0", "campus"
		for i, state := range states {
			name := []string{v1alpha1.StepBackUp, v1alpha1.StepRunTrial, v1alpha1.StepGoLive}[i]
			p.Status.Steps = append(p.Status.Steps, v1alpha1.StepStatus{Name: name, State: state, Message: name})
		}
		return p
	}
	before := plan(v1alpha1.StepPassed, v1alpha1.StepRunning, v1alpha1.StepPending)
	after := plan(v1alpha1.StepPassed, v1alpha1.StepPassed, v1alpha1.StepWaiting)
	after.Status.WaitingFor = []v1alpha1.WaitingFor{{Who: "lms-owners", Command: "kubectl create"}}
	got := Messages(before, after, time.Now())
	if len(got) != 2 || got[0].Step != v1alpha1.StepRunTrial || got[0].Act != "" || got[1].Act != "lms-owners: kubectl create" {
		t.Errorf("messages %+v", got)
	}
	if again := Messages(after, after, time.Now()); len(again) != 0 {
		t.Errorf("told again: %+v", again)
	}
	stuck := after.DeepCopy()
	stuck.Status.Conditions = []metav1.Condition{{Type: v1alpha1.StalledCondition, Reason: "RollbackStalled", Message: "no room"}}
	stuck.Status.WaitingFor = []v1alpha1.WaitingFor{{Command: "kubectl describe"}}
	if got := Messages(after, stuck, time.Now()); len(got) != 1 || got[0].State != "RollbackStalled" || got[0].Act != "kubectl describe" {
		t.Errorf("of a plan that is stuck behind a settled step: %+v", got)
	}
	if again := Messages(stuck, stuck, time.Now()); len(again) != 0 {
		t.Errorf("told again: %+v", again)
	}
}
