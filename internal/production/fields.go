// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"errors"
	"fmt"
	"slices"

	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"k8s.io/apimachinery/pkg/runtime/schema"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// ErrNoField says that the live object has no place for the value (no such container,
// no such volume). A person must repair the Site or the plan.
var ErrNoField = errors.New("the object has no such field")

// kinds of objects that Gradus may change. The list is closed.
var kinds = map[string]schema.GroupVersionKind{
	"Deployment":              {Group: "apps", Version: "v1", Kind: "Deployment"},
	"StatefulSet":             {Group: "apps", Version: "v1", Kind: "StatefulSet"},
	"Service":                 {Version: "v1", Kind: "Service"},
	"CronJob":                 {Group: "batch", Version: "v1", Kind: "CronJob"},
	"HorizontalPodAutoscaler": {Group: "autoscaling", Version: "v2", Kind: "HorizontalPodAutoscaler"},
	"PersistentVolume":        {Version: "v1", Kind: "PersistentVolume"},
	"Namespace":               {Version: "v1", Kind: "Namespace"},
}

// clusterScoped kinds have no namespace.
var clusterScoped = []string{"PersistentVolume", "Namespace"}

// access says how one field is read and written.
type access struct {
	kinds []string
	// read gives the value of the field in a live object.
	read func(object map[string]any, c v1alpha1.Change) (any, error)
	// write gives the operations that put value there, testing what is there now.
	write func(object map[string]any, c v1alpha1.Change, value any) ([]operation, error)
}

// fields that Gradus may change. The table is closed: what is not here cannot
// be written, whatever a step asks for.
var fields = map[v1alpha1.ChangeField]access{
	v1alpha1.FieldReplicas:      plainField([]string{"Deployment", "StatefulSet"}, "spec", "replicas"),
	v1alpha1.FieldTemplate:      {[]string{"Deployment", "StatefulSet", "CronJob"}, readTemplate, writeTemplate},
	v1alpha1.FieldSelector:      plainField([]string{"Service"}, "spec", "selector"),
	v1alpha1.FieldClaimName:     {[]string{"Deployment"}, readClaimName, writeClaimName},
	v1alpha1.FieldClaimRef:      {[]string{"PersistentVolume"}, readClaimRef, writeClaimRef},
	v1alpha1.FieldReclaimPolicy: plainField([]string{"PersistentVolume"}, "spec", "persistentVolumeReclaimPolicy"),
	v1alpha1.FieldSuspend:       plainField([]string{"CronJob"}, "spec", "suspend"),
	v1alpha1.FieldMinReplicas:   plainField([]string{"HorizontalPodAutoscaler"}, "spec", "minReplicas"),
	v1alpha1.FieldLabel:         plainField([]string{"Namespace"}, "metadata", "labels", v1alpha1.LockedByLabel),
}

// accessTo gives the way to a change's field, or refuses.
func accessTo(c v1alpha1.Change) (access, error) {
	a, ok := fields[c.Field]
	if !ok || !slices.Contains(a.kinds, c.Target.Kind) {
		return access{}, fmt.Errorf("change %s: field %s of a %s is not one that Gradus may write",
			c.ID, c.Field, c.Target.Kind)
	}
	return a, nil
}

// Read gives the value of a change's field in a live object.
func Read(object *unstructured.Unstructured, c v1alpha1.Change) (Value, error) {
	a, err := accessTo(c)
	if err != nil {
		return nil, err
	}
	v, err := a.read(object.Object, c)
	if err != nil {
		return nil, fmt.Errorf("read %s of %s %s: %w", c.Field, c.Target.Kind, c.Target.Name, err)
	}
	return NewValue(v)
}

// plainField is a field with a path of its own; null means absent.
func plainField(of []string, path ...string) access {
	return access{
		kinds: of,
		read: func(object map[string]any, _ v1alpha1.Change) (any, error) {
			v, _, err := unstructured.NestedFieldNoCopy(object, path...)
			return v, err
		},
		write: func(object map[string]any, _ v1alpha1.Change, value any) ([]operation, error) {
			return setPath(object, path, value)
		},
	}
}

// setPath gives the operations that put a value at a path.
func setPath(object map[string]any, path []string, value any) ([]operation, error) {
	var ops []operation
	for depth := 1; depth < len(path); depth++ {
		if _, found, err := unstructured.NestedFieldNoCopy(object, path[:depth]...); err != nil {
			return nil, err
		} else if !found {
			ops = append(ops, add(pointer(path[:depth]...), map[string]any{}))
		}
	}
	now, found, err := unstructured.NestedFieldNoCopy(object, path...)
	if err != nil {
		return nil, err
	}
	at := pointer(path...)
	switch {
	case found && value == nil:
		return append(ops, test(at, now), remove(at)), nil
	case found:
		return append(ops, test(at, now), replace(at, value)), nil
	case value == nil:
		return nil, nil
	}
	return append(ops, add(at, value)), nil
}

// A claimRef's value is the claim's place; UID and resourceVersion are filled
// in by the controller that binds.
func readClaimRef(object map[string]any, _ v1alpha1.Change) (any, error) {
	ref, found, err := unstructured.NestedMap(object, "spec", "claimRef")
	if err != nil || !found {
		return nil, err
	}
	return map[string]any{"namespace": ref["namespace"], "name": ref["name"]}, nil
}

func writeClaimRef(object map[string]any, _ v1alpha1.Change, value any) ([]operation, error) {
	if ref, ok := value.(map[string]any); ok {
		value = map[string]any{"apiVersion": "v1", "kind": "PersistentVolumeClaim",
			"namespace": ref["namespace"], "name": ref["name"]}
	}
	return setPath(object, []string{"spec", "claimRef"}, value)
}

// claimVolume finds the volume that a change names by its key.
func claimVolume(object map[string]any, c v1alpha1.Change) (int, map[string]any, error) {
	volumes, _, err := unstructured.NestedSlice(object, "spec", "template", "spec", "volumes")
	if err != nil {
		return 0, nil, err
	}
	for i, item := range volumes {
		volume, ok := item.(map[string]any)
		if ok && volume["name"] == c.Key && volume["persistentVolumeClaim"] != nil {
			return i, volume, nil
		}
	}
	return 0, nil, fmt.Errorf("%w: no volume %q with a claim", ErrNoField, c.Key)
}

func readClaimName(object map[string]any, c v1alpha1.Change) (any, error) {
	_, volume, err := claimVolume(object, c)
	if err != nil {
		return nil, err
	}
	name, _, err := unstructured.NestedString(volume, "persistentVolumeClaim", "claimName")
	return name, err
}

func writeClaimName(object map[string]any, c v1alpha1.Change, value any) ([]operation, error) {
	i, volume, err := claimVolume(object, c)
	if err != nil {
		return nil, err
	}
	base := fmt.Sprintf("/spec/template/spec/volumes/%d", i)
	now, _, err := unstructured.NestedString(volume, "persistentVolumeClaim", "claimName")
	if err != nil {
		return nil, err
	}
	return []operation{test(base+"/name", c.Key), test(base+"/persistentVolumeClaim/claimName", now),
		replace(base+"/persistentVolumeClaim/claimName", value)}, nil
}
