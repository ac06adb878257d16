// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package task

// Probe asks an LMS over HTTP. HTTP 200 proves nothing, so each request says what it expects to see.
type Probe struct {
	// BaseURL is where to connect ("http://campus-web"); Host and Scheme are what the LMS believes to be called.
	BaseURL string `json:"baseURL"`
	Host    string `json:"host,omitempty"`
	// ForwardedProto is sent as X-Forwarded-Proto, for a server that believes in a TLS proxy.
	ForwardedProto string `json:"forwardedProto,omitempty"`
	CAFile         string `json:"caFile,omitempty"`
	// InsecureTLS does not check certificates (a copy's own address).
	InsecureTLS bool `json:"insecureTLS,omitempty"`
	// Variables are used as {name} in paths, bodies and headers.
	Variables map[string]string `json:"variables,omitempty"`
	// VariableFiles are read from mounted secrets and scrubbed from all output.
	VariableFiles map[string]string `json:"variableFiles,omitempty"`
	// Requests run in order with one cookie jar. All run, so that people see all that is wrong;
	// those that use a variable that was not captured are skipped.
	Requests []Request `json:"requests"`
	// WaitFor repeats the first request until it passes, at most so long (pods that are starting).
	WaitFor Duration `json:"waitFor,omitempty"`
}

// Request is one check.
type Request struct {
	Name   string            `json:"name"`
	Method string            `json:"method,omitempty"` // GET
	Path   string            `json:"path"`
	Header map[string]string `json:"header,omitempty"`
	// Form is sent url-encoded; Body as it is.
	Form map[string]string `json:"form,omitempty"`
	Body string            `json:"body,omitempty"`
	// Follow redirects (up to ten, on the same host).
	Follow bool   `json:"follow,omitempty"`
	Expect Expect `json:"expect,omitempty"`
	// Capture sets variables: name to an expression over the body whose first group is the value.
	Capture map[string]string `json:"capture,omitempty"`
	// Fresh drops the cookies first (an anonymous user again).
	Fresh bool `json:"fresh,omitempty"`
	// Severity of the finding when the check fails; default Blocking.
	Severity Severity `json:"severity,omitempty"`
	// Max is the slowest acceptable answer.
	Max Duration `json:"max,omitempty"`
	// Needs names variables (form, path and header are looked through as well); without them the request is skipped.
	Needs []string `json:"needs,omitempty"`
}

// Expect is what an answer must be. All that is set must hold.
type Expect struct {
	Status []int `json:"status,omitempty"` // default 200
	// Contains and Lacks are plain text in the body.
	Contains []string `json:"contains,omitempty"`
	Lacks    []string `json:"lacks,omitempty"`
	// Match are expressions over the body, Title one over the page's title.
	Match []string `json:"match,omitempty"`
	Title string   `json:"title,omitempty"`
	// Header has an expression per header; "" wants it absent.
	Header map[string]string `json:"header,omitempty"`
	// BodySHA1 and BodySHA256 may use variables.
	BodySHA1   string `json:"bodySHA1,omitempty"`
	BodySHA256 string `json:"bodySHA256,omitempty"`
}
