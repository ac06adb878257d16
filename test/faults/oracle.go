// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package faults

import (
	"bytes"
	"encoding/base64"
	"encoding/json"
	"fmt"
	"net/http"
	"slices"
	"strings"
	"time"

	coordinationv1 "k8s.io/api/coordination/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/types"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/test/faults/gate"
	"github.com/gradus-lms/gradus/test/faults/world"
)

// oracle watches every request of a run for what no run may do.
type oracle struct {
	w     *world.World
	wrong []string
	// asked is what would be wrong with the request that is on its way.
	asked []string
	// again: what is to be deleted is being deleted already.
	again bool
	done  map[string]int
	// steps as they were last persisted, by owner, name and key.
	steps map[string]v1alpha1.StepStatus
	// changes of journals as they were last persisted, by id.
	changes map[string]v1alpha1.ChangeState
	// began are the holders of the lease that wrote to production.
	began map[string]bool
}

func watch(w *world.World, g *gate.Gate) *oracle {
	o := &oracle{w: w, done: map[string]int{}, steps: map[string]v1alpha1.StepStatus{},
		changes: map[string]v1alpha1.ChangeState{}, began: map[string]bool{}}
	g.Before, g.After = o.before, o.after
	return o
}

func (o *oracle) say(oracle string, call gate.Call, format string, args ...any) {
	o.wrong = append(o.wrong, sentence(oracle, call, format, args...))
}

// ask says so if the request is done.
func (o *oracle) ask(oracle string, call gate.Call, format string, args ...any) {
	o.asked = append(o.asked, sentence(oracle, call, format, args...))
}

func sentence(oracle string, call gate.Call, format string, args ...any) string {
	return fmt.Sprintf("%s: request %d, %s: %s", oracle, call.Seq, call.Site, fmt.Sprintf(format, args...))
}

func (o *oracle) before(call gate.Call, body []byte) {
	if !call.Write {
		return
	}
	told := slices.ContainsFunc(canaries, func(c []byte) bool { return bytes.Contains(body, c) })
	if told && call.Resource != "secrets" {
		o.say("secret", call, "carries a password")
	}
	// What is refused does no harm: it is said once it was done.
	o.asked, o.again = nil, false
	if o.toProduction(call) {
		o.held(call)
		o.approved(call)
	}
	o.committed(call, body)
	o.isolated(call)
	o.forgets(call, body)
	if call.Verb == "delete" {
		o.deletes(call, body)
	}
}

// canaries are the passwords of the site, as text and as JSON has bytes.
var canaries = func() [][]byte {
	const password = "canary-of-the-harness"
	out := [][]byte{[]byte(password)}
	for shift := range 3 { // whatever stands before it
		text := base64.StdEncoding.EncodeToString([]byte("xx"[:shift] + password))
		out = append(out, []byte(text[4:len(text)-4]))
	}
	return out
}()

// siteKinds are the resources that production consists of. Gradus makes its own
// children once and never changes them: what it patches is not its own.
var siteKinds = []string{
	"deployments", "statefulsets", "services", "cronjobs", "horizontalpodautoscalers", "persistentvolumes", "namespaces",
}

func (o *oracle) toProduction(call gate.Call) bool {
	changes := call.Verb == "patch" || call.Verb == "update"
	claims := call.Resource == "persistentvolumeclaims" && call.Namespace == o.w.Namespace
	return changes && slices.Contains(siteKinds, call.Resource) || claims && call.Verb == "delete"
}

// held: production is written only by who holds the site's lease.
func (o *oracle) held(call gate.Call) {
	who := holderOf(o.w)
	want := []string{"GoLive/", "Rollback/"}
	if call.Process == "watchdog" {
		want = []string{"Watchdog/"}
	}
	if call.Process == "manager" || !slices.ContainsFunc(want, func(p string) bool { return strings.HasPrefix(who, p) }) {
		o.ask("lease", call, "production is written while %q holds the site", who)
	}
}

