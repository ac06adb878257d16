// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"embed"
	"fmt"
	"os"
	"path/filepath"
	"text/template"
)

//go:embed files
var files embed.FS

// settings is what the configuration files may ask for.
type settings struct {
	Layout
	PodCIDR, DNS, Node string
}

// configFiles maps each template to its place below the state folder.
var configFiles = map[string]string{
	"kubelet.yaml":    "config/kubelet.yaml",
	"kube-proxy.yaml": "config/kube-proxy.yaml",
	"containerd.toml": "config/containerd.toml",
	"audit.yaml":      "config/audit.yaml",
	"cni.conflist":    "config/cni/10-pods.conflist",
}

func writeConfigFiles(l Layout) error {
	values := settings{Layout: l, PodCIDR: podCIDR, DNS: serviceDNS, Node: nodeName}
	for name, place := range configFiles {
		text, err := template.ParseFS(files, "files/"+name)
		if err != nil {
			return fmt.Errorf("parse template %s: %w", name, err)
		}
		if err := os.MkdirAll(filepath.Dir(l.Path(place)), 0o755); err != nil {
			return fmt.Errorf("create folder of settings: %w", err)
		}
		file, err := os.Create(l.Path(place))
		if err != nil {
			return fmt.Errorf("create file of settings: %w", err)
		}
		defer file.Close()
		if err := text.Execute(file, values); err != nil {
			return fmt.Errorf("write settings %s: %w", name, err)
		}
	}
	return nil
}
