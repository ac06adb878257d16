// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package backup

import (
	"testing"
	"time"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/environment"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

var noon = time.Date(2026, 9, 23, 12, 0, 0, 0, time.UTC)

const (
	backupUID = "0b4cdd3e-5f3a-4f0c-9d57-2f6f3f1c9a11"
	planUID   = "77777777-5f3a-4f0c-9d57-2f6f3f1c9a11"
)

// campus is a view of a healthy site with two failure domains.
func campus(t *testing.T, change ...func(*View)) View {
	t.Helper()
	site := campusSite()
	v := View{
		Backup: &v1alpha1.SiteBackup{
			ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "nightly", UID: backupUID, Generation: 1},
			Spec: v1alpha1.SiteBackupSpec{
				SiteRef: v1alpha1.LocalRef{Name: "campus"}, PlanRef: &v1alpha1.PlanRef{Name: "campus-2-0", UID: planUID},
			},
		},
		Site: site, Profile: product(),
		Workloads: map[string]*appsv1.Deployment{"web": deployment("campus-web"), "cron": deployment("campus-cron")},
		Database:  databaseServer(),
		Claims: map[string]*corev1.PersistentVolumeClaim{
			"database": claim("data-campus-db-0", "20Gi"), "files": claim("campus-files", "300Gi"),
		},
		Volumes: map[string]*corev1.PersistentVolume{"database": csiVolume(), "files": csiVolume()},
		Kept: map[string]*corev1.PersistentVolume{"vault": {Spec: corev1.PersistentVolumeSpec{
			PersistentVolumeReclaimPolicy: corev1.PersistentVolumeReclaimRetain}}},
		Targets: map[string]*corev1.PersistentVolumeClaim{"vault": claim("gradus-vault", "1Ti")},
		Classes: map[string]*snapshotv1.VolumeSnapshotClass{
			"snapshots": {ObjectMeta: metav1.ObjectMeta{Name: "fast"}, Driver: "csi.campus.example"},
		},
		Contents: map[string]*snapshotv1.VolumeSnapshotContent{},
		Install:  environment.Install{Image: "gradus:test", Namespace: "gradus-system", Account: "gradus-manager"},
	}
	for _, c := range change {
		c(&v)
	}
	return v
}

// product is a profile of the tests' own: what a real one says does not matter here.
func product() *profile.Profile {
	return &profile.Profile{
		Name: "campus", Title: "Campus",
		Truth: profile.Truth{Version: "SELECT value FROM {{prefix}}config WHERE name = 'release'"},
		Paths: profile.Paths{
			AppendOnly: []profile.AppendOnly{{Path: "filedir", Algorithm: task.SHA1}}, Skip: []string{"cache"},
		},
		Integrity: profile.Integrity{
			Equal:   map[string]string{"users": "SELECT count(*) FROM {{prefix}}users"},
			Orphans: map[string]string{"posts": "SELECT count(*) FROM {{prefix}}posts"},
		},
	}
}

func campusSite() *v1alpha1.Site {
	both := []v1alpha1.BackupContent{v1alpha1.HoldsDatabase, v1alpha1.HoldsFiles}
	return &v1alpha1.Site{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "campus"},
		Spec: v1alpha1.SiteSpec{
			Profile: "campus", URL: "http://campus-web.campus.svc",
			Workloads: []v1alpha1.Workload{
				{Name: "cron", Role: v1alpha1.RoleCron, ApplicationContainer: "app"},
				{Name: "web", Role: v1alpha1.RoleWeb, ApplicationContainer: "app"},
			},
			Database: v1alpha1.Database{
				Name: "campus", Port: 5432, TablePrefix: "cmp_",
				WorkloadRef:     &v1alpha1.WorkloadRef{APIVersion: "apps/v1", Kind: "StatefulSet", Name: "campus-db"},
				OwnerSecretRef:  v1alpha1.LocalRef{Name: "campus-db"},
				ReaderSecretRef: v1alpha1.LocalRef{Name: "campus-db-reader"},
				Clone:           v1alpha1.DatabaseClone{Method: v1alpha1.CloneVolumeSnapshot},
			},
			Volumes: []v1alpha1.SiteVolume{{
				Name: "files", ClaimName: "campus-files", MountPath: "/var/lib/campus",
				Clone: v1alpha1.VolumeClone{Method: v1alpha1.CloneVolumeSnapshot},
			}},
			Copies: v1alpha1.Copies{PodSecurity: v1alpha1.LevelRestricted},
			Backup: v1alpha1.Backup{Locations: []v1alpha1.BackupLocation{
				{Name: "snapshots", Holds: both, FailureDomain: "storage", VolumeSnapshot: &v1alpha1.SnapshotLocation{ClassName: "fast"}},
				{Name: "vault", Holds: both, FailureDomain: "vault", Volume: &v1alpha1.VolumeLocation{ClaimName: "gradus-vault"}},
			}},
		},
	}
}

