// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"fmt"
	"strings"

	snapshotv1 "github.com/kubernetes-csi/external-snapshotter/client/v8/apis/volumesnapshot/v1"
	corev1 "k8s.io/api/core/v1"
	"sigs.k8s.io/controller-runtime/pkg/client"

	"github.com/gradus-lms/gradus/api/v1alpha1"
	"github.com/gradus-lms/gradus/hack/demo/proof"
)

// verifyMail asks who connected to the mail server, which everybody may reach.
func (d *demo) verifyMail(ctx context.Context, c *claims, rec *record) error {
	log, err := d.logs(ctx, mailNamespace, "mail", "witness")
	if err != nil {
		return err
	}
	connections := proof.ReadConnections(log, rec.Began)
	copies := 0
	for _, s := range rec.Roll {
		if s.Copy {
			copies++
		}
	}
	strangers := rec.Roll.Strangers(connections)
	c.claim("no copy sent mail or called a webhook", strangers,
		"%d connections reached the mail server; none of %d pods of copies made one", len(connections), copies)
	c.claim("nothing outside can be reached from a copy", rec.Reached, "%d addresses tried from inside staging", rec.Tried)
	var blind []string
	for what, seen := range map[string]int{
		"no pod of a copy was seen": copies, "no pod of a copy tried to get out": rec.Tried,
		"not even the live site's mail was seen": len(connections),
	} {
		if seen == 0 {
			blind = append(blind, what)
		}
	}
	c.claim("the witnesses were awake", blind, "each of them saw what it had to")
	return nil
}

// verifyFence asks the node where the connections of copies went.
func (d *demo) verifyFence(ctx context.Context, c *claims, rec *record) error {
	if d.Current {
		d.say("left out: the record of connections, which only the local cluster gives")
		return nil
	}
	file, err := d.since(ctx, "connections", rec.Flows)
	if err != nil {
		return err
	}
	defer file.Close()
	flows, gaps, err := proof.ReadFlows(file, rec.Began)
	if err != nil {
		return fmt.Errorf("read record of connections: %w", err)
	}
	f := rec.Roll.Fence(flows)
	if f.Inside == 0 {
		gaps = append(gaps, "not even connections inside a copy were seen")
	}
	c.claim("no connection of a copy left its namespace", append(f.Objections, gaps...),
		"%d of %d that passed the node were of copies: %d inside, %d to the cluster's names; "+
			"by %d more first containers waited until their network was closed",
		f.Inside+f.Names+len(f.Objections), len(flows), f.Inside, f.Names, f.Tried)
	return nil
}

// verifyGone looks for what trials leave: namespaces, volumes, aliases.
func (d *demo) verifyGone(ctx context.Context, c *claims, rec *record) error {
	var spaces corev1.NamespaceList
	if err := d.List(ctx, &spaces, client.HasLabels{v1alpha1.PurposeLabel}); err != nil {
		return fmt.Errorf("list Namespaces: %w", err)
	}
	standing, copies := map[string]bool{}, rec.Roll.Copies()
	var left, staging []string
	for _, n := range spaces.Items {
		if purpose := n.Labels[v1alpha1.PurposeLabel]; purpose == string(v1alpha1.PurposeStaging) {
			standing[n.Name] = true
			staging = append(staging, n.Name)
			continue
		}
		left = append(left, "Namespace "+n.Name)
	}
	volumes, err := d.volumesOf(ctx, func(namespace string) bool { return copies[namespace] && !standing[namespace] })
	if err != nil {
		return err
	}
	left = append(left, volumes...)
	c.claim("the trial left nothing", left,
		"no namespace, volume or alias; staging stands until it expires: %s", strings.Join(staging, ", "))
	return nil
}

// volumesOf lists volumes and snapshots of some namespaces.
func (d *demo) volumesOf(ctx context.Context, of func(string) bool) ([]string, error) {
	var out []string
	var volumes corev1.PersistentVolumeList
	if err := d.List(ctx, &volumes); err != nil {
		return nil, fmt.Errorf("list PersistentVolumes: %w", err)
	}
	for _, v := range volumes.Items {
		if ref := v.Spec.ClaimRef; ref != nil && of(ref.Namespace) {
			out = append(out, "PersistentVolume "+v.Name+" of "+ref.Namespace)
		}
	}
	var contents snapshotv1.VolumeSnapshotContentList
	if err := d.List(ctx, &contents); err != nil {
		return nil, fmt.Errorf("list VolumeSnapshotContents: %w", err)
	}
	for _, content := range contents.Items {
		if ref := content.Spec.VolumeSnapshotRef; of(ref.Namespace) {
			out = append(out, "VolumeSnapshotContent "+content.Name+" of "+ref.Namespace)
		}
	}
	return out, nil
}
