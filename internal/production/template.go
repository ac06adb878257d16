// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"fmt"
	"slices"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// The value of field Template is {container: {image, env: {name: value}}} of
// the containers and variables that the change's After names, and of no
// others. A variable that is not there is {} (the API server drops a null inside
// of a value); one that comes from elsewhere (valueFrom) is kept as an object,
// so that undoing puts exactly it back.

// Template gives the value of field Template that a release asks for.
func Template(containers []v1alpha1.ContainerImage) map[string]any {
	out := map[string]any{}
	for _, c := range containers {
		env := map[string]any{}
		for _, e := range c.Env {
			env[e.Name] = e.Value
		}
		out[c.Name] = map[string]any{"image": c.Image, "env": env}
	}
	return out
}

// ImagesOf gives the images that a recorded value of field Template has, by container.
func ImagesOf(raw *apiextensionsv1.JSON) (map[string]string, error) {
	value, err := ValueOf(raw)
	if err != nil {
		return nil, err
	}
	out := map[string]string{}
	for name, entry := range value.object() {
		if fields, ok := entry.(map[string]any); ok {
			out[name], _ = fields["image"].(string)
		}
	}
	return out, nil
}

// container is one container of a pod template, where it was found.
type container struct {
	path  string
	image any
	env   []any
	// bare is true when there is no list of variables at all.
	bare bool
}

// asked gives what After names: the variables of each container.
func asked(c v1alpha1.Change) (map[string][]string, error) {
	after, err := ValueOf(c.After)
	if err != nil {
		return nil, err
	}
	plain, err := after.plain()
	if err != nil {
		return nil, err
	}
	out := map[string][]string{}
	containers, _ := plain.(map[string]any)
	for name, item := range containers {
		fields, _ := item.(map[string]any)
		env, _ := fields["env"].(map[string]any)
		out[name] = sortedKeys(env)
	}
	return out, nil
}

// podPath is where an object keeps the pods that it makes.
func podPath(object map[string]any) []string {
	if object["kind"] == "CronJob" {
		return []string{"spec", "jobTemplate", "spec", "template", "spec"}
	}
	return []string{"spec", "template", "spec"}
}

// locate finds a container by its name, among those that run and those that
// run before them.
func locate(object map[string]any, name string) (container, error) {
	pod := podPath(object)
	for _, list := range []string{"containers", "initContainers"} {
		items, _, err := unstructured.NestedSlice(object, append(slices.Clone(pod), list)...)
		if err != nil {
			return container{}, err
		}
		for i, item := range items {
			fields, ok := item.(map[string]any)
			if !ok || fields["name"] != name {
				continue
			}
			env, found := fields["env"].([]any)
			return container{fmt.Sprintf("%s/%s/%d", pointer(pod...), list, i), fields["image"], env, !found}, nil
		}
	}
	return container{}, fmt.Errorf("%w: no container %q", ErrNoField, name)
}

// variable gives the value of a variable, and its place in the list.
func (c container) variable(name string) (any, int) {
	for i, item := range c.env {
		fields, ok := item.(map[string]any)
		if !ok || fields["name"] != name {
			continue
		}
		if from, ok := fields["valueFrom"]; ok && from != nil {
			return map[string]any{"valueFrom": from}, i
		}
		value, _ := fields["value"].(string)
		return value, i
	}
	return map[string]any{}, -1
}

func readTemplate(object map[string]any, c v1alpha1.Change) (any, error) {
	names, err := asked(c)
	if err != nil {
		return nil, err
	}
	out := map[string]any{}
	for name, variables := range names {
		found, err := locate(object, name)
		if err != nil {
			return nil, err
		}
		env := map[string]any{}
		for _, variable := range variables {
			env[variable], _ = found.variable(variable)
		}
		out[name] = map[string]any{"image": found.image, "env": env}
	}
	return out, nil
}

func writeTemplate(object map[string]any, _ v1alpha1.Change, value any) ([]operation, error) {
	containers, _ := value.(map[string]any)
	var ops []operation
	for _, name := range sortedKeys(containers) {
		fields, _ := containers[name].(map[string]any)
		found, err := locate(object, name)
		if err != nil {
			return nil, err
		}
		ops = append(ops, test(found.path+"/name", name), test(found.path+"/image", found.image),
			replace(found.path+"/image", fields["image"]))
		env, _ := fields["env"].(map[string]any)
		ops = append(ops, writeEnv(found, env)...)
	}
	return ops, nil
}

// writeEnv replaces, then adds at the end, then removes from the end: no
// operation moves the place of a later one.
func writeEnv(found container, env map[string]any) []operation {
	var replaced, added, removed []operation
	gone := map[int]string{}
	for _, name := range sortedKeys(env) {
		item := map[string]any{"name": name}
		switch value := env[name].(type) {
		case map[string]any:
			if item["valueFrom"] = value["valueFrom"]; len(value) == 0 {
				item = nil
			}
		default:
			item["value"] = value
		}
		_, i := found.variable(name)
		at := fmt.Sprintf("%s/env/%d", found.path, i)
		switch {
		case item == nil && i >= 0:
			gone[i] = name
		case item == nil:
		case i >= 0:
			replaced = append(replaced, test(at+"/name", name), replace(at, item))
		default:
			added = append(added, add(found.path+"/env/-", item))
		}
	}
	if found.bare && len(added) > 0 {
		added = append([]operation{add(found.path+"/env", []any{})}, added...)
	}
	places := make([]int, 0, len(gone))
	for i := range gone {
		places = append(places, i)
	}
	slices.Sort(places)
	slices.Reverse(places)
	for _, i := range places {
		at := fmt.Sprintf("%s/env/%d", found.path, i)
		removed = append(removed, test(at+"/name", gone[i]), remove(at))
	}
	return slices.Concat(replaced, added, removed)
}
