// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package v1alpha1

import (
	"k8s.io/apimachinery/pkg/runtime"
	"k8s.io/apimachinery/pkg/runtime/schema"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
)

// GroupVersion is the API group and version of every kind of Gradus.
var GroupVersion = schema.GroupVersion{Group: "lms.gradus.dev", Version: "v1alpha1"}

var schemeBuilder = runtime.NewSchemeBuilder(func(s *runtime.Scheme) error {
	s.AddKnownTypes(GroupVersion,
		&Site{}, &SiteList{},
		&UpgradePlan{}, &UpgradePlanList{},
		&SiteBackup{}, &SiteBackupList{},
		&TrialUpgrade{}, &TrialUpgradeList{},
		&StagingEnvironment{}, &StagingEnvironmentList{},
		&GoLive{}, &GoLiveList{},
		&Rollback{}, &RollbackList{},
		&UpgradeApproval{}, &UpgradeApprovalList{},
	)
	metav1.AddToGroupVersion(s, GroupVersion)
	return nil
})

// AddToScheme makes the kinds of Gradus known to a scheme.
var AddToScheme = schemeBuilder.AddToScheme
