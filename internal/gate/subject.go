// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package gate says what people decide on, and whether enough of them have
// decided. It is pure.
package gate

import (
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"fmt"
	"slices"
	"strings"

	"k8s.io/apimachinery/pkg/api/meta"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
)

// SubjectV1 is what an approval binds to: what was decided, not what the
// clock changes. Freshness and verification of backups, room and service
// levels are no part of it; they are checked when the gate is used.
type SubjectV1 struct {
	Format string `json:"format"`
	// Plan by UID: a plan deleted and applied again is another.
	Plan string `json:"plan"`
	Site string `json:"site"`
	// SiteSpec is the digest of what the Site names as live: workloads,
	// database, volumes, door.
	SiteSpec string `json:"siteSpec"`
	Gate     string `json:"gate"`
	// Target, Releases and Hops: where to, with what, by which stops.
	Target   string             `json:"target"`
	Releases []v1alpha1.Release `json:"releases"`
	Hops     []v1alpha1.Hop     `json:"hops"`
	// Profile and Agent: what Gradus knows and what of Gradus runs.
	Profile string `json:"profile"`
	Agent   string `json:"agent"`
	// Inventory is the identity of the site: versions, plugins, images.
	Inventory string `json:"inventory"`
	// DropPlugins whose loss is part of the decision.
	DropPlugins []v1alpha1.DroppedPlugin `json:"dropPlugins,omitempty"`
	// Trial is the digest of the passed trial's report: a further trial that
	// passes with the same outcome gives the same digest.
	Trial string `json:"trial"`
	// Staging is the verdict of the tests on staging.
	Staging string `json:"staging"`
	// Terms of the go-live, the window and the change control.
	GoLive  v1alpha1.GoLiveTerms   `json:"goLive"`
	Window  *v1alpha1.Window       `json:"window,omitempty"`
	Control v1alpha1.ChangeControl `json:"control"`
	// Scale of workloads around go-live.
	Scale []v1alpha1.WorkloadScale `json:"scale,omitempty"`
	// Limits that hold when the gate is used: who may widen them afterwards
	// could go live on evidence that nobody agreed to.
	Limits Limits `json:"limits"`
}

// Limits on time: of a hop, and of the age of evidence.
type Limits struct {
	HopDeadline   *metav1.Duration `json:"hopDeadline,omitempty"`
	BackupMaxAge  *metav1.Duration `json:"backupMaxAge,omitempty"`
	TrialMaxDays  int32            `json:"trialMaxDays,omitempty"`
	MarginPercent *int32           `json:"marginPercent,omitempty"`
}

// SubjectFormat names the form of the subject.
const SubjectFormat = "gradus-gate-subject/1"

// Facts are the objects from which a subject is computed.
type Facts struct {
	Plan          *v1alpha1.UpgradePlan
	Site          *v1alpha1.Site
	Trial         *v1alpha1.TrialUpgrade
	Staging       *v1alpha1.StagingEnvironment
	ProfileDigest string
	AgentImage    string
}

// Subject computes what a gate's approval binds to.
func Subject(name string, f Facts) SubjectV1 {
	plan := f.Plan
	s := SubjectV1{
		Format: SubjectFormat, Plan: string(plan.UID), Site: f.Site.Name, SiteSpec: digest(liveParts(f.Site)), Gate: name,
		Target: plan.Spec.Target.Version, Releases: plan.Spec.Target.Releases,
		Profile: f.ProfileDigest, Agent: f.AgentImage,
		DropPlugins: plan.Spec.Requirements.DropPlugins,
		GoLive:      plan.Spec.GoLive, Window: plan.Spec.Rollout.Window,
		Control: plan.Spec.ChangeControl, Scale: plan.Spec.Infrastructure.Scale,
		Limits: Limits{
			HopDeadline: plan.Spec.Upgrade.HopDeadline, BackupMaxAge: plan.Spec.Backup.MaxAge,
			TrialMaxDays: plan.Spec.Trial.MaxAgeDays, MarginPercent: plan.Spec.Rollout.MarginPercent,
		},
	}
	for _, hop := range plan.Status.Hops {
		s.Hops = append(s.Hops, hop.Hop)
	}
	if plan.Status.Inventory != nil {
		s.Inventory = plan.Status.Inventory.Digest
	}
	if name == v1alpha1.GateCopyData {
		return s // decided before there is a trial: one that comes later voids nothing
	}
	if f.Trial != nil {
		s.Trial = f.Trial.Status.ReportDigest
	}
	s.Staging = plan.Status.StagingVerdict // what the clock takes away voids nothing
	if f.Staging != nil {
		s.Staging = StagingVerdict(f.Staging)
	}
	return s
}

