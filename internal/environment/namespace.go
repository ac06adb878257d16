// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package environment

import (
	corev1 "k8s.io/api/core/v1"
	"k8s.io/apimachinery/pkg/api/resource"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/internal/pipeline"
	"github.com/gradus-lms/gradus/internal/workload"
)

var makeNamespace = pipeline.Step[View]{
	Name: "MakeNamespace",
	Create: func(v View, _ pipeline.At) []client.Object {
		return []client.Object{workload.Namespace(v.namespace(), v.purpose(), v.Site.Spec.Copies.PodSecurity)}
	},
	Judge: func(v View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		ns, ok := pipeline.First[*corev1.Namespace](seen)
		switch {
		case !ok || ns == nil:
			return pipeline.Wait("MakingNamespace", "making namespace %s", v.namespace())
		case ns.DeletionTimestamp != nil:
			return pipeline.Fail("NamespaceGone", "namespace %s is being deleted", ns.Name)
		}
		return pipeline.Pass("namespace %s", ns.Name)
	},
	Record: func(v View, _ pipeline.At, _ pipeline.Seen) { v.Env.Status.Namespace = v.namespace() },
}

var bindRights = pipeline.Step[View]{
	Name: "BindRights",
	Create: func(v View, _ pipeline.At) []client.Object {
		return []client.Object{workload.Binding(v.namespace(), v.Install.Account, v.Install.Namespace)}
	},
	Judge: made("the manager may work in the copy"),
}

// closeNetwork stands before the first pod and the first claim.
var closeNetwork = pipeline.Step[View]{
	Name: "CloseNetwork",
	Create: func(v View, _ pipeline.At) []client.Object {
		var storage resource.Quantity
		for _, source := range v.Sources {
			size, err := resource.ParseQuantity(source.Ref.Capacity)
			if err == nil {
				storage.Add(size)
			}
		}
		return []client.Object{workload.Closed(v.namespace()), workload.Quota(v.namespace(), storage)}
	},
	Judge: made("nothing goes in or out"),
}

// made passes when everything that was asked for was seen to exist.
func made(message string) func(View, pipeline.At, pipeline.Seen) pipeline.Verdict {
	return func(_ View, _ pipeline.At, seen pipeline.Seen) pipeline.Verdict {
		for _, obj := range seen.Objects {
			if obj == nil {
				return pipeline.Wait("Making", "making the objects of this step").By(seen.Now)
			}
		}
		return pipeline.Pass("%s", message)
	}
}
