// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"encoding/json"
	"testing"

	jsonpatch "github.com/evanphx/json-patch/v5"
	"github.com/google/go-cmp/cmp"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/yaml"

	"github.com/gradus-lms/gradus/api/v1alpha1"
)

const deploymentYAML = `
apiVersion: apps/v1
kind: Deployment
metadata: {name: web, namespace: campus, uid: u1, resourceVersion: "7", annotations: {team: lms}}
spec:
  replicas: 3
  template:
    spec:
      initContainers:
      - {name: copy, image: "campus:1.0"}
      containers:
      - name: app
        image: "campus:1.0"
        env:
        - {name: FIRST, value: one}
        - {name: OLD, value: old}
        - {name: SECRET, valueFrom: {secretKeyRef: {name: s, key: k}}}
        - {name: LAST, value: last}
      - {name: static, image: "campus:1.0"}
      volumes:
      - {name: tmp, emptyDir: {}}
      - {name: files, persistentVolumeClaim: {claimName: campus-files}}
`

func parse(t *testing.T, text string) *unstructured.Unstructured {
	t.Helper()
	object := &unstructured.Unstructured{}
	raw, err := yaml.YAMLToJSON([]byte(text))
	if err != nil {
		t.Fatal(err)
	}
	if err := object.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return object
}

func applyPatch(t *testing.T, object *unstructured.Unstructured, ops []operation) *unstructured.Unstructured {
	t.Helper()
	body, err := json.Marshal(ops)
	if err != nil {
		t.Fatal(err)
	}
	patch, err := jsonpatch.DecodePatch(body)
	if err != nil {
		t.Fatal(err)
	}
	raw, err := object.MarshalJSON()
	if err != nil {
		t.Fatal(err)
	}
	if raw, err = patch.Apply(raw); err != nil {
		t.Fatalf("apply %s: %v", body, err)
	}
	out := &unstructured.Unstructured{}
	if err := out.UnmarshalJSON(raw); err != nil {
		t.Fatal(err)
	}
	return out
}

type fieldCase struct {
	object, kind string
	field        v1alpha1.ChangeField
	key          string
	before       string
	after        any
}

// fieldCases has a change of every field.
var fieldCases = map[string]fieldCase{
	"replicas of a Deployment": {deploymentYAML, "Deployment", v1alpha1.FieldReplicas, "", `3`, 0},
	"selector of a Service": {`{apiVersion: v1, kind: Service, metadata: {name: web, uid: u1, resourceVersion: "1"},
		spec: {selector: {app: web, tier: front}}}`, "Service", v1alpha1.FieldSelector, "",
		`{"app":"web","tier":"front"}`, map[string]string{"holding": "campus"}},
	"a Service without a selector": {`{apiVersion: v1, kind: Service, metadata: {name: web, uid: u1, resourceVersion: "1"},
		spec: {ports: []}}`, "Service", v1alpha1.FieldSelector, "", ``, map[string]string{"holding": "campus"}},
	"a claim's name": {deploymentYAML, "Deployment", v1alpha1.FieldClaimName, "files", `"campus-files"`, "campus-files-r1"},
	"a volume's claim": {`{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv, uid: u1, resourceVersion: "1"},
		spec: {claimRef: {apiVersion: v1, kind: PersistentVolumeClaim, namespace: campus, name: a}}}`,
		"PersistentVolume", v1alpha1.FieldClaimRef, "", `{"name":"a","namespace":"campus"}`,
		map[string]string{"namespace": "campus", "name": "b"}},
	"a reclaim policy": {`{apiVersion: v1, kind: PersistentVolume, metadata: {name: pv, uid: u1, resourceVersion: "1"},
		spec: {persistentVolumeReclaimPolicy: Delete}}`, "PersistentVolume", v1alpha1.FieldReclaimPolicy, "", `"Delete"`, "Retain"},
	"a CronJob that never was suspended": {`{apiVersion: batch/v1, kind: CronJob, metadata: {name: c, uid: u1,
		resourceVersion: "1"}, spec: {schedule: "* * * * *"}}`, "CronJob", v1alpha1.FieldSuspend, "", ``, true},
	"an autoscaler's floor": {`{apiVersion: autoscaling/v2, kind: HorizontalPodAutoscaler, metadata: {name: h, uid: u1,
		resourceVersion: "1"}, spec: {minReplicas: 2}}`, "HorizontalPodAutoscaler", v1alpha1.FieldMinReplicas, "", `2`, 8},
	"the lock label": {`{apiVersion: v1, kind: Namespace, metadata: {name: campus, uid: u1, resourceVersion: "1",
		labels: {team: lms}}}`, "Namespace", v1alpha1.FieldLabel, "", ``, "campus-golive-1"},
	"the lock label of a namespace without labels": {`{apiVersion: v1, kind: Namespace, metadata: {name: campus, uid: u1,
		resourceVersion: "1", labels: {}}}`, "Namespace", v1alpha1.FieldLabel, "", ``, "campus-golive-1"},
	"image and environment: set, added, from a Secret": {
		deploymentYAML, "Deployment", v1alpha1.FieldTemplate, "",
		`{"app":{"env":{"OLD":"old","SECRET":{"valueFrom":{"secretKeyRef":{"key":"k","name":"s"}}}},"image":"campus:1.0"},` +
			`"static":{"env":{"DOCUMENT_ROOT":{}},"image":"campus:1.0"}}`,
		Template([]v1alpha1.ContainerImage{
			{Name: "app", Image: "campus:2.0", Env: []v1alpha1.EnvValue{{Name: "OLD", Value: "new"}, {Name: "SECRET", Value: "x"}}},
			{Name: "static", Image: "campus:2.0", Env: []v1alpha1.EnvValue{{Name: "DOCUMENT_ROOT", Value: "/srv/public"}}},
		}),
	},
	"variables that go": {
		deploymentYAML, "Deployment", v1alpha1.FieldTemplate, "",
		`{"app":{"env":{"FIRST":"one","LAST":"last"},"image":"campus:1.0"}}`,
		map[string]any{"app": map[string]any{"image": "campus:1.0", "env": map[string]any{"FIRST": map[string]any{}, "LAST": map[string]any{}}}},
	},
	"the image of an init container": {
		deploymentYAML, "Deployment", v1alpha1.FieldTemplate, "",
		`{"copy":{"env":{},"image":"campus:1.0"}}`, Template([]v1alpha1.ContainerImage{{Name: "copy", Image: "campus:2.0"}}),
	},
}

