// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"encoding/json"
	"slices"
	"strings"

	apiextensionsv1 "k8s.io/apiextensions-apiserver/pkg/apis/apiextensions/v1"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

// Mend gives a value as people read it, and the plain command by which a person
// writes it into a change's field.
func Mend(namespace string, c v1alpha1.Change, value *apiextensionsv1.JSON) (text, command string) {
	wanted, err := ValueOf(value)
	if err != nil {
		return "unreadable", ""
	}
	plain, err := wanted.plain()
	if err != nil {
		return "unreadable", ""
	}
	kind, patch := byHand(c, plain)
	body, err := json.Marshal(patch)
	if err != nil {
		return wanted.String(), ""
	}
	words := []string{"kubectl", "patch", strings.ToLower(c.Target.Kind), c.Target.Name}
	if !slices.Contains(clusterScoped, c.Target.Kind) {
		words = append(words, "-n", namespace)
	}
	words = append(words, "--type="+kind, "-p", "'"+strings.ReplaceAll(string(body), "'", `'\''`)+"'")
	return wanted.String(), strings.Join(words, " ")
}

// byHand gives the patch, of the kind that says it shortest.
func byHand(c v1alpha1.Change, value any) (kind string, patch any) {
	spec := func(what any) map[string]any { return map[string]any{"spec": what} }
	field := func(name string) (string, any) { return "merge", spec(map[string]any{name: value}) }
	pod := func(what string, list any) (string, any) {
		return "strategic", spec(map[string]any{"template": spec(map[string]any{what: list})})
	}
	switch c.Field {
	case v1alpha1.FieldReplicas:
		return field("replicas")
	case v1alpha1.FieldSuspend:
		return field("suspend")
	case v1alpha1.FieldMinReplicas:
		return field("minReplicas")
	case v1alpha1.FieldReclaimPolicy:
		return field("persistentVolumeReclaimPolicy")
	case v1alpha1.FieldClaimRef:
		return field("claimRef")
	case v1alpha1.FieldLabel:
		labels := map[string]any{v1alpha1.LockedByLabel: value}
		return "merge", map[string]any{"metadata": map[string]any{"labels": labels}}
	case v1alpha1.FieldClaimName:
		claim := map[string]any{"claimName": value}
		return pod("volumes", []any{map[string]any{"name": c.Key, "persistentVolumeClaim": claim}})
	case v1alpha1.FieldTemplate:
		return pod("containers", containersByHand(value))
	}
	// A merge would leave what else is in the selector.
	return "json", []operation{add("/spec/selector", value)}
}

// containersByHand writes the value of field Template as a pod has it.
func containersByHand(value any) []any {
	containers, _ := value.(map[string]any)
	var out []any
	for _, name := range sortedKeys(containers) {
		fields, _ := containers[name].(map[string]any)
		container := map[string]any{"name": name, "image": fields["image"]}
		env, _ := fields["env"].(map[string]any)
		var list []any
		for _, variable := range sortedKeys(env) {
			entry := map[string]any{"name": variable}
			switch v := env[variable].(type) {
			case string:
				entry["value"] = v
			case map[string]any:
				if entry["valueFrom"] = v["valueFrom"]; v["valueFrom"] == nil {
					entry = map[string]any{"name": variable, "$patch": "delete"}
				}
			}
			list = append(list, entry)
		}
		if list != nil {
			container["env"] = list
		}
		out = append(out, container)
	}
	return out
}
