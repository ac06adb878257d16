// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"maps"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/gate"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// price counts what was written since the backup. After a go-live that failed
// with the doors closed nobody wrote, and the schema may be half-migrated:
// nothing is counted then.
var price = pipeline.Step[View]{
	Name:        "Price",
	AgainIfLost: true,
	Create:      func(v View, at pipeline.At) []client.Object { return v.counting(at, "price") },
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if v.afterFailure() {
			return pipeline.Pass("users were not let in since the backup: nothing is lost")
		}
		return v.counted(seen, func(loss v1alpha1.RollbackLoss) pipeline.Verdict {
			return pipeline.Pass("%s", describe(loss))
		})
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		p := &v1alpha1.RollbackPrice{RollbackLoss: v1alpha1.RollbackLoss{Counted: *stamp(seen.Now)}}
		if !v.afterFailure() {
			if seen.Job().State != pipeline.JobSucceeded {
				return
			}
			p.RollbackLoss = v.loss(seen)
		}
		p.Outage, p.Parts = v.predict()
		p.Digest = digest(v.Rollback, v.source().UID, p)
		v.Rollback.Status.Price = p
	},
}

// priceAgain counts once more when nobody can write any longer: days may have
// gone by since the price was told, and users wrote until the doors closed.
var priceAgain = closing.Guarded(pipeline.Step[View]{
	Name:        "PriceAgain",
	AgainIfLost: true,
	Timeout:     closing.Within[View](30 * time.Minute), Insists: closing.Committed[View],
	Create: func(v View, at pipeline.At) []client.Object { return v.counting(at, "recount") },
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if v.afterFailure() {
			return pipeline.Skip(nothingLost, "users were not let in since the backup")
		}
		return v.counted(seen, v.accept)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		if p := v.Rollback.Status.Price; p != nil && !v.afterFailure() && seen.Job().State == pipeline.JobSucceeded {
			loss := v.loss(seen)
			p.Closed = &loss
		}
	},
})

// accept compares the loss with what was confirmed.
func (v View) accept(loss v1alpha1.RollbackLoss) pipeline.Verdict {
	switch p := v.Rollback.Status.Price; {
	case p == nil:
		return pipeline.Fail("NotPriced", "the rollback has no price")
	case v.little(loss):
		return pipeline.Pass("%d rows may be lost without asking, %d are", v.allowed(), loss.Rows)
	case more(loss, p.RollbackLoss):
		return pipeline.Fail("PriceRose", "the loss rose while the site was open: now %s; the price was %s; nothing was "+
			"switched, and the site %s; create a new Rollback: it tells the price of then and asks anew",
			describe(loss), describe(p.RollbackLoss), v.unswitched())
	}
	return pipeline.Pass("%s: no more than was confirmed", describe(loss))
}

// unswitched says how a site stands whose rollback ends before its switch.
func (v View) unswitched() string {
	if v.Committed() {
		return "stays as it is"
	}
	return "opens again"
}

// more says whether more is lost than was said, in all or of any figure.
func more(now, said v1alpha1.RollbackLoss) bool {
	if now.Rows > said.Rows || now.Unknown != said.Unknown && now.Unknown != "" {
		return true
	}
	confirmed := environment.ByName(said.Lost)
	return slices.ContainsFunc(now.Lost, func(c v1alpha1.Count) bool {
		return leading(c.Value) > leading(confirmed[c.Name])
	})
}

// allowed gives the rows that may be lost without asking. Admission says who
// may set them and stamps the creator: without the stamp nobody was asked.
func (v View) allowed() int64 {
	if len(gate.Creators(v.Rollback)) == 0 {
		return 0
	}
	return v.Rollback.Spec.MaxDataLoss.Rows
}

// little says whether a loss needs nobody's word.
func (v View) little(loss v1alpha1.RollbackLoss) bool {
	return loss.Unknown == "" && loss.Rows <= v.allowed()
}

// counting gives the Job that counts the live database.
func (v View) counting(at pipeline.At, what string) []client.Object {
	if v.afterFailure() {
		return nil
	}
	t, _, err := v.Profile.CountTask(v.Params(), nil, nil, nil)
	if err != nil {
		return nil
	}
	return []client.Object{v.AgentJob(at, what, t.Actions, nil, v.ReaderMount())}
}

// counted judges what that Job counted.
func (v View) counted(seen pipeline.Seen, judge func(v1alpha1.RollbackLoss) pipeline.Verdict) pipeline.Verdict {
	if _, _, err := v.Profile.CountTask(v.Params(), nil, nil, nil); err != nil {
		return closing.Unbuildable(err)
	}
	return pipeline.JobDone("Counting", "CountFailed", func(task.Result) pipeline.Verdict {
		return judge(v.loss(seen))
	})(seen)
}

// loss is what that Job counted, against the backup.
func (v View) loss(seen pipeline.Seen) v1alpha1.RollbackLoss {
	loss := Lost(v.source().Counts, environment.Figures(v.Profile, seen.Job().Result.Facts, "count."))
	loss.Counted = *stamp(seen.Now)
	return loss
}