// deletes: by UID, and only what Gradus made, but for a claim whose volume is kept.
func (o *oracle) deletes(call gate.Call, body []byte) {
	var options struct {
		Preconditions struct{ UID types.UID } `json:"preconditions"`
	}
	if err := json.Unmarshal(body, &options); err != nil || options.Preconditions.UID == "" {
		o.say("delete", call, "without a UID")
	}
	for _, object := range o.w.Left() {
		o.again = o.again || object.GetUID() == options.Preconditions.UID && object.GetDeletionTimestamp() != nil
		if object.GetUID() != options.Preconditions.UID || object.GetLabels()[v1alpha1.OwnerUIDLabel] != "" {
			continue
		}
		if env, ok := object.(*v1alpha1.StagingEnvironment); ok && expired(env, o.w.Clock.Now()) {
			continue // a person said when
		}
		claim, ok := object.(*corev1.PersistentVolumeClaim)
		if !ok {
			o.say("delete", call, "of what Gradus did not make")
			continue
		}
		volume := &corev1.PersistentVolume{}
		o.w.Must(o.w.Admin.Get(o.w.Context(), client.ObjectKey{Name: claim.Spec.VolumeName}, volume))
		if volume.Spec.PersistentVolumeReclaimPolicy != corev1.PersistentVolumeReclaimRetain {
			o.say("delete", call, "of a claim whose volume would go with it")
		}
	}
}

func expired(env *v1alpha1.StagingEnvironment, now time.Time) bool {
	return env.Spec.Expires != nil && !now.Before(env.Spec.Expires.Time)
}

func (o *oracle) after(call gate.Call, code int, body []byte) {
	if code >= http.StatusMultipleChoices {
		return
	}
	o.wrong = append(o.wrong, o.asked...)
	if call.Verb == "create" || call.Verb == "delete" && !o.again {
		o.done[call.Site]++
	}
	if call.Subresource == "status" {
		o.transitions(call, body)
	}
}

// transitions: what is settled stays so, but by another attempt, and what was
// undone is not done again.
func (o *oracle) transitions(call gate.Call, body []byte) {
	var object struct {
		Metadata struct{ UID string } `json:"metadata"`
		Status   struct {
			Steps   []v1alpha1.StepStatus `json:"steps"`
			Changes []v1alpha1.Change     `json:"changes"`
		} `json:"status"`
	}
	if err := json.Unmarshal(body, &object); err != nil {
		o.say("steps", call, "cannot be read: %v", err)
	}
	for _, now := range object.Status.Steps {
		id := object.Metadata.UID + "/" + now.Name + "/" + now.Key
		was, known := o.steps[id]
		if known && now.Attempt < was.Attempt {
			o.say("steps", call, "%s %s goes back from attempt %d to %d", now.Name, now.Key, was.Attempt, now.Attempt)
		}
		if known && settled(was.State) && now.State != was.State && now.Attempt == was.Attempt {
			o.say("steps", call, "%s %s was %s and is %s", now.Name, now.Key, was.State, now.State)
		}
		o.steps[id] = now
	}
	for _, c := range object.Status.Changes {
		id := object.Metadata.UID + "/" + c.ID
		if o.changes[id] == v1alpha1.ChangeUndone && c.State != v1alpha1.ChangeUndone {
			o.say("journal", call, "change %s was undone and is %s", c.ID, c.State)
		}
		o.changes[id] = c.State
	}
}

func settled(s v1alpha1.StepState) bool {
	return s == v1alpha1.StepPassed || s == v1alpha1.StepSkipped || s == v1alpha1.StepFailed
}

// released: when a story is over nobody holds the site.
func released(w *world.World) []string {
	if who := holderOf(w); who != "" {
		return []string{"lease: still held by " + who}
	}
	return nil
}

// holderOf says who holds the site; "" when nobody does.
func holderOf(w *world.World) string {
	lease := &coordinationv1.Lease{}
	w.Get("gradus-campus", lease)
	return ptr.Deref(lease.Spec.HolderIdentity, "")
}
