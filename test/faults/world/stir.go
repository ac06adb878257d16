// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package world

import (
	"fmt"
	"strings"

	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// kinds gives an empty list of every kind that has a reconciler.
func kinds() []client.ObjectList {
	return []client.ObjectList{
		&v1alpha1.UpgradePlanList{}, &v1alpha1.SiteBackupList{}, &v1alpha1.TrialUpgradeList{},
		&v1alpha1.StagingEnvironmentList{}, &v1alpha1.GoLiveList{}, &v1alpha1.RollbackList{}, &v1alpha1.SiteList{},
	}
}

// stir wakes the reconcilers of objects that were changed or deleted since they
// were last looked at: an object's own watch tells of that, whatever else was read.
func (w *World) stir() {
	if w.looked == nil {
		w.looked = map[string]string{}
	}
	for _, list := range kinds() {
		kind := strings.TrimSuffix(fmt.Sprintf("%T", list), "List")
		kind = kind[strings.LastIndex(kind, ".")+1:]
		w.List(list)
		for _, item := range itemsOf(list) {
			id := kind + "/" + item.GetName()
			if w.looked[id] == item.GetResourceVersion() {
				continue
			}
			w.looked[id] = item.GetResourceVersion()
			for _, p := range w.procs {
				delete(p.idle, id)
			}
		}
	}
}
