// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package plan

import (
	"cmp"
	"crypto/sha256"
	"encoding/hex"
	"encoding/json"
	"slices"
	"strconv"
	"strings"
	"time"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/message"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
	"github.com/gradus-lms/gradus/internal/workload"
)

// Where the stocktake finds the credentials of the two roles; of the owner's, the name alone.
const (
	readerDir = "/gradus/reader"
	ownerDir  = "/gradus/owner"
)

// reviewSite takes stock of the live site with read-only rights: version from
// database and HTTP, plugins, figures, the database's size. What needs the LMS's
// own code is asked on the first copy: ADR 6.
var reviewSite = pipeline.Step[View]{
	Name: v1alpha1.StepReviewSite, Needs: after(v1alpha1.StepPlanChangeControl), Attempts: 2,
	Create: func(v View, at pipeline.At) []client.Object {
		if waits(v) != nil {
			return nil
		}
		job, err := v.stocktake(at)
		if err != nil {
			return nil
		}
		return []client.Object{job.Build()}
	},
	Judge: func(v View, at pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		if wait := waits(v); wait != nil {
			return *wait
		}
		if _, err := v.stocktake(at); err != nil {
			return pipeline.Fail("ProfileInvalid", "%v", err)
		}
		return pipeline.JobDone("TakingStock", "StocktakeFailed", func(r task.Result) pipeline.Verdict {
			plugins := pluginsOf(seen.Job())
			return pipeline.Pass("version %s; %d plugins; %s rows",
				r.Facts["version.database"], len(plugins), r.Facts["count.rows"])
		})(seen)
	},
	Record:  recordInventory,
	Timeout: func(View) time.Duration { return time.Hour },
}

// Lost says what went missing of a site whose plan is under way. While it is
// missing no step may be walked: they decide from it. A go-live that is under way is
// followed all the same; see Followed.
func Lost(v View) (pipeline.Verdict, bool) {
	if v.Plan.Status.Started == nil {
		return pipeline.Verdict{}, false
	}
	if wait := waits(v); wait != nil {
		return *wait, true
	}
	return pipeline.Verdict{}, false
}

// Copied says whether the plan has made its copies, so that it needs their Secrets no more.
func Copied(p *v1alpha1.UpgradePlan) bool { return settledWell(p, v1alpha1.StepUpgradeStaging) }

// waits says what the plan waits for before it touches anything.
func waits(v View) *pipeline.Verdict {
	var wait pipeline.Verdict
	switch {
	case v.Site == nil:
		wait = pipeline.Await(v1alpha1.SiteNotFoundReason, "spec.siteRef: there is no Site %s in namespace %s; create it",
			v.Plan.Spec.SiteRef.Name, v.Plan.Namespace)
	case v.Profile == nil:
		wait = pipeline.Await("ProfileUnknown", "Site %s, spec.profile: %q is not a profile of this version of Gradus; "+
			"there are %s", v.Site.Name, v.Site.Spec.Profile, strings.Join(profile.Names(), ", "))
	case len(v.Missing) > 0:
		wait = environment.Lacks(v.Missing)
	case v.Holder != "" && v.Holder != v.Plan.Name:
		wait = pipeline.Await(v1alpha1.SiteBusyReason, "Site %s is held by plan %s; "+
			"this plan goes on when that one is complete or deleted", v.Site.Name, v.Holder)
	default:
		return nil
	}
	return &wait
}

func (v View) stocktake(at pipeline.At) (workload.Job, error) {
	params := v.liveParams()
	version, _, err := v.Profile.VersionTask(params, "")
	if err != nil {
		return workload.Job{}, err
	}
	count, _, err := v.Profile.CountTask(params, nil, nil, nil)
	if err != nil {
		return workload.Job{}, err
	}
	actions := slices.Concat(version.Actions, count.Actions)
	if sql := v.Profile.Truth.Plugins; sql != "" {
		reader := params.Reader
		actions = append(actions, task.Action{Name: "plugins", Plugins: &task.Plugins{
			Database: &reader, SQL: strings.ReplaceAll(sql, "{{prefix}}", v.prefix()),
		}})
	}
	reader := params.Reader
	actions = append(actions, task.Action{Name: "server", Query: &task.Query{Database: reader,
		SQL: "SELECT current_setting('server_version') AS version, pg_database_size(current_database())::text AS bytes"}})
	// Until it is done siteRef may still be put right: another site is another Job.
	job := v.liveJob(at.Name("review-"+v.Site.Name), actions)
	// Whether the owner's password will be there, without a look at it: a hop that
	// misses it would stand behind closed doors.
	owner := workload.Secret(workload.OwnerVolume, v.Site.Spec.Database.OwnerSecretRef.Name)
	owner.Secret.Items = []corev1.KeyToPath{{Key: "username", Path: "username"}}
	job.Volumes = append(job.Volumes, owner)
	job.Run.VolumeMounts = append(job.Run.VolumeMounts,
		corev1.VolumeMount{Name: workload.OwnerVolume, MountPath: ownerDir, ReadOnly: true})
	return job, nil
}

