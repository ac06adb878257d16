// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package queue

import (
	"context"
	"encoding/json"
	"fmt"
	"net"
	"net/http"
	"net/smtp"
	"strings"
	"time"
)

// Mail is the payload of a send_mail task.
type Mail struct {
	To      string `json:"to"`
	Subject string `json:"subject"`
}

// Hook is the payload of a call_webhook task.
type Hook struct {
	Event string `json:"event"`
	ID    int64  `json:"id"`
}

func (w *Worker) enabled(ctx context.Context, name string) (bool, error) {
	value, _, err := w.Settings.Get(ctx, name)
	return value == "1", err
}

// sendMail drops the mail when mail is off, as an LMS does.
func (w *Worker) sendMail(ctx context.Context, payload string) error {
	var mail Mail
	if err := json.Unmarshal([]byte(payload), &mail); err != nil {
		return fmt.Errorf("parse mail: %w", err)
	}
	enabled, err := w.enabled(ctx, "mail_enabled")
	if err != nil {
		return err
	}
	sink, _, err := w.Settings.Get(ctx, "mail_sink")
	if err != nil {
		return err
	}
	if !enabled && sink == "" {
		w.say("mail is off: nothing sent to %s", mail.To)
		return nil
	}
	host := w.Config.SMTP.Host
	if sink != "" {
		host = sink
	}
	return w.deliver(ctx, host, mail)
}

func (w *Worker) deliver(ctx context.Context, host string, mail Mail) error {
	if host == "" {
		return fmt.Errorf("send mail: no SMTP host is configured")
	}
	dialer := net.Dialer{Timeout: 5 * time.Second}
	conn, err := dialer.DialContext(ctx, "tcp", host)
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	defer func() { _ = conn.Close() }()
	name, _, _ := net.SplitHostPort(host)
	client, err := smtp.NewClient(conn, name)
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	if err := client.Mail(w.Config.SMTP.From); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	if err := client.Rcpt(mail.To); err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	body, err := client.Data()
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	_, err = fmt.Fprintf(body, "From: %s\r\nTo: %s\r\nSubject: %s\r\n\r\n%s\r\n",
		w.Config.SMTP.From, mail.To, mail.Subject, w.Config.BaseURL)
	if closeErr := body.Close(); err == nil {
		err = closeErr
	}
	if err != nil {
		return fmt.Errorf("send mail: %w", err)
	}
	return client.Quit()
}

func (w *Worker) callWebhook(ctx context.Context, payload string) error {
	enabled, err := w.enabled(ctx, "webhook_enabled")
	if err != nil || !enabled || w.Config.WebhookURL == "" {
		return err
	}
	ctx, cancel := context.WithTimeout(ctx, 5*time.Second)
	defer cancel()
	request, err := http.NewRequestWithContext(ctx, http.MethodPost, w.Config.WebhookURL, strings.NewReader(payload))
	if err != nil {
		return fmt.Errorf("call webhook: %w", err)
	}
	request.Header.Set("Content-Type", "application/json")
	response, err := w.Client.Do(request)
	if err != nil {
		return fmt.Errorf("call webhook: %w", err)
	}
	defer func() { _ = response.Body.Close() }()
	if response.StatusCode >= http.StatusBadRequest {
		return fmt.Errorf("call webhook: it answered %s", response.Status)
	}
	return nil
}
