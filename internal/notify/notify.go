// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package notify tells people over the channels that the administrator of
// Gradus configured. A plan names channels; it never gives an address.
package notify

import (
	"bytes"
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"net/http"
	"time"

	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/meta"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Name of the ConfigMap with the channels, and of the Secret with their
// addresses, in the namespace of Gradus.
const Name = "gradus-channels"

// Channel is one entry of the ConfigMap.
type Channel struct {
	// Webhook takes a POST with a Message in JSON.
	Webhook *Webhook `json:"webhook,omitempty"`
}

// Webhook names the key of the Secret that holds the address.
type Webhook struct {
	URLKey string `json:"urlKey"`
}

// Message is what a channel is given: the same words on every channel.
type Message struct {
	Plan  string `json:"plan"`
	Site  string `json:"site"`
	Step  string `json:"step"`
	State string `json:"state"`
	Text  string `json:"text"`
	// Act says what somebody must do, with the command; empty when nobody must.
	Act string    `json:"act,omitempty"`
	At  time.Time `json:"at"`
}

// Teller tells messages.
type Teller struct {
	Reader    client.Reader
	Namespace string
	// HTTP follows no redirects: an address is what the administrator wrote.
	HTTP *http.Client
}

// NewTeller gives a Teller with bounded patience.
func NewTeller(reader client.Reader, namespace string) Teller {
	return Teller{Reader: reader, Namespace: namespace, HTTP: &http.Client{
		Timeout:       3 * time.Second,
		CheckRedirect: func(*http.Request, []*http.Request) error { return http.ErrUseLastResponse },
	}}
}

// Channels lists the configured channels by name.
func (t Teller) Channels(ctx context.Context) (map[string]Channel, error) {
	var cm corev1.ConfigMap
	err := t.Reader.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: Name}, &cm)
	if client.IgnoreNotFound(err) != nil {
		return nil, fmt.Errorf("get ConfigMap %s: %w", Name, err)
	}
	out := map[string]Channel{}
	for name, text := range cm.Data {
		var c Channel
		if err := yaml.UnmarshalStrict([]byte(text), &c); err == nil && c.Webhook != nil {
			out[name] = c
		}
	}
	return out, nil
}

// Tell gives the messages to the named channels. A message is given once: who
// was not reached reads the plan's Events and status. Errors of all channels
// are returned together.
func (t Teller) Tell(ctx context.Context, channels []string, messages []Message) error {
	if len(channels) == 0 || len(messages) == 0 {
		return nil
	}
	known, err := t.Channels(ctx)
	if err != nil {
		return err
	}
	var addresses corev1.Secret
	if err := t.Reader.Get(ctx, client.ObjectKey{Namespace: t.Namespace, Name: Name}, &addresses); err != nil {
		return fmt.Errorf("get Secret %s: %w", Name, err)
	}
	var failed []error
	for _, name := range channels {
		c, ok := known[name]
		if !ok {
			failed = append(failed, fmt.Errorf("channel %s: not configured", name))
			continue
		}
		for _, m := range messages {
			if err := t.post(ctx, string(addresses.Data[c.Webhook.URLKey]), m); err != nil {
				// The address is a secret: errors of the HTTP client would name it.
				failed = append(failed, fmt.Errorf("channel %s: not delivered", name))
				break
			}
		}
	}
	return errors.Join(failed...)
}

func (t Teller) post(ctx context.Context, url string, m Message) error {
	body, err := json.Marshal(m)
	if err != nil {
		return err
	}
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, url, bytes.NewReader(body))
	if err != nil {
		return err
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := t.HTTP.Do(request)
	if err != nil {
		return err
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode/100 != 2 {
		return fmt.Errorf("answered %s", response.Status)
	}
	return nil
}

// Messages tells what changed between two states of a plan: steps that came to
// rest, what waits for a person, and what stalls a plan behind a settled step.
func Messages(before, after *v1alpha1.UpgradePlan, now time.Time) []Message {
	was := map[string]v1alpha1.StepState{}
	for _, s := range before.Status.Steps {
		was[s.Name] = s.State
	}
	var out []Message
	for _, s := range after.Status.Steps {
		if was[s.Name] == s.State || s.State == v1alpha1.StepPending || s.State == v1alpha1.StepRunning {
			continue
		}
		m := Message{
			Plan: after.Name, Site: after.Spec.SiteRef.Name,
			Step: s.Name, State: string(s.State), Text: s.Message, At: now.UTC(),
		}
		if s.State == v1alpha1.StepWaiting {
			for _, w := range after.Status.WaitingFor {
				m.Act = w.Who + ": " + w.Command
			}
		}
		out = append(out, m)
	}
	if len(out) == 0 {
		return stalls(before, after, now)
	}
	return out
}

// stalls tells of a plan that needs a person although none of its steps says so.
func stalls(before, after *v1alpha1.UpgradePlan, now time.Time) []Message {
	stalled := meta.FindStatusCondition(after.Status.Conditions, v1alpha1.StalledCondition)
	old := meta.FindStatusCondition(before.Status.Conditions, v1alpha1.StalledCondition)
	if stalled == nil || old != nil && old.Reason == stalled.Reason {
		return nil
	}
	m := Message{
		Plan: after.Name, Site: after.Spec.SiteRef.Name,
		State: stalled.Reason, Text: stalled.Message, At: now.UTC(),
	}
	for _, w := range after.Status.WaitingFor {
		m.Act = w.Command
	}
	return []Message{m}
}