func deployment(name string) *appsv1.Deployment {
	labels := map[string]string{"app": name}
	return &appsv1.Deployment{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name},
		Spec: appsv1.DeploymentSpec{
			Replicas: ptr.To(int32(2)), Selector: &metav1.LabelSelector{MatchLabels: labels},
			Template: corev1.PodTemplateSpec{
				ObjectMeta: metav1.ObjectMeta{Labels: labels},
				Spec: corev1.PodSpec{
					SecurityContext: &corev1.PodSecurityContext{RunAsUser: ptr.To(int64(33)), FSGroup: ptr.To(int64(33))},
					Containers:      []corev1.Container{{Name: "app", Image: "campus:1.0"}},
					Volumes: []corev1.Volume{{Name: "files", VolumeSource: corev1.VolumeSource{
						PersistentVolumeClaim: &corev1.PersistentVolumeClaimVolumeSource{ClaimName: "campus-files"},
					}}},
				},
			},
		},
	}
}

func databaseServer() *appsv1.StatefulSet {
	return &appsv1.StatefulSet{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: "campus-db"},
		Spec: appsv1.StatefulSetSpec{
			ServiceName: "campus-db",
			Template: corev1.PodTemplateSpec{Spec: corev1.PodSpec{
				SecurityContext: &corev1.PodSecurityContext{RunAsUser: ptr.To(int64(999))},
				Containers:      []corev1.Container{{Name: "postgres", Image: "postgresql:15"}},
			}},
			VolumeClaimTemplates: []corev1.PersistentVolumeClaim{{ObjectMeta: metav1.ObjectMeta{Name: "data"}}},
		},
	}
}

func claim(name, size string) *corev1.PersistentVolumeClaim {
	return &corev1.PersistentVolumeClaim{
		ObjectMeta: metav1.ObjectMeta{Namespace: "campus", Name: name},
		Spec: corev1.PersistentVolumeClaimSpec{
			AccessModes: []corev1.PersistentVolumeAccessMode{corev1.ReadWriteOnce}, StorageClassName: ptr.To("fast"),
			Resources: corev1.VolumeResourceRequirements{Requests: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse("1Gi")}},
		},
		Status: corev1.PersistentVolumeClaimStatus{
			Phase: corev1.ClaimBound, Capacity: corev1.ResourceList{corev1.ResourceStorage: resource.MustParse(size)},
		},
	}
}

func csiVolume() *corev1.PersistentVolume {
	return &corev1.PersistentVolume{Spec: corev1.PersistentVolumeSpec{PersistentVolumeSource: corev1.PersistentVolumeSource{
		CSI: &corev1.CSIPersistentVolumeSource{Driver: "csi.campus.example"},
	}}}
}

// key of the ledger, first attempt.
func key(k string) pipeline.At { return pipeline.At{Key: k, Attempt: 1} }

// jobSaid is what a Job looks like that ended with facts.
func jobSaid(state pipeline.JobState, facts map[string]string) pipeline.Seen {
	result := task.Result{OK: state == pipeline.JobSucceeded, Facts: facts}
	if state == pipeline.JobFailed {
		result.Reason, result.Message = "NotEnoughSpace", "the backup volume is full"
	}
	return pipeline.Seen{Now: noon, Jobs: map[string]pipeline.JobOutcome{"job": {
		State: state, Result: result, Started: noon.Add(-3 * time.Minute), Ended: noon.Add(-time.Minute),
	}}}
}

func sees(objects ...client.Object) pipeline.Seen { return pipeline.Seen{Now: noon, Objects: objects} }

func dumpFacts() map[string]string {
	return map[string]string{
		"dump.sha256": "aa11", "dump.size": "4096", "dump.takenAt": "2026-09-23T11:57:30Z",
		"dump.serverVersion": "15.18 (Debian 15.18-1)", "dump.count.users": "1200", "dump.count.posts": "90 | 12",
		"dump.databaseSize": "8000", "version.database": "1.0",
	}
}
