// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"context"
	"strconv"

	"github.com/container-storage-interface/spec/lib/go/csi"
	"google.golang.org/grpc/codes"
	"google.golang.org/grpc/status"
	"google.golang.org/protobuf/types/known/timestamppb"
)

// frozenParameter of a VolumeSnapshotClass asks for pods to be frozen.
const frozenParameter = "frozen"

func (d *driver) CreateSnapshot(
	ctx context.Context, request *csi.CreateSnapshotRequest,
) (*csi.CreateSnapshotResponse, error) {
	if !d.snapshots {
		return nil, status.Error(codes.Unimplemented, "this driver makes no snapshots")
	}
	if request.GetName() == "" || request.GetSourceVolumeId() == "" {
		return nil, invalid("name or source volume id is missing")
	}
	wanted := entry{
		Handle: d.store.handleOf(snapshotPrefix, request.GetName()), Name: request.GetName(),
		Source: request.GetSourceVolumeId(), Frozen: request.GetParameters()[frozenParameter] == "true",
	}
	// A snapshot outlives its source, so the source need not exist when the
	// snapshot does.
	made, err := d.store.read(wanted.Handle)
	if err == nil {
		if made.Source != wanted.Source {
			return nil, answer(errConflict)
		}
		return &csi.CreateSnapshotResponse{Snapshot: snapshotOf(made)}, nil
	}
	source, err := d.store.read(wanted.Source)
	if err != nil {
		return nil, answer(err)
	}
	wanted.Size = source.Size
	made, err = d.store.create(ctx, wanted)
	if err != nil {
		return nil, answer(err)
	}
	return &csi.CreateSnapshotResponse{Snapshot: snapshotOf(made)}, nil
}

func (d *driver) DeleteSnapshot(
	ctx context.Context, request *csi.DeleteSnapshotRequest,
) (*csi.DeleteSnapshotResponse, error) {
	if request.GetSnapshotId() == "" {
		return nil, invalid("snapshot id is missing")
	}
	return &csi.DeleteSnapshotResponse{}, answer(d.store.delete(ctx, request.GetSnapshotId()))
}

func (d *driver) ListSnapshots(
	_ context.Context, request *csi.ListSnapshotsRequest,
) (*csi.ListSnapshotsResponse, error) {
	entries, err := d.store.list(snapshotPrefix)
	if err != nil {
		return nil, answer(err)
	}
	var matching []entry
	for _, e := range entries {
		if id := request.GetSnapshotId(); id != "" && id != e.Handle {
			continue
		}
		if source := request.GetSourceVolumeId(); source != "" && source != e.Source {
			continue
		}
		matching = append(matching, e)
	}
	matching, next, err := page(matching, request.GetStartingToken(), request.GetMaxEntries())
	if err != nil {
		return nil, err
	}
	response := &csi.ListSnapshotsResponse{NextToken: next}
	for _, e := range matching {
		response.Entries = append(response.Entries, &csi.ListSnapshotsResponse_Entry{Snapshot: snapshotOf(e)})
	}
	return response, nil
}

func snapshotOf(e entry) *csi.Snapshot {
	return &csi.Snapshot{
		SnapshotId: e.Handle, SourceVolumeId: e.Source, SizeBytes: e.Size,
		CreationTime: timestamppb.New(e.Created), ReadyToUse: true,
	}
}

// page cuts a list as the caller's token and limit say; the token is an index.
func page(entries []entry, token string, limit int32) ([]entry, string, error) {
	start := 0
	if token != "" {
		parsed, err := strconv.Atoi(token)
		if err != nil || parsed < 0 || parsed > len(entries) {
			return nil, "", status.Errorf(codes.Aborted, "starting token %q is not one of ours", token)
		}
		start = parsed
	}
	entries = entries[start:]
	if limit <= 0 || int(limit) >= len(entries) {
		return entries, "", nil
	}
	return entries[:limit], strconv.Itoa(start + int(limit)), nil
}
