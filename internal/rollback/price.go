// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package rollback

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strconv"
	"strings"
	"time"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/golive/closing"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/task"
)

// price counts what was written since the backup. After a go-live that failed
// with the doors closed nobody wrote, and the schema may be half-migrated:
// nothing is counted then.
var price = pipeline.Step[View]{
	Name: "Price",
	Create: func(v View, at pipeline.At) []client.Object {
		if v.afterFailure() {
			return nil
		}
		t, _, err := v.Profile.CountTask(v.Params(), nil, nil, nil)
		if err != nil {
			return nil
		}
		return []client.Object{v.AgentJob(at, "price", t.Actions, nil, v.ReaderMount())}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if v.afterFailure() {
			return pipeline.Pass("users were not let in since the backup: nothing is lost")
		}
		if _, _, err := v.Profile.CountTask(v.Params(), nil, nil, nil); err != nil {
			return closing.Unbuildable(err)
		}
		return pipeline.JobDone("Counting", "CountFailed", func(r task.Result) pipeline.Verdict {
			rows, _ := Lost(v.Backup.Status.Counts, environment.Figures(v.Profile, r.Facts, "count."))
			return pipeline.Pass("%d rows were written since the backup", rows)
		})(seen)
	},
	Record: func(v View, _ pipeline.At, seen pipeline.Seen) {
		p := &v1alpha1.RollbackPrice{Counted: *stamp(seen.Now)}
		if !v.afterFailure() {
			if seen.Job().State != pipeline.JobSucceeded {
				return
			}
			p.Rows, p.Lost = Lost(v.Backup.Status.Counts, environment.Figures(v.Profile, seen.Job().Result.Facts, "count."))
		}
		p.Digest = digest(v.Rollback, v.Backup, p)
		v.Rollback.Status.Price = p
	},
}

// Lost compares figures: rows in all that are there now and not in the backup,
// and by figure. A figure begins with a number of rows; where only its digest
// differs, something was changed and that counts as one row.
func Lost(before, now []v1alpha1.Count) (int64, []v1alpha1.Count) {
	then := environment.ByName(before)
	var rows int64
	var lost []v1alpha1.Count
	for _, c := range now {
		was, ok := then[c.Name]
		if !ok || was == c.Value {
			continue
		}
		n := max(leading(c.Value)-leading(was), 1)
		rows += n
		lost = append(lost, v1alpha1.Count{Name: c.Name, Value: strconv.FormatInt(n, 10)})
	}
	slices.SortFunc(lost, func(a, b v1alpha1.Count) int { return strings.Compare(a.Name, b.Name) })
	return rows, lost
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
func digest(r *v1alpha1.Rollback, b *v1alpha1.SiteBackup, p *v1alpha1.RollbackPrice) string {
	content, err := json.Marshal(struct {
		Format, Rollback, Backup string
		Rows                     int64
		Lost                     []v1alpha1.Count
	}{"gradus-rollback-price/1", string(r.UID), string(b.UID), p.Rows, p.Lost})
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(content)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// confirm waits for a person who accepts the loss.
var confirm = pipeline.Step[View]{
	Name: "Confirm",
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		p := v.Rollback.Status.Price
		switch {
		case p == nil:
			return pipeline.Fail("NotPriced", "the rollback has no price")
		case v.afterFailure():
			return pipeline.Skip("NothingLost", "users were not let in since the backup")
		case p.Rows <= v.Rollback.Spec.MaxDataLoss.Rows:
			return pipeline.Pass("%d rows may be lost without asking, %d are", v.Rollback.Spec.MaxDataLoss.Rows, p.Rows)
		}
		for _, a := range v.Approvals {
			if !about(a, v.Rollback, p) {
				continue
			}
			if a.Spec.Decision == v1alpha1.DecisionReject {
				return pipeline.Fail("Rejected", "%s says no", a.Spec.Approver)
			}
			return pipeline.Pass("%s accepts that %d rows are lost", a.Spec.Approver, p.Rows)
		}
		return pipeline.Await(v1alpha1.WaitingForApprovalReason,
			"%s would be lost; a person must confirm gate DataLoss, digest %s", describe(p), p.Digest).By(seen.Now.Add(15 * time.Second))
	},
}

// about says whether an approval is a person's word on this price.
func about(a v1alpha1.UpgradeApproval, r *v1alpha1.Rollback, p *v1alpha1.RollbackPrice) bool {
	return a.Spec.Gate == v1alpha1.GateDataLoss && a.Spec.RollbackRef != nil && a.Spec.RollbackRef.Name == r.Name &&
		a.Spec.Digest == p.Digest && a.Spec.Approver != "" && !strings.HasPrefix(a.Spec.Approver, "system:serviceaccount:")
}

func describe(p *v1alpha1.RollbackPrice) string {
	var parts []string
	for _, c := range p.Lost {
		parts = append(parts, c.Value+" "+c.Name)
	}
	return fmt.Sprintf("%d rows written since the backup (%s)", p.Rows, strings.Join(parts, ", "))
}