// Lost compares figures: rows in all that are there now and not in the backup,
// and by figure. A figure begins with a number of rows; where only its digest
// differs, something was changed and that counts as one row. A figure that
// either side lacks is not 0: nobody knows.
func Lost(before, now []v1alpha1.Count) v1alpha1.RollbackLoss {
	var loss v1alpha1.RollbackLoss
	then, unknown := environment.ByName(before), environment.ByName(before)
	var fresh []string
	for _, c := range now {
		delete(unknown, c.Name)
		was, ok := then[c.Name]
		if !ok {
			fresh = append(fresh, c.Name)
		}
		if !ok || was == c.Value {
			continue
		}
		n := max(leading(c.Value)-leading(was), 1)
		loss.Rows += n
		loss.Lost = append(loss.Lost, v1alpha1.Count{Name: c.Name, Value: strconv.FormatInt(n, 10)})
	}
	slices.SortFunc(loss.Lost, func(a, b v1alpha1.Count) int { return strings.Compare(a.Name, b.Name) })
	loss.Unknown = missing(before, now, fresh, slices.Sorted(maps.Keys(unknown)))
	return loss
}

// missing says which figures could not be compared.
func missing(before, now []v1alpha1.Count, fresh, gone []string) string {
	var why []string
	switch {
	case len(before) == 0:
		why = append(why, "the backup has no figures")
	case len(fresh) > 0:
		slices.Sort(fresh)
		why = append(why, "the backup has no figure of "+strings.Join(fresh, ", "))
	}
	switch {
	case len(now) == 0:
		why = append(why, "the database gave no figures")
	case len(gone) > 0:
		why = append(why, "the database gave no figure of "+strings.Join(gone, ", "))
	}
	return message.Clip(strings.Join(why, "; "), 1000)
}

// leading gives the number with which a figure begins.
func leading(figure string) int64 {
	end := strings.IndexFunc(figure, func(r rune) bool { return r < '0' || r > '9' })
	if end < 0 {
		end = len(figure)
	}
	n, _ := strconv.ParseInt(figure[:end], 10, 64)
	return n
}

// digest binds a confirmation to this rollback, this backup and this loss.
func digest(r *v1alpha1.Rollback, backup string, p *v1alpha1.RollbackPrice) string {
	content, err := json.Marshal(struct {
		Format, Rollback, Backup string
		Rows                     int64
		Lost                     []v1alpha1.Count
		Unknown                  string `json:",omitempty"`
	}{"gradus-rollback-price/1", string(r.UID), backup, p.Rows, p.Lost, p.Unknown})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

const (
	stepConfirm = "Confirm"
	// nothingLost is why nobody was asked.
	nothingLost = "NothingLost"
)

// confirm waits for a person who accepts the loss.
var confirm = pipeline.Step[View]{
	Name: stepConfirm,
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		p := v.Rollback.Status.Price
		switch {
		case p == nil:
			return pipeline.Fail("NotPriced", "the rollback has no price")
		case v.afterFailure():
			return pipeline.Skip(nothingLost, "users were not let in since the backup")
		case v.little(p.RollbackLoss):
			return pipeline.Pass("%d rows may be lost without asking, %d are", v.allowed(), p.Rows)
		}
		g := v.confirmation(seen.Now)
		switch g.State {
		case v1alpha1.GateOpened:
			return pipeline.Pass("%s accepts this loss: %s", g.Counted[0].Approver, describe(p.RollbackLoss))
		case v1alpha1.GateRejected:
			return pipeline.Fail("Rejected", "%s", strings.Join(g.Missing, ", "))
		}
		return pipeline.Await(v1alpha1.WaitingForApprovalReason,
			"%s would be lost%s; a person must confirm gate DataLoss, digest %s%s",
			describe(p.RollbackLoss), closedFor(p), p.Digest, uncounted(g)).By(seen.Now.Add(15 * time.Second))
	},
}

// confirmation counts who accepts the price.
func (v View) confirmation(now time.Time) v1alpha1.GateStatus {
	return gate.CountPrice(v.Rollback, v.Rollback.Status.Price.Digest, v.Approvals, now)
}

// uncounted tells which decisions do not count, and why.
func uncounted(g v1alpha1.GateStatus) string {
	var out []string
	for _, n := range g.NotCounted {
		out = append(out, n.Who+" ("+n.Why+")")
	}
	if len(out) == 0 {
		return ""
	}
	return "; not counted: " + strings.Join(out, ", ")
}

// describe tells a loss to people.
func describe(loss v1alpha1.RollbackLoss) string {
	var parts []string
	for _, c := range loss.Lost {
		parts = append(parts, c.Value+" "+c.Name)
	}
	said := fmt.Sprintf("%d rows written since the backup", loss.Rows)
	if len(parts) > 0 {
		said += " (" + strings.Join(parts, ", ") + ")"
	}
	if loss.Unknown != "" {
		said += ", and what could not be counted (" + loss.Unknown + "),"
	}
	return said
}
