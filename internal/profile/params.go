// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package profile

import (
	"bytes"
	"encoding/json"
	"fmt"
	"regexp"
	"time"

	"github.com/gradus-lms/gradus/internal/task"
)

// Params are what a site and a copy differ in. None of it is a secret.
type Params struct {
	// URL is what the LMS believes to be called; FromURL what it was called where the copy comes from.
	URL, FromURL string
	// BaseURL is where checks connect to; Host and ForwardedProto go with each request.
	BaseURL, Host, ForwardedProto string
	MailSink                      string // host:port
	Keep                          string // accounts that anonymise leaves, comma separated
	Setting, Value                string
	Target                        string // the version to reach
	Code                          string // the version of the code in the Job's image; empty is Target
	Prefix                        string // of tables; empty takes the profile's
	DataRoot, CodeRoot            string // empty takes the profile's
	// Reader and Owner are the two ways into the database; {name: reader} and {name: owner} in a profile mean these.
	Reader, Owner task.Database
	// Scale stretches deadlines, which are for a small site; 0 is 1.
	Scale float64
	// HopDeadline bounds each command of an upgrade, whatever the profile says; 0 leaves that.
	HopDeadline time.Duration
	// Credentials is a directory with username and password of the account for tests.
	Credentials string
}

// settingForm keeps names of settings from being taken for options.
var settingForm = regexp.MustCompile(`^[a-zA-Z][a-zA-Z0-9_/.-]{0,120}$`)

func (p Profile) complete(q Params) (Params, error) {
	if q.Prefix == "" {
		q.Prefix = p.TablePrefix
	}
	if !prefixForm.MatchString(q.Prefix) {
		return q, fmt.Errorf("read parameters: table prefix %q: use lower case letters, digits and underscore", q.Prefix)
	}
	if q.Setting != "" && !settingForm.MatchString(q.Setting) {
		return q, fmt.Errorf("read parameters: %q is not the name of a setting", q.Setting)
	}
	if q.DataRoot == "" {
		q.DataRoot = p.Paths.DataRoot
	}
	if q.CodeRoot == "" {
		q.CodeRoot = p.Paths.CodeRoot
	}
	if q.Scale == 0 {
		q.Scale = 1
	}
	return q, nil
}

// exampleParams are for validation.
func exampleParams() Params {
	d := task.Database{Host: "db", Name: "lms", CredentialsDir: "/secret"}
	return Params{URL: "https://new.example", FromURL: "https://old.example", BaseURL: "http://web", Host: "new.example",
		MailSink: "mail:25", Keep: "admin", Setting: "name", Value: "value", Target: "1.0", Prefix: "p_",
		DataRoot: "/data", CodeRoot: "/code", Reader: d, Owner: d, Scale: 1}
}

// fill puts parameters into a list of actions. The values land inside single
// strings of the decoded tree, so none can become another argument or field.
func fill(actions []task.Action, q Params) ([]task.Action, error) { return fillAt(actions, q, "") }

func fillAt(actions []task.Action, q Params, webRoot string) ([]task.Action, error) {
	b, err := json.Marshal(actions)
	if err != nil {
		return nil, fmt.Errorf("fill actions: %w", err)
	}
	d := json.NewDecoder(bytes.NewReader(b))
	d.UseNumber()
	var tree any
	if err := d.Decode(&tree); err != nil {
		return nil, fmt.Errorf("fill actions: %w", err)
	}
	if b, err = json.Marshal(replaceAll(tree, q.values(webRoot))); err != nil {
		return nil, fmt.Errorf("fill actions: %w", err)
	}
	var out []task.Action
	if err := json.Unmarshal(b, &out); err != nil {
		return nil, fmt.Errorf("fill actions: %w", err)
	}
	for i := range out {
		out[i] = q.place(out[i])
	}
	return out, nil
}

func (q Params) values(webRoot string) map[string]string {
	web := q.CodeRoot
	if webRoot != "" {
		web += "/" + webRoot
	}
	return map[string]string{"url": q.URL, "fromURL": q.FromURL, "host": q.Host, "mailSink": q.MailSink, "keep": q.Keep,
		"setting": q.Setting, "value": q.Value, "target": q.Target, "prefix": q.Prefix, "dataRoot": q.DataRoot,
		"codeRoot": q.CodeRoot, "webRoot": web}
}

// place puts in databases, addresses and stretched deadlines.
func (q Params) place(a task.Action) task.Action {
	a.Deadline = task.Duration(time.Duration(float64(a.Limit()) * max(q.Scale, 1)))
	if a.Recover != nil {
		return a
	}
	if a.Version != nil && a.Version.HTTP != nil && a.Version.BaseURL == "" {
		a.Version.BaseURL = q.BaseURL
	}
	if a.Probe != nil && a.Probe.BaseURL == "" {
		a.Probe.BaseURL = q.BaseURL
	}
	return a.WithDatabases(func(d *task.Database) {
		switch d.Name {
		case "owner":
			*d = q.Owner
		case "", "reader":
			*d = q.Reader
		}
	})
}

func replaceAll(v any, with map[string]string) any {
	switch t := v.(type) {
	case string:
		return holder.ReplaceAllStringFunc(t, func(m string) string {
			if s, ok := with[m[2:len(m)-2]]; ok {
				return s
			}
			return m
		})
	case []any:
		for i, e := range t {
			t[i] = replaceAll(e, with)
		}
	case map[string]any:
		for k, e := range t {
			t[k] = replaceAll(e, with)
		}
	}
	return v
}