// liveJob gives a Job in the site's namespace that can only read: our image,
// the reading role, no volume of the site.
func (v View) liveJob(name string, actions []task.Action) workload.Job {
	return workload.Job{
		Namespace: v.Plan.Namespace, Name: name, AgentImage: v.Install.Image,
		Run: corev1.Container{
			Image: v.Install.Image, Resources: workload.Small(),
			VolumeMounts: []corev1.VolumeMount{{Name: workload.ReaderVolume, MountPath: readerDir, ReadOnly: true}},
		},
		User:    ptr.To(workload.AgentUser),
		Volumes: []corev1.Volume{workload.Secret(workload.ReaderVolume, v.Site.Spec.Database.ReaderSecretRef.Name)},
		Task:    task.Task{Actions: actions, Known: v.Profile.Failures},
		Level:   v1alpha1.LevelRestricted,
	}
}

// liveParams are what the profile needs to read the live site.
func (v View) liveParams() profile.Params {
	reader := task.Database{
		Host: v.databaseHost(), Port: int(v.Site.Spec.Database.Port),
		Name: v.Site.Spec.Database.Name, CredentialsDir: readerDir,
	}
	return profile.Params{
		URL: v.Site.Spec.URL, BaseURL: v.door(), Prefix: v.prefix(),
		Target: v.Plan.Spec.Target.Version, Reader: reader, Owner: reader,
	}
}

// door is the address of the live Service inside the cluster.
func (v View) door() string {
	return "http://" + v.Site.Spec.Traffic.ServiceRef.Name + "." + v.Site.Namespace + ".svc:" +
		strconv.Itoa(int(cmp.Or(v.Site.Spec.Traffic.Port, 80)))
}

func (v View) prefix() string {
	return cmp.Or(v.Site.Spec.Database.TablePrefix, v.Profile.TablePrefix)
}

func (v View) databaseHost() string {
	database := v.Site.Spec.Database
	switch {
	case database.Host != "":
		return database.Host
	case database.ServiceRef != nil:
		return database.ServiceRef.Name
	case v.Database != nil:
		return v.Database.Spec.ServiceName
	}
	return ""
}

// pluginsOf reads the list of plugins that a Job left. Documents carry the
// name of their action in front.
func pluginsOf(job pipeline.JobOutcome) []task.Plugin {
	for name, document := range job.Documents {
		var plugins []task.Plugin
		if strings.HasSuffix(name, "."+task.PluginsDocument) && json.Unmarshal(document, &plugins) == nil {
			return plugins
		}
	}
	return nil
}

// maxPlugins that a status holds; the rest is in the evidence.
const maxPlugins = 128

// recordInventory writes what was found. Its digest covers what the site is,
// not how big it is.
func recordInventory(v View, _ pipeline.At, seen pipeline.Seen) {
	job := seen.Job()
	if job.State != pipeline.JobSucceeded {
		return
	}
	facts := job.Result.Facts
	inventory := &v1alpha1.InventoryStatus{
		Taken: metav1.NewTime(seen.Now), DatabaseVersion: "PostgreSQL " + facts["server.version"],
	}
	inventory.DatabaseBytes, _ = strconv.ParseInt(facts["server.bytes"], 10, 64)
	for _, source := range []string{"database", "http"} {
		if version := facts["version."+source]; version != "" {
			inventory.Versions = append(inventory.Versions, v1alpha1.Count{Name: source, Value: version})
		}
	}
	for _, p := range pluginsOf(job) {
		if p.Name == "" {
			continue // a row of a plugin that has no name is none
		}
		inventory.Plugins = append(inventory.Plugins, v1alpha1.PluginStatus{
			Component: message.Clip(p.Name, 100), Version: message.Clip(p.Version, 64)})
	}
	slices.SortFunc(inventory.Plugins, func(a, b v1alpha1.PluginStatus) int {
		return strings.Compare(a.Component, b.Component)
	})
	identity, err := json.Marshal(struct {
		Versions []v1alpha1.Count
		Plugins  []v1alpha1.PluginStatus
		Images   []string
	}{inventory.Versions, inventory.Plugins, v.liveImages()})
	if err == nil {
		sum := sha256.Sum256(identity)
		inventory.Digest = "sha256:" + hex.EncodeToString(sum[:])
	}
	if len(inventory.Plugins) > maxPlugins {
		inventory.Plugins = inventory.Plugins[:maxPlugins]
	}
	v.Plan.Status.Inventory = inventory
	v.Plan.Status.Summary.From = profile.Short(facts["version.database"])
	if v.Plan.Status.Started == nil {
		v.Plan.Status.Started = &metav1.Time{Time: seen.Now}
	}
}

// liveImages lists the images of the live workloads.
func (v View) liveImages() []string {
	var images []string
	for name, d := range v.Workloads {
		for _, c := range d.Spec.Template.Spec.Containers {
			images = append(images, name+"/"+c.Name+"="+c.Image)
		}
	}
	return sorted(images)
}

func sorted(list []string) []string {
	slices.Sort(list)
	return list
}
