// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// WorkloadRole says what a workload does for the site.
// +kubebuilder:validation:Enum=Web;Cron;Worker
type WorkloadRole string

// Roles of workloads.
const (
	RoleWeb    WorkloadRole = "Web"
	RoleCron   WorkloadRole = "Cron"
	RoleWorker WorkloadRole = "Worker"
)

// CloneMethod says how a copy of a volume or database is made.
type CloneMethod string

// Methods.
const (
	CloneVolumeSnapshot CloneMethod = "VolumeSnapshot"
	CloneDump           CloneMethod = "Dump"
	CloneOmit           CloneMethod = "Omit"
)

// SiteSpec describes a live LMS.
// +kubebuilder:validation:XValidation:rule="!has(self.copies) || !has(self.copies.secrets) || !self.copies.secrets.exists(s, s == self.database.ownerSecretRef.name || s == self.database.readerSecretRef.name)",message="copies.secrets must not name the database's Secrets: copies get passwords of their own"
// +kubebuilder:validation:XValidation:rule="!has(self.config) || self.config.secretKeyRef.name != self.database.ownerSecretRef.name && self.config.secretKeyRef.name != self.database.readerSecretRef.name",message="config.secretKeyRef must not be one of the database's Secrets: copies may see the configuration, never the live passwords"
type SiteSpec struct {
	// displayName is what people call the site. Default: the object's name.
	// +optional
	// +kubebuilder:validation:MaxLength=128
	DisplayName string `json:"displayName,omitempty"`
	// profile names what Gradus knows of this LMS product: moodle, campus, or generic,
	// with which there are backups only.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Profile string `json:"profile,omitempty"`
	// url under which users reach the site.
	// +required
	// +kubebuilder:validation:MinLength=8
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:XValidation:rule="self.matches('^https?://[^/ ]+$')",message="url must be http(s)://host[:port] without a path, such as https://moodle.campus.example"
	URL string `json:"url,omitempty"`
	// timeZone in which wall-clock times of this site and its plans are read,
	// an IANA name. Default UTC.
	// +optional
	// +default="UTC"
	// +kubebuilder:validation:MaxLength=64
	// +kubebuilder:validation:Pattern=`^[A-Za-z0-9_+/-]+$`
	TimeZone string `json:"timeZone,omitempty"`
	// workloads that run the LMS's code.
	// +required
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MinItems=1
	// +kubebuilder:validation:MaxItems=16
	// +kubebuilder:validation:XValidation:rule="self.exists(w, w.role == 'Web')",message="one workload must have the role Web: it is what users reach"
	Workloads []Workload `json:"workloads,omitempty"`
	// config is the LMS's configuration file.
	// +optional
	Config *ConfigFile `json:"config,omitempty"`
	// traffic is the door through which users come.
	// +required
	Traffic Traffic `json:"traffic,omitzero"`
	// database of the site.
	// +required
	Database Database `json:"database,omitzero"`
	// volumes with the site's files. The first holds the LMS's data root: only there
	// every file that the database names is looked up and hashed.
	// +optional
	// +listType=map
	// +listMapKey=name
	// +kubebuilder:validation:MaxItems=16
	Volumes []SiteVolume `json:"volumes,omitempty"`
	// copies says what copies of the site may see and be.
	// +optional
	Copies Copies `json:"copies,omitzero"`
	// backup says where backups go.
	// +optional
	Backup Backup `json:"backup,omitzero"`
	// calendar holds for every plan of this site.
	// +optional
	Calendar Calendar `json:"calendar,omitzero"`
	// probeAccountSecretRef names a Secret with username and password of an account that
	// may do nothing but look; smoke tests sign in with it.
	// +optional
	ProbeAccount *LocalRef `json:"probeAccountSecretRef,omitempty"`
}

// Workload is one Deployment that runs the LMS's code.
type Workload struct {
	// name by which plans refer to the workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:Pattern=`^[a-z0-9]([-a-z0-9]*[a-z0-9])?$`
	Name string `json:"name,omitempty"`
	// role is Web, Cron or Worker.
	// +required
	Role WorkloadRole `json:"role,omitempty"`
	// targetRef names the Deployment.
	// +required
	// +kubebuilder:validation:XValidation:rule="self.kind == 'Deployment'",message="targetRef.kind must be Deployment; this version upgrades no other workload"
	TargetRef WorkloadRef `json:"targetRef,omitzero"`
	// applicationContainer holds the LMS's code; others ride along.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=63
	ApplicationContainer string `json:"applicationContainer,omitempty"`
}

