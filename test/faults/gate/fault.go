// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package gate

import (
	"bytes"
	"encoding/json"
	"errors"
	"fmt"
	"io"
	"math/bits"
	"net"
	"net/http"
	"strconv"
	"strings"
	"syscall"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	utilruntime "k8s.io/apimachinery/pkg/util/runtime"
	"sigs.k8s.io/controller-runtime/pkg/client"
	"sigs.k8s.io/controller-runtime/pkg/client/apiutil"

	"github.com/gradus-lms/gradus/controllers"
)

// Kind says what goes wrong.
type Kind string

// Kinds of faults.
const (
	// CrashBefore: the process dies and the request was never made.
	CrashBefore Kind = "CrashBefore"
	// CrashAfter: the request is done and the process dies before the answer.
	CrashAfter Kind = "CrashAfter"
	// LostAnswer: the request is done, the process lives and gets a timeout.
	LostAnswer Kind = "LostAnswer"
	// Answer…: the API server says no, and nothing is done.
	Answer403 Kind = "Answer403"
	Answer409 Kind = "Answer409"
	Answer429 Kind = "Answer429"
	Answer500 Kind = "Answer500"
	Answer503 Kind = "Answer503"
	// Blind…: the same, of a read past the caches.
	Blind403 Kind = "Blind403"
	Blind503 Kind = "Blind503"
	// Delay: the request arrives late; the gate's Pause says what late is.
	Delay Kind = "Delay"
	// Squat: right before a create somebody else makes an object of that name.
	Squat Kind = "Squat"
	// Hold: right before a delete somebody else puts a finalizer on the object.
	Hold Kind = "Hold"
	// Mark: right after a create somebody else writes a label and an annotation
	// of their own on the object; Strip: or takes off its owner.
	// Our labels nobody can take off: admission refuses.
	Mark  Kind = "Mark"
	Strip Kind = "Strip"
	// Touch: right before a change somebody else writes such a mark on the object.
	Touch Kind = "Touch"
	// Again503: Answer503, five times in a row.
	Again503 Kind = "Again503"
	// OperatorAway: the operator dies as in CrashBefore, and is not back for
	// long; AllAway: the watchdog as well; WatchdogAway: the watchdog alone.
	OperatorAway Kind = "OperatorAway"
	AllAway      Kind = "AllAway"
	WatchdogAway Kind = "WatchdogAway"
	// Outage: nobody reaches the API server for a while.
	Outage Kind = "Outage"
	// Late: the process hangs in the request. Another takes over, and then the
	// request arrives, and the process goes on where it was.
	Late Kind = "Late"
	// Sleeper: as Late, and the old process reconciles everything once more, on
	// the cache that it had when it hung, before it notices that it was replaced.
	Sleeper Kind = "Sleeper"
	// Stale: the cache of the process does not hear of the write for a while, nor
	// of anything else. Missed: no cache shows what was written, but only the
	// change after it. TimeTravel: as CrashAfter, and the cache of the next
	// process begins with what was half a minute ago.
	Stale      Kind = "Stale"
	Missed     Kind = "Missed"
	TimeTravel Kind = "TimeTravel"
)

// Fault is what goes wrong at a request of a call site: at the n-th that would
// be done, from 1. A request that is made again because it was broken has the
// same number, so that several faults of a plan do not move each other.
type Fault struct {
	Call string `json:"call"`
	N    int    `json:"n"`
	Kind Kind   `json:"fault"`
}

func (f Fault) String() string { return fmt.Sprintf("%s at request %d of %q", f.Kind, f.N, f.Call) }

// Fits says whether a kind of fault can happen to a request.
func (k Kind) Fits(call Call) bool {
	if !call.Write {
		// What is read again and again is broken at the 1st, 2nd, 4th, 8th … time.
		return (k == Blind403 || k == Blind503) && bits.OnesCount(uint(call.N)) == 1
	}
	switch k {
	case Blind403, Blind503:
		return false
	case Squat, Mark, Strip, Hold, Touch:
		return k.meddles(call)
	case Late, Sleeper, Stale, TimeTravel: // the watchdog has no cache
		return call.Process != "watchdog"
	case Missed:
		return call.Process != "watchdog" && !uncached[call.Resource]
	case Again503:
		return !unawaited(call)
	}
	return true
}

