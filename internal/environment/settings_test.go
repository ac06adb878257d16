// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"encoding/json"
	"slices"
	"strings"
	"testing"

	"github.com/google/go-cmp/cmp"
	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

func TestNoTrackingLabelComesAlong(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	for _, obj := range s.made {
		for key, value := range with(obj.GetLabels()) {
			if value == "tracked" {
				t.Errorf("%T %s has label %s: what tracks the live site would prune it", obj, obj.GetName(), key)
			}
		}
		for key, value := range obj.GetAnnotations() {
			if value == "tracked" {
				t.Errorf("%T %s has annotation %s", obj, obj.GetName(), key)
			}
		}
	}
	// Pods keep what selectors need: without it the copy's Service finds nobody.
	i := slices.IndexFunc(s.made, func(o client.Object) bool { _, ok := o.(*appsv1.Deployment); return ok })
	web := s.made[i].(*appsv1.Deployment)
	for key, value := range web.Spec.Selector.MatchLabels {
		if web.Spec.Template.Labels[key] != value {
			t.Errorf("the selector asks for %s=%s and the pods have %v", key, value, web.Spec.Template.Labels)
		}
	}
	if len(web.Spec.Template.Annotations) > 0 || web.Spec.Template.Labels["helm.sh/chart"] != "" {
		t.Errorf("pods came with %v %v", web.Spec.Template.Annotations, web.Spec.Template.Labels)
	}
}

func TestSettingsOfACopy(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	secrets := map[string]*corev1.Secret{}
	for _, obj := range s.made {
		if secret, ok := obj.(*corev1.Secret); ok {
			secrets[secret.Name] = secret
		}
	}
	var names []string
	for name := range secrets {
		names = append(names, name)
	}
	slices.Sort(names)
	if diff := cmp.Diff([]string{"campus-config", "campus-db", "campus-db-reader", "smtp"}, names); diff != "" {
		t.Errorf("Secrets of the copy: %s", diff)
	}
	owner, reader := string(secrets["campus-db"].Data["password"]), string(secrets["campus-db-reader"].Data["password"])
	if owner == reader || len(owner) < 40 || string(secrets["campus-db"].Data["username"]) != "campus" {
		t.Errorf("passwords %q, %q", owner, reader)
	}
	for _, obj := range s.made {
		content, err := json.Marshal(obj)
		if err != nil {
			t.Fatal(err)
		}
		if _, ok := obj.(*corev1.Secret); !ok && strings.Contains(string(content), owner) {
			t.Errorf("%T %s holds a password in the clear", obj, obj.GetName())
		}
	}
}

func TestPasswords(t *testing.T) {
	base := campus(t)
	same := campus(t)
	if base.password("campus") != same.password("campus") {
		t.Error("two calls give two passwords: the second would lock the copy out")
	}
	seen := map[string]string{base.password("campus"): "the first"}
	for name, got := range map[string]string{
		"another role":          base.password("campus_reader"),
		"another environment":   campus(t, func(v *View) { v.Env.UID = "another" }).password("campus"),
		"another configuration": campus(t, func(v *View) { v.Secrets[0].Data["config.php"] = []byte("<?php //") }).password("campus"),
		"one Secret more": campus(t, func(v *View) {
			v.Secrets = append(v.Secrets, corev1.Secret{Data: map[string][]byte{"x": []byte("y")}})
		}).password("campus"),
	} {
		if other, ok := seen[got]; ok {
			t.Errorf("%s has the password of %s", name, other)
		}
		seen[got] = name
	}
	open := campus(t, func(v *View) { v.Secrets = nil })
	if a := open.password("campus"); len(a) < 20 || a == open.password("campus") {
		t.Errorf("%s is made of nothing that is secret", a)
	}
}

func TestClones(t *testing.T) {
	s := tell(t, campus(t))
	s.walk()
	aliases := map[string]string{}
	claims := map[string]string{}
	for _, obj := range s.made {
		switch o := obj.(type) {
		case *snapshotv1.VolumeSnapshotContent:
			if o.Spec.DeletionPolicy != snapshotv1.VolumeSnapshotContentRetain {
				t.Errorf("alias %s says %s", o.Name, o.Spec.DeletionPolicy)
			}
			aliases[o.Name] = *o.Spec.Source.SnapshotHandle
		case *corev1.PersistentVolumeClaim:
			claims[o.Name] = aliases[o.Spec.DataSource.Name]
		}
	}
	want := map[string]string{"campus-files": "handle-campus-files", "data-campus-db-0": "handle-data-campus-db-0"}
	if diff := cmp.Diff(want, claims); diff != "" {
		t.Errorf("claims and the snapshots behind them: %s", diff)
	}
}