// WorkloadRef names a workload in the Site's namespace.
// +kubebuilder:validation:XValidation:rule="self.apiVersion == 'apps/v1'",message="apiVersion must be apps/v1"
type WorkloadRef struct {
	// apiVersion of the workload: apps/v1.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=32
	APIVersion string `json:"apiVersion,omitempty"`
	// kind is Deployment or StatefulSet.
	// +required
	// +kubebuilder:validation:Enum=Deployment;StatefulSet
	Kind string `json:"kind,omitempty"`
	// name of the workload.
	// +required
	// +kubebuilder:validation:MinLength=1
	// +kubebuilder:validation:MaxLength=253
	Name string `json:"name,omitempty"`
}

// ConfigFile is the LMS's configuration file, kept in a Secret.
type ConfigFile struct {
	// path of the file in the application container.
	// +required
	// +kubebuilder:validation:MinLength=2
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:Pattern=`^/[^:]*$`
	Path string `json:"path,omitempty"`
	// secretKeyRef names the Secret and the key that hold the file.
	// +required
	SecretKeyRef KeyRef `json:"secretKeyRef,omitzero"`
}

// Traffic is the door of the site.
type Traffic struct {
	// serviceRef names the Service behind which the web workload serves. During
	// go-live its selector is pointed at the holding page, and back.
	// +required
	ServiceRef LocalRef `json:"serviceRef,omitzero"`
	// port of the Service on which the LMS answers HTTP. Default 80.
	// +optional
	// +default=80
	// +kubebuilder:validation:Minimum=1
	// +kubebuilder:validation:Maximum=65535
	Port int32 `json:"port,omitempty"`
	// maintenancePage shown while the site is closed. Default: a plain page of Gradus.
	// +optional
	MaintenancePage *MaintenancePage `json:"maintenancePage,omitempty"`
}

// MaintenancePage is an HTML page in a ConfigMap.
type MaintenancePage struct {
	// configMapKeyRef names the ConfigMap and key that hold the page.
	// +required
	ConfigMapKeyRef KeyRef `json:"configMapKeyRef,omitzero"`
}

// SiteState is one word for the printer.
// +kubebuilder:validation:Enum=Serving;Closed;Unknown
type SiteState string

// States of a site.
const (
	SiteServing SiteState = "Serving"
	SiteClosed  SiteState = "Closed"
	SiteUnknown SiteState = "Unknown"
)

// SiteStatus is what Gradus last saw of the site.
type SiteStatus struct {
	// conditions are Ready (what the spec names of the live site exists; the message tells
	// what was not looked at), Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// observedGeneration is the generation that the conditions speak of; -1 before Gradus looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// state is Serving, Closed (a go-live or rollback holds it) or Unknown.
	// +optional
	State SiteState `json:"state,omitempty"`
	// plan that holds the site, if any.
	// +optional
	// +kubebuilder:validation:MaxLength=253
	Plan string `json:"plan,omitempty"`
	// version last read by a stocktake, from database and HTTP.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
	// databaseVersion of the server, such as PostgreSQL 15.18.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	DatabaseVersion string `json:"databaseVersion,omitempty"`
	// reviewed is when version and inventory were last read.
	// +optional
	Reviewed *metav1.Time `json:"reviewed,omitempty"`
	// images that run now, by container, as the pod templates name them.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Images []RunningImage `json:"images,omitempty"`
}

// RunningImage is the image that a container of a workload runs.
type RunningImage struct {
	// workload by the Site's name for it.
	// +required
	// +kubebuilder:validation:MaxLength=40
	// +kubebuilder:validation:MinLength=1
	Workload string `json:"workload,omitempty"`
	// container in its pod template.
	// +required
	// +kubebuilder:validation:MaxLength=63
	// +kubebuilder:validation:MinLength=1
	Container string `json:"container,omitempty"`
	// image as the pod template names it.
	// +required
	// +kubebuilder:validation:MaxLength=512
	// +kubebuilder:validation:MinLength=1
	Image string `json:"image,omitempty"`
}

// Site is a live LMS: its workloads, database, files and door, and what holds
// for every upgrade of it.
// A person creates it, once per LMS. Deleting it touches nothing of the LMS;
// plans and backups that name it stall until it is back.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=gradus,shortName=gsite
// +kubebuilder:printcolumn:name="Profile",type=string,JSONPath=`.spec.profile`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Database",type=string,JSONPath=`.status.databaseVersion`
// +kubebuilder:printcolumn:name="State",type=string,JSONPath=`.status.state`
// +kubebuilder:printcolumn:name="Plan",type=string,JSONPath=`.status.plan`
// +kubebuilder:printcolumn:name="URL",type=string,JSONPath=`.spec.url`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type Site struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec SiteSpec `json:"spec,omitzero"`
	// status is what Gradus saw and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status SiteStatus `json:"status,omitempty"`
}

// SiteList is a list of Sites.
// +kubebuilder:object:root=true
type SiteList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []Site `json:"items"`
}
