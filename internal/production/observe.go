// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package production

import (
	"context"
	"encoding/json"
	"errors"
	"fmt"
	"slices"

	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/apimachinery/pkg/apis/meta/v1/unstructured"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/message"
)

// FieldOwner is the field manager of every write to production.
const FieldOwner = "gradus-production"

// Observed is a change's target as it is now.
type Observed struct {
	// Object is nil when the target is gone.
	Object *unstructured.Unstructured
	Value  Value
	// NoField says why the object has no place for the value any more.
	NoField error
}

// writable says whether there is an object with a place for the value.
func (o Observed) writable() bool { return o.Object != nil && o.NoField == nil }

// Standing says what a live value means to a change.
type Standing string

// Standings.
const (
	// StandsAfter: the change is made.
	StandsAfter Standing = "After"
	// StandsBefore: the change is not made, or was put back.
	StandsBefore Standing = "Before"
	// StandsForeign: the object is another, gone, or has a third value.
	StandsForeign Standing = "Foreign"
)

// Stand says where a change stands, by the live value alone.
func Stand(c v1alpha1.Change, o Observed) Standing {
	if o.Object == nil || o.NoField != nil || c.Target.UID != "" && o.Object.GetUID() != c.Target.UID {
		return StandsForeign
	}
	after, err := ValueOf(c.After)
	if err == nil && o.Value.Equal(after) {
		return StandsAfter
	}
	before, err := ValueOf(c.Before)
	if err == nil && o.Value.Equal(before) {
		return StandsBefore
	}
	return StandsForeign
}

// Rival names who wrote a third value, for people.
func Rival(c v1alpha1.Change, o Observed) string {
	switch {
	case o.Object == nil:
		return "whoever deleted the object"
	case c.Target.UID != "" && o.Object.GetUID() != c.Target.UID:
		return "whoever made the object anew"
	case o.NoField != nil:
		return o.NoField.Error()
	}
	return lastManager(o.Object, managed[c.Field])
}

// managed is where managedFields keep a field.
var managed = map[v1alpha1.ChangeField][]string{
	v1alpha1.FieldReplicas:      {"f:spec", "f:replicas"},
	v1alpha1.FieldTemplate:      {"f:spec", "f:template", "f:spec"},
	v1alpha1.FieldSelector:      {"f:spec", "f:selector"},
	v1alpha1.FieldClaimName:     {"f:spec", "f:template", "f:spec", "f:volumes"},
	v1alpha1.FieldClaimRef:      {"f:spec", "f:claimRef"},
	v1alpha1.FieldReclaimPolicy: {"f:spec", "f:persistentVolumeReclaimPolicy"},
	v1alpha1.FieldSuspend:       {"f:spec", "f:suspend"},
	v1alpha1.FieldMinReplicas:   {"f:spec", "f:minReplicas"},
	v1alpha1.FieldLabel:         {"f:metadata", "f:labels", "f:" + v1alpha1.LockedByLabel},
}

// lastManager names the latest field manager, other than ours, that holds a path.
func lastManager(object *unstructured.Unstructured, path []string) string {
	name, at := "", metav1.Time{}
	for _, entry := range object.GetManagedFields() {
		if entry.Manager == FieldOwner || entry.FieldsV1 == nil || !holds(entry.FieldsV1.GetRawBytes(), path) {
			continue
		}
		if name == "" || entry.Time != nil && at.Before(entry.Time) {
			name = entry.Manager
			if entry.Time != nil {
				at = *entry.Time
			}
		}
	}
	if name == "" {
		return "an unknown writer"
	}
	return message.Clip(name, message.Line)
}

func holds(raw []byte, path []string) bool {
	for _, part := range path {
		var level map[string]json.RawMessage
		if json.Unmarshal(raw, &level) != nil || level[part] == nil {
			return false
		}
		raw = level[part]
	}
	return true
}

// Observe reads the target of a change past every cache.
func Observe(ctx context.Context, live client.Reader, namespace string, c v1alpha1.Change) (Observed, error) {
	gvk, ok := kinds[c.Target.Kind]
	if !ok {
		return Observed{}, fmt.Errorf("change %s: a %s is not an object that Gradus may write", c.ID, c.Target.Kind)
	}
	object := &unstructured.Unstructured{}
	object.SetGroupVersionKind(gvk)
	key := client.ObjectKey{Namespace: namespace, Name: c.Target.Name}
	if slices.Contains(clusterScoped, c.Target.Kind) {
		key.Namespace = ""
	}
	err := live.Get(ctx, key, object)
	if apierrors.IsNotFound(err) {
		return Observed{}, nil
	}
	if err != nil {
		return Observed{}, fmt.Errorf("get %s %s: %w", c.Target.Kind, c.Target.Name, err)
	}
	value, err := Read(object, c)
	if errors.Is(err, ErrNoField) {
		return Observed{Object: object, NoField: err}, nil
	}
	return Observed{Object: object, Value: value}, err
}

// ObserveAll reads the targets of all changes, in their order.
func ObserveAll(
	ctx context.Context, live client.Reader, namespace string, changes []v1alpha1.Change,
) ([]Observed, error) {
	out := make([]Observed, len(changes))
	for i, c := range changes {
		var err error
		if out[i], err = Observe(ctx, live, namespace, c); err != nil {
			return nil, err
		}
	}
	return out, nil
}