// meddles says whether somebody else may act on the object of a request.
func (k Kind) meddles(call Call) bool {
	switch {
	case k == Hold:
		return call.Verb == "delete"
	case call.Resource == "leases": // admission guards the lock
		return false
	case k == Squat:
		return call.Verb == "create" && squattable(call)
	case k == Touch:
		return call.Verb == "patch" || call.Verb == "update"
	}
	return call.Verb == "create"
}

// squattable says whether an object of somebody else can be in the way of a create.
func squattable(call Call) bool {
	switch call.Resource {
	case "golives": // admission lets nobody but a plan make one
		return false
	case "stagingenvironments": // nor a copy for a trial or a proof
		return strings.Contains(call.Site, "-staging-")
	case "persistentvolumeclaims": // the site's own may be made anew by its pipeline, and is as good
		return call.Process != "production" || strings.HasSuffix(call.Site, "*")
	case "rollbacks": // somebody's Rollback is a run of its own, and takes the site
		return false
	}
	return !unawaited(call)
}

// unawaited: how far a failed go-live came is asked, and not waited for. The site is put back.
func unawaited(call Call) bool { return strings.Contains(call.Site, "go-ask-") }

// uncached are the resources that the operator reads from the API server always.
var uncached = func() map[string]bool {
	out := map[string]bool{}
	for _, object := range controllers.Uncached() {
		out[ResourceOf(object)] = true
	}
	return out
}()

var scheme = controllers.Scheme()

// ResourceOf gives the resource of an object's kind, as requests name it.
func ResourceOf(object client.Object) string {
	gvk, err := apiutil.GVKForObject(object, scheme)
	utilruntime.Must(err)
	plural, _ := meta.UnsafeGuessKindToResource(gvk)
	return plural.Resource
}

// times is how often in a row it happens.
func (k Kind) times() int {
	if k == Again503 {
		return 5
	}
	return 1
}

// Deserts says whether nobody of the operator is there for long: what comes of
// such a fault depends on when.
func (k Kind) Deserts() bool { return k == OperatorAway || k == AllAway }

// OfWatchdog says whether a kind of fault is about the watchdog: where no site is closed
// there is none.
func (k Kind) OfWatchdog() bool { return k == AllAway || k == WatchdogAway }

// Dead is what a process hears from its transport after its crash.
var Dead = errors.New("the process has crashed") //nolint:revive,staticcheck // reads as gate.Dead

// answer is what the API server says when it does nothing. No answer asks to
// be retried after a time: client-go would do so, and the operator never see it.
func answer(r *http.Request, kind Kind) *http.Response {
	code, _ := strconv.Atoi(string(kind)[len(kind)-3:])
	reasons := map[int]metav1.StatusReason{
		403: metav1.StatusReasonForbidden, 409: metav1.StatusReasonConflict, 429: metav1.StatusReasonTooManyRequests,
		500: metav1.StatusReasonInternalError, 503: metav1.StatusReasonServiceUnavailable,
	}
	content, _ := json.Marshal(metav1.Status{
		TypeMeta: metav1.TypeMeta{APIVersion: "v1", Kind: "Status"},
		Status:   metav1.StatusFailure, Reason: reasons[code], Code: int32(code), Message: "the harness says no",
	})
	return &http.Response{
		StatusCode: code, Status: fmt.Sprintf("%d %s", code, http.StatusText(code)), Request: r,
		Proto: "HTTP/1.1", ProtoMajor: 1, ProtoMinor: 1, ContentLength: int64(len(content)),
		Header: http.Header{"Content-Type": {"application/json"}},
		Body:   io.NopCloser(bytes.NewReader(content)),
	}
}

// unreachable is what a process hears when there is no API server.
var unreachable = &net.OpError{Op: "dial", Net: "tcp", Err: syscall.ECONNREFUSED}

// timeout is a net.Error.
type timeout struct{}

func (timeout) Error() string   { return "the answer was lost" }
func (timeout) Timeout() bool   { return true }
func (timeout) Temporary() bool { return true }