// liveParts are the fields of a Site that say what go-live will write to, when,
// and where data of the site goes.
func liveParts(site *v1alpha1.Site) any {
	return struct {
		URL       string
		Profile   string
		Workloads []v1alpha1.Workload
		Config    *v1alpha1.ConfigFile
		Traffic   v1alpha1.Traffic
		Database  v1alpha1.Database
		Volumes   []v1alpha1.SiteVolume
		TimeZone  string
		Copies    v1alpha1.Copies
		Backup    v1alpha1.Backup
	}{
		site.Spec.URL, site.Spec.Profile, site.Spec.Workloads, site.Spec.Config,
		site.Spec.Traffic, site.Spec.Database, site.Spec.Volumes,
		site.Spec.TimeZone, site.Spec.Copies, site.Spec.Backup,
	}
}

// StagingVerdict is the digest of what was seen on staging. It leaves out times and
// counts: these change by the day.
func StagingVerdict(env *v1alpha1.StagingEnvironment) string {
	var hops []string
	for _, hop := range env.Status.Hops {
		hops = append(hops, hop.From+">"+hop.To+":"+hop.Verdict)
	}
	var findings []string
	for _, f := range env.Status.Findings {
		if f.Severity == v1alpha1.SeverityCritical || f.Severity == v1alpha1.SeverityMajor {
			findings = append(findings, f.Code+"/"+f.Component)
		}
	}
	slices.Sort(findings)
	return digest([]any{env.Status.Version, hops, findings})
}

// Digest gives sha256:<hex> over the canonical JSON of the subject.
func (s SubjectV1) Digest() string { return digest(s) }

// Canonical gives the subject as it is hashed and kept as evidence. Struct
// fields have a fixed order, maps do not occur, numbers are integers: for such
// data encoding/json is canonical in the sense of RFC 8785 but for the order
// of keys, which is that of the struct and part of the format.
func (s SubjectV1) Canonical() []byte {
	b, err := json.Marshal(s)
	if err != nil {
		// Impossible: the type holds strings, integers and lists of these.
		return nil
	}
	return b
}

func digest(v any) string {
	b, err := json.Marshal(v)
	if err != nil {
		return ""
	}
	sum := sha256.Sum256(b)
	return "sha256:" + hex.EncodeToString(sum[:])
}

// Summary tells those who decide what they decide on.
func Summary(f Facts) []string {
	plan := f.Plan
	lines := []string{fmt.Sprintf("%s: %s to %s", f.Site.Name, plan.Status.Summary.From, plan.Spec.Target.Version)}
	var path []string
	for _, hop := range plan.Status.Hops {
		path = append(path, hop.To)
	}
	lines = append(lines, "stops: "+strings.Join(path, ", "), "goes live: "+strings.Join(images(f), ", "))
	if f.Trial != nil {
		verdict := "has not passed"
		if TrialPassed(f.Trial) {
			verdict = "passed"
		}
		lines = append(lines, "trial "+f.Trial.Name+" "+verdict+", report "+short(f.Trial.Status.ReportDigest))
	}
	lines = append(lines, stagingSaid(f)...)
	if r := plan.Status.Rollout; r != nil && r.PredictedOutage != nil {
		line := "closed for users: " + r.PredictedOutage.Duration.String()
		if r.PredictedBack != nil {
			line += ", way back: " + r.PredictedBack.Duration.String()
		}
		lines = append(lines, line+" (with margin)")
	}
	for _, p := range plan.Spec.Requirements.DropPlugins {
		lines = append(lines, "plugin "+p.Component+" is dropped: "+p.Because)
	}
	if len(lines) > 10 {
		lines = append(lines[:9], fmt.Sprintf("and %d more plugins are dropped", len(lines)-9))
	}
	for i := range lines {
		lines[i] = message.Clip(lines[i], message.Line)
	}
	return lines
}

// stagingSaid tells what people can look at, and what was not looked at.
func stagingSaid(f Facts) []string {
	switch {
	case f.Staging == nil && f.Plan.Status.StagingVerdict != "":
		return []string{"staging passed its tests and is not there any more"}
	case f.Staging == nil:
		return nil
	}
	lines := []string{"staging serves " + f.Staging.Status.Version + " at " + f.Staging.Status.Address}
	if f.Site.Spec.ProbeAccount == nil {
		lines = append(lines, "nobody signed in to staging: the Site names no account for it in spec.probeAccountSecretRef")
	}
	return lines
}

// TrialPassed says whether a trial has; one that was run again by a person may have failed.
func TrialPassed(trial *v1alpha1.TrialUpgrade) bool {
	return meta.IsStatusConditionTrue(trial.Status.Conditions, v1alpha1.PassedCondition)
}

// images tells what the live site would run, container by container where they are named.
func images(f Facts) []string {
	var out []string
	for _, r := range f.Plan.Spec.Target.Releases {
		if r.Version != f.Plan.Spec.Target.Version {
			continue
		}
		if r.Image != "" {
			out = append(out, r.Image)
		}
		for _, c := range r.Containers {
			out = append(out, c.Name+" "+c.Image)
		}
	}
	return out
}

func short(digest string) string {
	_, hash, _ := strings.Cut(digest, ":")
	return hash[:min(8, len(hash))]
}
