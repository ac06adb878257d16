// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"slices"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// Purpose says what a copy is for.
// +kubebuilder:validation:Enum=Staging;Training;Trial;Scratch
type Purpose string

// Purposes. People create Staging and Training; Trial and Scratch are made by
// controllers only.
const (
	PurposeStaging  Purpose = "Staging"
	PurposeTraining Purpose = "Training"
	PurposeTrial    Purpose = "Trial"
	// PurposeScratch brings up the database and nothing else: to prove a backup.
	PurposeScratch Purpose = "Scratch"
)

// StagingEnvironmentSpec asks for an isolated, neutralised copy of a site.
// +kubebuilder:validation:XValidation:rule="self.siteRef == oldSelf.siteRef && self.backupRef == oldSelf.backupRef && self.purpose == oldSelf.purpose && has(self.upgrade) == has(oldSelf.upgrade) && (!has(self.upgrade) || self.upgrade == oldSelf.upgrade)",message="only expires can change; create a new StagingEnvironment"
// +kubebuilder:validation:XValidation:rule="self.purpose != 'Scratch' || !has(self.upgrade)",message="a Scratch environment is not upgraded"
type StagingEnvironmentSpec struct {
	// siteRef names the Site.
	// +required
	SiteRef LocalRef `json:"siteRef,omitzero"`
	// purpose is Staging or Training. Trial and Scratch are made by Gradus alone.
	// +required
	Purpose Purpose `json:"purpose,omitempty"`
	// planRef names the plan for which the copy is made, if any.
	// +optional
	PlanRef *PlanRef `json:"planRef,omitempty"`
	// backupRef names the SiteBackup from which the copy is made.
	// +required
	BackupRef LocalRef `json:"backupRef,omitzero"`
	// upgrade brings the copy to another version. Left out: the copy stays at the backup's version.
	// +optional
	Upgrade *UpgradeSpec `json:"upgrade,omitempty"`
	// expires is when the copy is deleted. Left out: when its owner says so.
	// +optional
	// +kubebuilder:validation:MaxLength=35
	// +kubebuilder:validation:Type=string
	// +kubebuilder:validation:Pattern=`^[0-9]{4}-[0-9]{2}-[0-9]{2}T[0-9]{2}:[0-9]{2}:[0-9]{2}(\.[0-9]+)?(Z|[+-]([01][0-9]|2[0-3]):[0-5][0-9])$`
	// +kubebuilder:validation:XValidation:rule="self.getFullYear() >= 2000",message="expires must be a moment such as 2027-01-18T20:00:00Z"
	Expires *metav1.Time `json:"expires,omitempty"`
}

// StagingEnvironmentStatus says where the copy is and what was proven of it.
type StagingEnvironmentStatus struct {
	// codeVersion is what the code in the live images says of itself, asked on the
	// copy before the first hop; empty where it does not tell.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	CodeVersion string `json:"codeVersion,omitempty"`
	// conditions are Ready (usable now), Reconciling, Stalled.
	// +optional
	// +listType=map
	// +listMapKey=type
	// +kubebuilder:validation:MaxItems=16
	Conditions []metav1.Condition `json:"conditions,omitempty"`
	// address under which the copy serves, for pods of its own namespace.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Address string `json:"address,omitempty"`
	// after are the counts of the database after the upgrade.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	After []Count `json:"after,omitempty"`
	// before are the counts of the database as it came out of the backup.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Before []Count `json:"before,omitempty"`
	// databaseImage of the server that runs the copy.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	DatabaseImage string `json:"databaseImage,omitempty"`
	// dropped lists what the live pod templates ask for and a copy does not get.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	// +kubebuilder:validation:items:MaxLength=512
	Dropped []string `json:"dropped,omitempty"`
	// findings of the checks made in the copy.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Findings []Finding `json:"findings,omitempty"`
	// hops with what they took.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=16
	Hops []HopResult `json:"hops,omitempty"`
	// namespace of the copy.
	// +optional
	// +kubebuilder:validation:MaxLength=63
	Namespace string `json:"namespace,omitempty"`
	// observedGeneration is the generation that the conditions speak of; -1 before Gradus looked.
	// +optional
	ObservedGeneration int64 `json:"observedGeneration,omitempty"`
	// parts with their measured times.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=32
	Parts []TimedPart `json:"parts,omitempty"`
	// silence says how the copy was proven silent.
	// +optional
	// +kubebuilder:validation:MaxLength=512
	Silence string `json:"silence,omitempty"`
	// steps of the environment.
	// +optional
	// +listType=atomic
	// +kubebuilder:validation:MaxItems=64
	Steps []StepStatus `json:"steps,omitempty"`
	// version that the copy serves.
	// +optional
	// +kubebuilder:validation:MaxLength=64
	Version string `json:"version,omitempty"`
}

// StagingEnvironment is an isolated copy of a site, in a namespace of its own,
// that can reach nothing and send no mail.
// A plan or a person creates it. Deleting it deletes the copy.
//
// +kubebuilder:object:root=true
// +kubebuilder:subresource:status
// +kubebuilder:resource:categories=gradus,shortName=genv
// +kubebuilder:printcolumn:name="Site",type=string,JSONPath=`.spec.siteRef.name`
// +kubebuilder:printcolumn:name="Purpose",type=string,JSONPath=`.spec.purpose`
// +kubebuilder:printcolumn:name="Version",type=string,JSONPath=`.status.version`
// +kubebuilder:printcolumn:name="Ready",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].status`
// +kubebuilder:printcolumn:name="Reason",type=string,JSONPath=`.status.conditions[?(@.type=="Ready")].reason`
// +kubebuilder:printcolumn:name="Address",type=string,JSONPath=`.status.address`
// +kubebuilder:printcolumn:name="Expires",type=string,JSONPath=`.spec.expires`
// +kubebuilder:printcolumn:name="Age",type=date,JSONPath=`.metadata.creationTimestamp`
// +kubebuilder:printcolumn:name="Message",type=string,priority=1,JSONPath=`.status.conditions[?(@.type=="Ready")].message`
type StagingEnvironment struct {
	metav1.TypeMeta `json:",inline"`
	// metadata of the object.
	// +optional
	metav1.ObjectMeta `json:"metadata,omitempty"`
	// spec is what is wanted.
	// +required
	Spec StagingEnvironmentSpec `json:"spec,omitzero"`
	// status is what Gradus saw and did.
	// +optional
	// +kubebuilder:default:={"observedGeneration":-1}
	Status StagingEnvironmentStatus `json:"status,omitempty"`
}

// StagingEnvironmentList is a list of StagingEnvironments.
// +kubebuilder:object:root=true
type StagingEnvironmentList struct {
	metav1.TypeMeta `json:",inline"`
	metav1.ListMeta `json:"metadata,omitempty"`
	Items           []StagingEnvironment `json:"items"`
}

// EnvironmentsOf gives every environment of one owner: those that its ledger knows, and
// those of earlier attempts, found by the owner's UID.
func EnvironmentsOf(ledger []StepStatus, found []StagingEnvironment) []ChildRef {
	var refs []ChildRef
	for _, entry := range ledger {
		for _, child := range entry.Children {
			if child.Kind == "StagingEnvironment" {
				refs = append(refs, child)
			}
		}
	}
	for _, env := range found {
		if !slices.ContainsFunc(refs, func(c ChildRef) bool { return c.UID == env.UID }) {
			refs = append(refs, ChildRef{
				Kind: "StagingEnvironment", Namespace: env.Namespace, Name: env.Name, UID: env.UID,
			})
		}
	}
	return refs
}
