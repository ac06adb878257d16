// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

// Package environment makes isolated, neutralised copies of a site. Law 3
// ("a copy starts dead") lives here and nowhere else: network, volumes and
// database, neutralise, assert, and only then the application.
package environment

import (
	"crypto/hmac"
	"crypto/rand"
	"crypto/sha256"
	"encoding/base64"
	"maps"
	"slices"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	appsv1 "k8s.io/api/apps/v1"
	corev1 "k8s.io/api/core/v1"
	storagev1 "k8s.io/api/storage/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/profile"
	"github.com/gradus-lms/gradus/internal/task"
)

// DatabaseVolume is the name under which backups and clones know the
// database's own volume.
const DatabaseVolume = "database"

// View is what the steps of an environment decide from.
type View struct {
	Env     *v1alpha1.StagingEnvironment
	Site    *v1alpha1.Site
	Backup  *v1alpha1.SiteBackup
	Profile *profile.Profile
	// Workloads of the live site, by the Site's name for them.
	Workloads map[string]*appsv1.Deployment
	// Database server of the live site.
	Database *appsv1.StatefulSet
	// Services of the live site that a copy needs: the door and the database's.
	Services []corev1.Service
	// ConfigMaps and Secrets of the live site that a copy may see.
	ConfigMaps []corev1.ConfigMap
	Secrets    []corev1.Secret
	// Sources by volume: the contents that the backup's snapshots are bound to,
	// and the claims that they were taken of.
	Sources map[string]Source
	// Missing names what the copy needs and was not found; it may appear.
	Missing []string
	// Install is how this operator is installed.
	Install Install
}

// Source is a snapshot with what is needed to clone it.
type Source struct {
	Ref     v1alpha1.SnapshotRef
	Content *snapshotv1.VolumeSnapshotContent
	Claim   *corev1.PersistentVolumeClaim
	// Class of the copy's volume.
	Class *storagev1.StorageClass
}

// Install says how this operator is installed.
type Install struct {
	// Image of our own.
	Image string
	// Namespace and Account of the manager.
	Namespace, Account string
	// Canaries that the network of a copy must refuse.
	Canaries []string
}

// NamespaceName gives the deterministic name of the copy's namespace.
func NamespaceName(env *v1alpha1.StagingEnvironment) string {
	if env.Status.Namespace != "" {
		return env.Status.Namespace
	}
	return pipeline.Name(env, "copy", "", 1)
}

func (v View) namespace() string { return NamespaceName(v.Env) }

func (v View) purpose() v1alpha1.Purpose { return v.Env.Spec.Purpose }

// serves says whether the copy runs the application, not the database alone.
func (v View) serves() bool { return v.purpose() != v1alpha1.PurposeScratch }

// password derives the copy's own password of a role. It is the same on every
// call, and nobody can derive it who cannot read the site's configuration. Where
// there is none it is drawn: the first Secret that is made of it stays.
func (v View) password(role string) string {
	if !slices.ContainsFunc(v.Secrets, func(s corev1.Secret) bool { return len(s.Data) > 0 }) {
		return rand.Text()
	}
	key := sha256.New()
	for _, secret := range v.Secrets {
		for _, name := range slices.Sorted(maps.Keys(secret.Data)) {
			key.Write(secret.Data[name])
		}
	}
	mac := hmac.New(sha256.New, key.Sum(nil))
	mac.Write([]byte(string(v.Env.UID) + "/" + role))
	return base64.RawURLEncoding.EncodeToString(mac.Sum(nil))
}

// web gives the live web workload.
func (v View) web() (v1alpha1.Workload, *appsv1.Deployment) {
	for _, w := range v.Site.Spec.Workloads {
		if w.Role == v1alpha1.RoleWeb {
			return w, v.Workloads[w.Name]
		}
	}
	return v1alpha1.Workload{}, nil
}

// server gives the container of the database's pod, its volume mount and the
// directory of the data.
func (v View) server() corev1.Container {
	return v.Database.Spec.Template.Spec.Containers[0]
}

// ownerDatabase is how Jobs in the copy reach the copy's database as its owner.
func (v View) ownerDatabase() task.Database {
	return task.Database{
		Host: v.databaseHost(), Port: int(v.Site.Spec.Database.Port), Name: v.Site.Spec.Database.Name,
		CredentialsDir: ownerDir, TLS: "disable",
	}
}

func (v View) databaseHost() string {
	if ref := v.Site.Spec.Database.ServiceRef; ref != nil {
		return ref.Name
	}
	return v.Database.Spec.ServiceName
}

// ownerDir is where Jobs of the copy find the owner's credentials.
const ownerDir = "/gradus/owner"
