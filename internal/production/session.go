// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"errors"
	"fmt"
	"slices"

	corev1 "k8s.io/api/core/v1"
	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// JournalBound is the API's bound on a journal.
const JournalBound = 64

// Writer makes sessions.
type Writer struct {
	Client client.Client
	Live   client.Reader
	Leases Leases
}

// Session writes production for one owner within one reconcile. It implements
// pipeline.Production.
//
// An intent is appended to the journal in memory and persisted by the status
// write that ends the reconcile. Only intents that the object already had when
// the reconcile read it are ever acted on: an intent whose write failed was
// never more than memory.
type Session struct {
	writer Writer
	owner  Owner
	// persisted are the changes of the journal, by id, as they were read.
	persisted map[string]v1alpha1.ChangeState
	// intended and wrote keep intents and writes in reconciles of their own.
	intended, wrote bool
}

// Begin opens the session of one reconcile. It must be called before anything
// is added to the journal.
func (w Writer) Begin(owner Owner) *Session {
	s := &Session{writer: w, owner: owner, persisted: map[string]v1alpha1.ChangeState{}}
	for _, c := range *owner.Journal() {
		s.persisted[c.ID] = c.State
	}
	return s
}

var _ pipeline.Production = (*Session)(nil)

// Ensure makes the changes stand, or what else their State asks for. It gives
// true when all do; false means that another reconcile must follow. A change
// under which somebody else writes ends it; what is being put back goes on
// with the others, and then a rival does not make it false, but a refusal does.
func (s *Session) Ensure(
	ctx context.Context, owner pipeline.Owner, step string, want []v1alpha1.Change,
) (bool, *v1alpha1.Change, error) {
	if owner.GetUID() != s.owner.GetUID() {
		return false, nil, fmt.Errorf("a session of %s was asked to write for %s", s.owner.GetName(), owner.GetName())
	}
	fresh, foreign, err := s.intend(ctx, step, want)
	if err != nil || foreign != nil || fresh || s.intendBack(want) {
		return false, foreign, err
	}
	return s.settleAll(ctx, want)
}

// settleAll brings every change to where it is wanted, if all are persisted.
func (s *Session) settleAll(
	ctx context.Context, want []v1alpha1.Change,
) (all bool, foreign *v1alpha1.Change, err error) {
	all = true
	var failed []error
	for _, w := range want {
		c := s.find(w.ID)
		if _, known := s.persisted[w.ID]; c == nil || !known || s.intended {
			return false, nil, nil
		}
		stands, rival, err := s.settle(ctx, c, w.State)
		all = all && stands
		switch {
		case err != nil && hinders(w, err):
			return false, foreign, err
		case err != nil:
			failed = append(failed, err)
		case rival != nil && w.State == "":
			return false, rival, nil
		default:
			foreign = moreTelling(foreign, rival, stands)
		}
	}
	return all, foreign, errors.Join(failed...)
}

// hinders says whether an error keeps the other changes of a step from their
// turn. What is put back is put back as far as it goes.
func hinders(w v1alpha1.Change, err error) bool {
	return w.State != v1alpha1.ChangeUndone || errors.Is(err, ErrLeaseLost)
}

// moreTelling gives of two changes that somebody keeps from being put back the
// one that still must be.
func moreTelling(told, next *v1alpha1.Change, stands bool) *v1alpha1.Change {
	if next == nil || told != nil && stands {
		return told
	}
	return next
}

func (s *Session) find(id string) *v1alpha1.Change {
	journal := *s.owner.Journal()
	for i := range journal {
		if journal[i].ID == id {
			return &journal[i]
		}
	}
	return nil
}

