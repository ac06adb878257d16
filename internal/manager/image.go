// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package manager

import (
	"context"
	"errors"
	"fmt"

	metav1 "k8s.io/apimachinery/pkg/apis/meta/v1"
	"k8s.io/client-go/kubernetes"
	"k8s.io/client-go/rest"
)

// ownImage reads the image of the manager's own pod: Jobs run the same.
func ownImage(ctx context.Context, config *rest.Config, namespace, pod string) (string, error) {
	if pod == "" {
		return "", errors.New("find own image: POD_NAME is not set; give --image")
	}
	clients, err := kubernetes.NewForConfig(config)
	if err != nil {
		return "", fmt.Errorf("find own image: %w", err)
	}
	self, err := clients.CoreV1().Pods(namespace).Get(ctx, pod, metav1.GetOptions{})
	if err != nil {
		return "", fmt.Errorf("find own image: %w; give --image", err)
	}
	return self.Spec.Containers[0].Image, nil
}
