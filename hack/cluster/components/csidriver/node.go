// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"
	"io/fs"
	"os"
	"path/filepath"
	"slices"
	"syscall"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

// NodeGetCapabilities offers staging although there is nothing to stage: the
// kubelet leaves an empty globalmount folder per volume otherwise.
func (d *driver) NodeGetCapabilities(
	context.Context, *csi.NodeGetCapabilitiesRequest,
) (*csi.NodeGetCapabilitiesResponse, error) {
	response := &csi.NodeGetCapabilitiesResponse{}
	for _, kind := range []csi.NodeServiceCapability_RPC_Type{
		csi.NodeServiceCapability_RPC_STAGE_UNSTAGE_VOLUME,
		csi.NodeServiceCapability_RPC_GET_VOLUME_STATS,
		csi.NodeServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	} {
		response.Capabilities = append(response.Capabilities, &csi.NodeServiceCapability{
			Type: &csi.NodeServiceCapability_Rpc{Rpc: &csi.NodeServiceCapability_RPC{Type: kind}},
		})
	}
	return response, nil
}

func (d *driver) NodeGetInfo(context.Context, *csi.NodeGetInfoRequest) (*csi.NodeGetInfoResponse, error) {
	return &csi.NodeGetInfoResponse{NodeId: d.node}, nil
}

func (d *driver) NodeStageVolume(
	_ context.Context, request *csi.NodeStageVolumeRequest,
) (*csi.NodeStageVolumeResponse, error) {
	if request.GetVolumeId() == "" || request.GetStagingTargetPath() == "" {
		return nil, invalid("volume id or staging path is missing")
	}
	if err := checkCapabilities([]*csi.VolumeCapability{request.GetVolumeCapability()}); err != nil {
		return nil, err
	}
	_, err := d.store.read(request.GetVolumeId())
	return &csi.NodeStageVolumeResponse{}, answer(err)
}

func (d *driver) NodeUnstageVolume(
	_ context.Context, request *csi.NodeUnstageVolumeRequest,
) (*csi.NodeUnstageVolumeResponse, error) {
	if request.GetVolumeId() == "" || request.GetStagingTargetPath() == "" {
		return nil, invalid("volume id or staging path is missing")
	}
	return &csi.NodeUnstageVolumeResponse{}, nil
}

func (d *driver) NodePublishVolume(
	_ context.Context, request *csi.NodePublishVolumeRequest,
) (*csi.NodePublishVolumeResponse, error) {
	handle, target := request.GetVolumeId(), request.GetTargetPath()
	if handle == "" || target == "" {
		return nil, invalid("volume id or target path is missing")
	}
	if err := checkCapabilities([]*csi.VolumeCapability{request.GetVolumeCapability()}); err != nil {
		return nil, err
	}
	// Shared with nobody who deletes: a mount must not appear on a dying tree.
	defer d.store.lock(handle, false)()
	if _, err := d.store.read(handle); err != nil {
		return nil, answer(err)
	}
	targets, err := mountsOf(handle)
	if err != nil || slices.Contains(targets, target) {
		return &csi.NodePublishVolumeResponse{}, answer(err)
	}
	mode := request.GetVolumeCapability().GetAccessMode().GetMode()
	if mode == csi.VolumeCapability_AccessMode_SINGLE_NODE_SINGLE_WRITER && len(targets) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "volume is mounted on %s", targets[0])
	}
	if err := os.MkdirAll(target, 0o750); err != nil {
		return nil, status.Errorf(codes.Internal, "create mount point: %v", err)
	}
	readonly := request.GetReadonly() || mode == csi.VolumeCapability_AccessMode_MULTI_NODE_READER_ONLY
	return &csi.NodePublishVolumeResponse{}, answer(bind(d.store.tree(handle), target, readonly))
}

func (d *driver) NodeUnpublishVolume(
	_ context.Context, request *csi.NodeUnpublishVolumeRequest,
) (*csi.NodeUnpublishVolumeResponse, error) {
	if request.GetVolumeId() == "" || request.GetTargetPath() == "" {
		return nil, invalid("volume id or target path is missing")
	}
	return &csi.NodeUnpublishVolumeResponse{}, answer(unbind(request.GetTargetPath()))
}

// NodeGetVolumeStats sums the folder up: the file system's own figures are
// those of the whole pool.
func (d *driver) NodeGetVolumeStats(
	_ context.Context, request *csi.NodeGetVolumeStatsRequest,
) (*csi.NodeGetVolumeStatsResponse, error) {
	if request.GetVolumeId() == "" || request.GetVolumePath() == "" {
		return nil, invalid("volume id or path is missing")
	}
	found, err := d.store.read(request.GetVolumeId())
	if err != nil {
		return nil, answer(err)
	}
	if _, err := os.Stat(request.GetVolumePath()); err != nil {
		return nil, status.Error(codes.NotFound, err.Error())
	}
	var used, inodes int64
	err = filepath.WalkDir(request.GetVolumePath(), func(_ string, item fs.DirEntry, err error) error {
		if err != nil {
			return ignoreMissing(err)
		}
		info, err := item.Info()
		if err != nil {
			return ignoreMissing(err)
		}
		inodes++
		if stat, ok := info.Sys().(*syscall.Stat_t); ok {
			used += stat.Blocks * 512
		}
		return nil
	})
	if err != nil {
		return nil, answer(err)
	}
	return &csi.NodeGetVolumeStatsResponse{Usage: []*csi.VolumeUsage{
		{Unit: csi.VolumeUsage_BYTES, Total: found.Size, Used: used, Available: max(found.Size-used, 0)},
		{Unit: csi.VolumeUsage_INODES, Used: inodes},
	}}, nil
}

// ignoreMissing forgives what a busy pod removed during the walk.
func ignoreMissing(err error) error {
	if errors.Is(err, fs.ErrNotExist) {
		return nil
	}
	return err
}