func TestWhole(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*View)
		state  v1alpha1.StepState
		says   string
	}{
		"all there":        {func(*View) {}, v1alpha1.StepPassed, "nightly"},
		"no Site":          {func(v *View) { v.Site = nil }, v1alpha1.StepWaiting, "Site campus"},
		"no backup":        {func(v *View) { v.Backup = nil }, v1alpha1.StepWaiting, "SiteBackup nightly"},
		"no profile":       {func(v *View) { v.Profile = nil }, v1alpha1.StepFailed, "spec.profile"},
		"something absent": {func(v *View) { v.Missing = []string{"Deployment campus-web"} }, v1alpha1.StepWaiting, "Deployment campus-web"},
	} {
		got, whole := Whole(campus(t, c.change))
		if got.State != c.state || !strings.Contains(got.Message, c.says) || whole != (c.state == v1alpha1.StepPassed) {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

// Data of another site, and data that nobody has proven.
func TestDataOfACopy(t *testing.T) {
	for name, c := range map[string]struct {
		change func(*View)
		state  v1alpha1.StepState
		reason string
	}{
		"a proven backup of this site": {func(*View) {}, v1alpha1.StepPassed, "Passed"},
		"of another site":              {func(v *View) { v.Backup.Spec.SiteRef.Name = "other" }, v1alpha1.StepFailed, "OtherSite"},
		"not proven":                   {func(v *View) { v.Backup.Status.Conditions = nil }, v1alpha1.StepWaiting, "BackupNotVerified"},
		"not proven, and over": {func(v *View) {
			v.Backup.Status.Conditions = []metav1.Condition{{Type: v1alpha1.ReadyCondition, Status: metav1.ConditionTrue}}
		}, v1alpha1.StepFailed, "BackupNotVerified"},
		"not proven, and to be": {func(v *View) {
			v.Backup.Status.Conditions, v.Env.Spec.Purpose = nil, v1alpha1.PurposeScratch
		}, v1alpha1.StepPassed, "Passed"},
	} {
		got := resolve.Judge(campus(t, c.change), pipeline.At{}, pipeline.Seen{Now: noon})
		if got.State != c.state || got.Reason != c.reason {
			t.Errorf("%s: %+v", name, got)
		}
	}
}

func TestImages(t *testing.T) {
	releases := []v1alpha1.Release{
		{Version: "1.5", Image: "campus:1.5"},
		{Version: "3.0", Containers: []v1alpha1.ContainerImage{{Name: "app", Image: "campus:3.0", Env: []v1alpha1.EnvValue{{Name: "A", Value: "1"}}}, {Name: "static", Image: "nginx:2"}}},
	}
	for version, want := range map[string]map[string]v1alpha1.ContainerImage{
		"1.5": {"app": {Name: "app", Image: "campus:1.5"}},
		"3.0": {"app": releases[1].Containers[0], "static": releases[1].Containers[1]},
		"9.9": {},
	} {
		if diff := cmp.Diff(want, Images(liveSite(), releases, version)); diff != "" {
			t.Errorf("%s: %s", version, diff)
		}
	}
}

func TestSourcesOf(t *testing.T) {
	site := liveSite()
	site.Spec.Volumes = append(site.Spec.Volumes, v1alpha1.SiteVolume{Name: "cache", Clone: v1alpha1.VolumeClone{Method: v1alpha1.CloneOmit}})
	snap := func(volume, name string) v1alpha1.BackupCopy {
		return v1alpha1.BackupCopy{Volume: volume, Snapshot: &v1alpha1.SnapshotRef{Name: name}}
	}
	backup := &v1alpha1.SiteBackup{Status: v1alpha1.SiteBackupStatus{Copies: []v1alpha1.BackupCopy{
		{Volume: "database", Path: "dump"}, snap("database", "a"), snap("database", "b"), snap("files", "c"), snap("cache", "d"), snap("other", "e"),
	}}}
	var got []string
	for _, c := range SourcesOf(site, backup) {
		got = append(got, c.Snapshot.Name)
	}
	if diff := cmp.Diff([]string{"a", "c"}, got); diff != "" {
		t.Error(diff)
	}
}
