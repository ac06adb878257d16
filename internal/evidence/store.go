// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package evidence

import (
	"bytes"
	"context"
	"crypto/sha256"
	"encoding/hex"
	"fmt"
	"maps"
	"regexp"
	"slices"
	"strconv"
	"strings"
	"time"

	batchv1 "k8s.io/api/batch/v1"
	corev1 "k8s.io/api/core/v1"
	apierrors "k8s.io/apimachinery/pkg/api/errors"
	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/utils/ptr"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/internal/pipeline"
)

// Annotations of a kept document.
const (
	digestAnnotation = "lms.gradus.dev/digest"
	sizeAnnotation   = "lms.gradus.dev/size"
)

// Keep writes every document of a finished Job to an immutable ConfigMap in
// the owner's namespace.
func (r Reader) Keep(
	ctx context.Context, owner pipeline.Owner, step string, job *batchv1.Job, o pipeline.JobOutcome,
) ([]v1alpha1.Evidence, error) {
	var kept []v1alpha1.Evidence
	for _, name := range slices.Sorted(maps.Keys(o.Documents)) {
		e, err := r.store(ctx, owner, step, job.Name, name, o.Documents[name])
		if err != nil {
			return nil, err
		}
		kept = append(kept, e)
	}
	return kept, nil
}

// Store keeps one document that Gradus wrote itself, once for each attempt of
// a step. Such a document tells the time: whoever comes again after a crash
// would write another one, so what is there already is the document.
func (r Reader) Store(
	ctx context.Context, owner pipeline.Owner, entry *v1alpha1.StepStatus, name string, content []byte,
) (v1alpha1.Evidence, error) {
	object := pipeline.Name(owner, strings.ToLower(entry.Name), entry.Key, max(entry.Attempt, 1)) + "-" + slug(name)
	cm := document(owner, entry.Name, object, name, content)
	err := r.Client.Create(ctx, cm)
	if !apierrors.IsAlreadyExists(err) {
		return evidenceOf(cm, name), created(cm, err)
	}
	have := &corev1.ConfigMap{}
	if err = r.Client.Get(ctx, client.ObjectKeyFromObject(cm), have); err == nil && !wrote(have, cm, name) {
		err = pipeline.ErrNameConflict
	}
	return evidenceOf(have, name), created(cm, err)
}

func created(cm *corev1.ConfigMap, err error) error {
	if err != nil {
		return fmt.Errorf("create ConfigMap %s: %w", cm.Name, err)
	}
	return nil
}

// wrote says whether a ConfigMap is what an earlier life of ours wrote: by the
// labels, which admission guards, and by its digest.
func wrote(have, want *corev1.ConfigMap, name string) bool {
	sum := sha256.Sum256(have.BinaryData[name])
	clipped := len(have.BinaryData[name]) == largest
	return ptr.Deref(have.Immutable, false) && len(have.BinaryData) == 1 && len(have.Data) == 0 &&
		have.Labels[v1alpha1.OwnerUIDLabel] == want.Labels[v1alpha1.OwnerUIDLabel] &&
		(clipped || have.Annotations[digestAnnotation] == "sha256:"+hex.EncodeToString(sum[:]))
}

// unfit are characters that the name of an object cannot have.
var unfit = regexp.MustCompile(`[^a-z0-9.-]+`)

// besideDot: between two dots of a name there is a letter or a digit.
var besideDot = regexp.MustCompile(`[-.]+\.[-.]*|\.[-.]+`)

func slug(name string) string {
	name = unfit.ReplaceAllString(strings.ToLower(name), "-")
	return strings.Trim(besideDot.ReplaceAllString(name, "-"), "-.")
}

// store keeps one document of a Job. The digest in the name makes the write
// idempotent: the same document is the same object.
func (r Reader) store(
	ctx context.Context, owner pipeline.Owner, step, prefix, name string, content []byte,
) (v1alpha1.Evidence, error) {
	sum := sha256.Sum256(content)
	cm := document(owner, step, clip(prefix)+"-"+hex.EncodeToString(sum[:])[:10], name, content)
	err := r.Client.Create(ctx, cm)
	if apierrors.IsAlreadyExists(err) {
		err = r.same(ctx, cm)
	}
	return evidenceOf(cm, name), created(cm, err)
}

// document is the immutable ConfigMap of a document; of a very large one, its end.
func document(owner pipeline.Owner, step, object, name string, content []byte) *corev1.ConfigMap {
	sum, size := sha256.Sum256(content), len(content)
	if size > largest {
		content = content[size-largest:]
	}
	return &corev1.ConfigMap{
		ObjectMeta: metav1.ObjectMeta{
			Namespace: owner.GetNamespace(), Name: object,
			Labels: map[string]string{
				v1alpha1.OwnerUIDLabel: string(owner.GetUID()), v1alpha1.OwnerKindLabel: owner.OwnerKind(),
				v1alpha1.StepLabel: step,
			},
			Annotations: map[string]string{
				"lms.gradus.dev/document": name, digestAnnotation: "sha256:" + hex.EncodeToString(sum[:]),
				sizeAnnotation: strconv.Itoa(size), "lms.gradus.dev/kept": time.Now().UTC().Format(time.RFC3339),
			},
		},
		Immutable:  ptr.To(true),
		BinaryData: map[string][]byte{name: content},
	}
}

func evidenceOf(cm *corev1.ConfigMap, name string) v1alpha1.Evidence {
	size, _ := strconv.ParseInt(cm.Annotations[sizeAnnotation], 10, 64)
	return v1alpha1.Evidence{Name: name, Digest: cm.Annotations[digestAnnotation], Size: size, ConfigMap: cm.Name}
}

// same says whether what has the name already is the document, and ours: admission guards
// those labels. A stranger could have made it first, and what is theirs they can delete.
func (r Reader) same(ctx context.Context, want *corev1.ConfigMap) error {
	var have corev1.ConfigMap
	if err := r.Client.Get(ctx, client.ObjectKeyFromObject(want), &have); err != nil {
		return err
	}
	ours := have.Labels[v1alpha1.OwnerUIDLabel] == want.Labels[v1alpha1.OwnerUIDLabel]
	if !ours || !ptr.Deref(have.Immutable, false) || !maps.EqualFunc(have.BinaryData, want.BinaryData, bytes.Equal) {
		return pipeline.ErrNameConflict
	}
	return nil
}

func clip(s string) string {
	const bound = 200
	return strings.TrimRight(s[:min(len(s), bound)], "-.")
}
