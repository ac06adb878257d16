// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"errors"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
)

const (
	smallest = 1 << 20
	largest  = 1 << 40
)

// answer turns the store's errors into the codes that CSI demands.
func answer(err error) error {
	switch {
	case err == nil:
		return nil
	case errors.Is(err, errUnknown):
		return status.Error(codes.NotFound, err.Error())
	case errors.Is(err, errConflict):
		return status.Error(codes.AlreadyExists, err.Error())
	case errors.Is(err, context.DeadlineExceeded), errors.Is(err, context.Canceled):
		return status.FromContextError(err).Err()
	}
	return status.Error(codes.Internal, err.Error())
}

func invalid(message string) error { return status.Error(codes.InvalidArgument, message) }

func (d *driver) ControllerGetCapabilities(
	context.Context, *csi.ControllerGetCapabilitiesRequest,
) (*csi.ControllerGetCapabilitiesResponse, error) {
	types := []csi.ControllerServiceCapability_RPC_Type{
		csi.ControllerServiceCapability_RPC_CREATE_DELETE_VOLUME,
		csi.ControllerServiceCapability_RPC_LIST_VOLUMES,
		csi.ControllerServiceCapability_RPC_CLONE_VOLUME,
		csi.ControllerServiceCapability_RPC_SINGLE_NODE_MULTI_WRITER,
	}
	if d.snapshots {
		// Without LIST_SNAPSHOTS the snapshotter believes any adopted handle.
		types = append(types, csi.ControllerServiceCapability_RPC_CREATE_DELETE_SNAPSHOT,
			csi.ControllerServiceCapability_RPC_LIST_SNAPSHOTS)
	}
	response := &csi.ControllerGetCapabilitiesResponse{}
	for _, kind := range types {
		response.Capabilities = append(response.Capabilities, &csi.ControllerServiceCapability{
			Type: &csi.ControllerServiceCapability_Rpc{Rpc: &csi.ControllerServiceCapability_RPC{Type: kind}},
		})
	}
	return response, nil
}

func (d *driver) CreateVolume(
	ctx context.Context, request *csi.CreateVolumeRequest,
) (*csi.CreateVolumeResponse, error) {
	if request.GetName() == "" {
		return nil, invalid("name is missing")
	}
	if err := checkCapabilities(request.GetVolumeCapabilities()); err != nil {
		return nil, err
	}
	wanted, err := d.wanted(request)
	if err != nil {
		return nil, err
	}
	made, err := d.store.create(ctx, wanted)
	if err != nil {
		return nil, answer(err)
	}
	capacity := request.GetCapacityRange()
	if limit := capacity.GetLimitBytes(); made.Size < capacity.GetRequiredBytes() || (limit > 0 && made.Size > limit) {
		return nil, answer(errConflict)
	}
	return &csi.CreateVolumeResponse{Volume: volumeOf(made, request.GetVolumeContentSource())}, nil
}

// wanted is the volume to make: of the size asked for, and no smaller than what
// it starts from.
func (d *driver) wanted(request *csi.CreateVolumeRequest) (entry, error) {
	capacity := request.GetCapacityRange()
	size := max(capacity.GetRequiredBytes(), smallest)
	if limit := capacity.GetLimitBytes(); size > largest || (limit > 0 && size > limit) {
		return entry{}, status.Errorf(codes.OutOfRange, "size %d is not between %d and %d", size, smallest, largest)
	}
	wanted := entry{Handle: d.store.handleOf(volumePrefix, request.GetName()), Name: request.GetName(), Size: size}
	if source := request.GetVolumeContentSource(); source != nil {
		origin, err := d.origin(source)
		if err != nil {
			return entry{}, err
		}
		if size < origin.Size && capacity.GetRequiredBytes() > 0 {
			return entry{}, status.Errorf(codes.OutOfRange, "size %d is below the source's %d", size, origin.Size)
		}
		wanted.Source, wanted.Size = origin.Handle, max(size, origin.Size)
	}
	return wanted, nil
}

// origin finds the snapshot or the volume that a new volume starts from.
func (d *driver) origin(source *csi.VolumeContentSource) (entry, error) {
	handle := source.GetVolume().GetVolumeId()
	if snapshot := source.GetSnapshot(); snapshot != nil {
		handle = snapshot.GetSnapshotId()
	}
	if handle == "" {
		return entry{}, invalid("source names neither snapshot nor volume")
	}
	found, err := d.store.read(handle)
	return found, answer(err)
}

// volumeOf repeats the source: the provisioner deletes a volume that does not.
func volumeOf(e entry, source *csi.VolumeContentSource) *csi.Volume {
	return &csi.Volume{VolumeId: e.Handle, CapacityBytes: e.Size, ContentSource: source}
}

func (d *driver) DeleteVolume(
	ctx context.Context, request *csi.DeleteVolumeRequest,
) (*csi.DeleteVolumeResponse, error) {
	handle := request.GetVolumeId()
	if handle == "" {
		return nil, invalid("volume id is missing")
	}
	// There is no VolumeAttachment to wait for: a pod that was deleted by force
	// may still hold the mount.
	targets, err := mountsOf(handle)
	if err != nil {
		return nil, answer(err)
	}
	if len(targets) > 0 {
		return nil, status.Errorf(codes.FailedPrecondition, "volume is mounted on %s", targets[0])
	}
	return &csi.DeleteVolumeResponse{}, answer(d.store.delete(ctx, handle))
}

func (d *driver) ValidateVolumeCapabilities(
	_ context.Context, request *csi.ValidateVolumeCapabilitiesRequest,
) (*csi.ValidateVolumeCapabilitiesResponse, error) {
	if request.GetVolumeId() == "" || len(request.GetVolumeCapabilities()) == 0 {
		return nil, invalid("volume id or capabilities are missing")
	}
	if _, err := d.store.read(request.GetVolumeId()); err != nil {
		return nil, answer(err)
	}
	if err := checkCapabilities(request.GetVolumeCapabilities()); err != nil {
		//nolint:nilerr // CSI wants a refusal told in the answer; an error would mean that there is no answer
		return &csi.ValidateVolumeCapabilitiesResponse{Message: err.Error()}, nil
	}
	return &csi.ValidateVolumeCapabilitiesResponse{Confirmed: &csi.ValidateVolumeCapabilitiesResponse_Confirmed{
		VolumeContext: request.GetVolumeContext(), VolumeCapabilities: request.GetVolumeCapabilities(),
		Parameters: request.GetParameters(),
	}}, nil
}

func (d *driver) ListVolumes(_ context.Context, request *csi.ListVolumesRequest) (*csi.ListVolumesResponse, error) {
	entries, err := d.store.list(volumePrefix)
	if err != nil {
		return nil, answer(err)
	}
	entries, next, err := page(entries, request.GetStartingToken(), request.GetMaxEntries())
	if err != nil {
		return nil, err
	}
	response := &csi.ListVolumesResponse{NextToken: next}
	for _, e := range entries {
		response.Entries = append(response.Entries, &csi.ListVolumesResponse_Entry{Volume: volumeOf(e, nil)})
	}
	return response, nil
}

func checkCapabilities(capabilities []*csi.VolumeCapability) error {
	if len(capabilities) == 0 {
		return invalid("volume capabilities are missing")
	}
	for _, capability := range capabilities {
		if capability.GetMount() == nil {
			return invalid("only file system volumes are made here")
		}
		if capability.GetAccessMode().GetMode() == csi.VolumeCapability_AccessMode_UNKNOWN {
			return invalid("access mode is missing")
		}
	}
	return nil
}