// Every field: what is read, that the patch writes it and leaves a note, and
// that undoing gives back the very object that was there.
func TestEveryFieldIsReadWrittenAndPutBack(t *testing.T) {
	tests := fieldCases
	for name, test := range tests {
		t.Run(name, func(t *testing.T) {
			object := parse(t, test.object)
			change := Want("c", test.kind, object.GetName(), test.field, test.key, test.after, v1alpha1.UndoUntilCommit)
			before, err := Read(object, change)
			if err != nil {
				t.Fatal(err)
			}
			if string(before) != test.before {
				t.Fatalf("read %s, want %s", before, test.before)
			}
			change.Before = before.Record()
			after, _ := ValueOf(change.After)
			note := noteOf("GoLive/g/1", 3, 0, change)
			ops, err := Patch(object, change, after, with(Notes(object), note))
			if err != nil {
				t.Fatal(err)
			}
			changed := applyPatch(t, object, ops)
			if got := Stand(change, observedIn(t, changed, change)); got != StandsAfter {
				t.Fatalf("after the patch it stands %s: %s", got, observedIn(t, changed, change).Value)
			}
			recovered, err := Notes(changed)[0].Change(changed)
			if err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(change.Before, recovered.Before); diff != "" {
				t.Errorf("the note does not tell the value before:\n%s", diff)
			}
			if ops, err = Patch(changed, recovered, before, without(Notes(changed), "c")); err != nil {
				t.Fatal(err)
			}
			if diff := cmp.Diff(object.Object, tidy(applyPatch(t, changed, ops)).Object); diff != "" && !ordered(object, ops) {
				t.Errorf("undoing does not give the object back:\n%s", diff)
			}
		})
	}
}

// tidy drops the empty maps and lists that adding to a missing one leaves.
func tidy(object *unstructured.Unstructured) *unstructured.Unstructured {
	if len(object.GetAnnotations()) == 0 {
		unstructured.RemoveNestedField(object.Object, "metadata", "annotations")
	}
	containers, _, _ := unstructured.NestedSlice(object.Object, "spec", "template", "spec", "containers")
	for _, c := range containers {
		if env, ok := c.(map[string]any)["env"].([]any); ok && len(env) == 0 {
			delete(c.(map[string]any), "env")
		}
	}
	if containers != nil {
		_ = unstructured.SetNestedSlice(object.Object, containers, "spec", "template", "spec", "containers")
	}
	return object
}

// ordered tells that variables came back at the end of their list, which for
// them means the same.
func ordered(_ *unstructured.Unstructured, ops []operation) bool {
	for _, op := range ops {
		if path, _ := op["path"].(string); op["op"] == "add" && len(path) > 6 && path[len(path)-6:] == "/env/-" {
			return true
		}
	}
	return false
}

func observedIn(t *testing.T, object *unstructured.Unstructured, c v1alpha1.Change) Observed {
	t.Helper()
	value, err := Read(object, c)
	if err != nil {
		t.Fatal(err)
	}
	return Observed{Object: object, Value: value}
}

func TestTheTableOfFieldsIsClosed(t *testing.T) {
	for name, c := range map[string]v1alpha1.Change{
		"a field of another kind": Want("c", "Service", "web", v1alpha1.FieldReplicas, "", 0, v1alpha1.UndoNever),
		"a field that is none":    Want("c", "Deployment", "web", "Command", "", "x", v1alpha1.UndoNever),
		"a value that JSON lacks": Want("c", "Deployment", "web", v1alpha1.FieldReplicas, "", func() {}, v1alpha1.UndoNever),
	} {
		if _, err := Read(parse(t, deploymentYAML), c); err == nil {
			t.Errorf("%s: not refused", name)
		}
	}
	missing := Want("c", "Deployment", "web", v1alpha1.FieldTemplate, "",
		Template([]v1alpha1.ContainerImage{{Name: "nginx", Image: "x"}}), v1alpha1.UndoNever)
	if _, err := Read(parse(t, deploymentYAML), missing); err == nil {
		t.Error("a container that is not there: not refused")
	}
}
