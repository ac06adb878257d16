// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	"slices"

	corev1 "k8s.io/api/core/v1"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
)

// copySettings brings what the LMS reads at start. The database's passwords
// are new: nothing in a copy can sign in to the live server.
var copySettings = pipeline.Step[View]{
	Name: "CopySettings",
	Create: func(v View, _ pipeline.At) []client.Object {
		var objects []client.Object
		for _, secret := range v.Secrets {
			objects = append(objects, &corev1.Secret{
				ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace(), Name: secret.Name},
				Type:       secret.Type, Data: secret.Data, Immutable: ptr.To(true),
			})
		}
		for _, cm := range v.ConfigMaps {
			objects = append(objects, &corev1.ConfigMap{
				ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace(), Name: cm.Name},
				Data:       cm.Data, BinaryData: cm.BinaryData, Immutable: ptr.To(true),
			})
		}
		database := v.Site.Spec.Database
		return append(objects,
			v.credentials(database.OwnerSecretRef.Name, database.GetOwnerRole()),
			v.credentials(database.ReaderSecretRef.Name, database.GetReaderRole()))
	},
	Judge: made("the copy has its settings, and passwords of its own"),
}

func (v View) credentials(name, role string) *corev1.Secret {
	return &corev1.Secret{
		ObjectMeta: metav1.ObjectMeta{Namespace: v.namespace(), Name: name},
		Type:       corev1.SecretTypeOpaque, Immutable: ptr.To(true),
		Data: map[string][]byte{"username": []byte(role), "password": []byte(v.password(role))},
	}
}

// secrets gives the names of the Secrets that exist in the copy.
func (v View) secrets() []string {
	names := []string{v.Site.Spec.Database.OwnerSecretRef.Name, v.Site.Spec.Database.ReaderSecretRef.Name}
	for _, secret := range v.Secrets {
		names = append(names, secret.Name)
	}
	slices.Sort(names)
	return names
}

// configMaps gives the names of the ConfigMaps that exist in the copy.
func (v View) configMaps() []string {
	var names []string
	for _, cm := range v.ConfigMaps {
		names = append(names, cm.Name)
	}
	return names
}