// intend appends what is wanted and not yet in the journal, with the value that
// is found live. It reports whether anything was, or must be, appended, and the
// change whose target is not there.
func (s *Session) intend(ctx context.Context, step string, want []v1alpha1.Change) (bool, *v1alpha1.Change, error) {
	var fresh []v1alpha1.Change
	for _, w := range want {
		if s.find(w.ID) != nil {
			continue
		}
		if w.State != "" {
			return false, nil, fmt.Errorf("change %s is to be %s and was never made", w.ID, w.State)
		}
		if s.wrote {
			return true, nil, nil
		}
		now, err := Observe(ctx, s.writer.Live, s.owner.GetNamespace(), w)
		if err != nil {
			return false, nil, err
		}
		if !now.writable() {
			w.Foreign = message.Clip(Rival(w, now), message.Line)
			return false, &w, nil
		}
		if other := s.shutBy(w, now); other != "" {
			w.Foreign = message.Clip(other+", which shut it and has not put it back", message.Line)
			return false, &w, nil
		}
		w.Step, w.Before, w.Target.UID = step, now.Value.Record(), now.Object.GetUID()
		mark(&w, v1alpha1.ChangeIntended, "", s.writer.Leases.Clock)
		fresh = append(fresh, w)
	}
	if len(fresh) == 0 {
		return false, nil, nil
	}
	journal := s.owner.Journal()
	if len(*journal)+len(fresh) > JournalBound {
		return false, nil, fmt.Errorf("the journal would have more than %d changes", JournalBound)
	}
	*journal = append(*journal, fresh...)
	s.intended = true
	return true, nil, nil
}

// shutBy names another run whose holding page the door still leads to. That
// page must not become the value which this run puts back: users would be left
// with it. The lease tells such runs apart, unless somebody deleted it.
func (s *Session) shutBy(w v1alpha1.Change, now Observed) string {
	if w.Field != v1alpha1.FieldSelector {
		return ""
	}
	note := pageOf(s.owner, now.Object.GetAnnotations(), now.Value)
	if note == nil {
		return ""
	}
	return note.Owner
}

// pageOf gives the note of another run that has pointed a selector at its holding page; nil where
// none has, or the owner took that change over. An apply may have merged its labels beside it:
// the site is shut all the same.
func pageOf(owner Owner, annotations map[string]string, selector Value) *Note {
	notes, err := notesIn(annotations)
	if err != nil {
		return nil
	}
	for i := range notes {
		note := &notes[i]
		after, err := NewValue(note.After)
		own := note.Owner == Identity(owner) || slices.ContainsFunc(Open(*owner.Journal()), func(c v1alpha1.Change) bool {
			led, err := ValueOf(c.After)
			return c.ID == note.ID && err == nil && leads(selector, led)
		})
		if err == nil && note.Field == v1alpha1.FieldSelector && !own && leads(selector, after) {
			return note
		}
	}
	return nil
}

// ShutBy names another run whose holding page the door leads to, and the command by which a
// person opens it where that run is lost; "" where the door leads to the site.
func ShutBy(owner Owner, door *corev1.Service) (run, command string) {
	if door == nil {
		return "", ""
	}
	selector, err := NewValue(door.Spec.Selector)
	if err != nil {
		return "", ""
	}
	note := pageOf(owner, door.Annotations, selector)
	if note == nil {
		return "", ""
	}
	opens := Want(note.ID, "Service", door.Name, v1alpha1.FieldSelector, "", nil, v1alpha1.UndoNever)
	_, command = Mend(door.Namespace, opens, &apiextensionsv1.JSON{Raw: note.Before})
	return note.Owner, command
}

// intendBack records what is to be put back, before it is: after a crash our
// own undoing must not look like a rival's.
func (s *Session) intendBack(want []v1alpha1.Change) bool {
	fresh := false
	for _, w := range want {
		c := s.find(w.ID)
		if w.State != v1alpha1.ChangeUndone || c == nil || c.State == v1alpha1.ChangeUndone ||
			s.persisted[w.ID] == v1alpha1.ChangeUndoing || s.persisted[w.ID] == v1alpha1.ChangeForeign {
			continue
		}
		mark(c, v1alpha1.ChangeUndoing, "", s.writer.Leases.Clock)
		fresh, s.intended = true, true
	}
	return fresh
}

// Undoer undoes under the session's lease.
func (s *Session) Undoer() Undoer {
	return Undoer{
		Client: s.writer.Client, Live: s.writer.Live, Clock: s.writer.Leases.Clock,
		Fence: func(ctx context.Context) error { return s.writer.Leases.Fence(ctx, s.owner) },
	}
}

func (s *Session) place(id string) int {
	return slices.IndexFunc(*s.owner.Journal(), func(c v1alpha1.Change) bool { return c.ID == id })
}
