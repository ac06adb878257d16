// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"fmt"
	"os"
	"os/exec"
	"path/filepath"
	"unsafe"

	"golang.org/x/sys/unix"
)

// engine makes and removes trees. Clone's result is the source at one moment,
// however busy the source is: all that was synced before, nothing synced after.
// If frozen, what was written and not synced is in order, too. Callers hold
// locks; trees are named by handles.
type engine interface {
	Create(tree string) error
	Clone(source, tree string, frozen bool) error
	Delete(tree string) error
}

const (
	subvolumeCreate  = 0x5000940e
	subvolumeClone   = 0x50009417
	subvolumeDestroy = 0x5000940f
)

// btrfs makes each tree a subvolume: a clone is atomic and shares its blocks.
// It flushes file after file first, so that of two unsynced writes the later
// may be in it without the earlier, as with any disk; unless nobody writes.
type btrfs struct{ freezer *freezer }

// createArgs and cloneArgs are the kernel's btrfs_ioctl_vol_args and _v2.
type createArgs struct {
	fd   int64
	name [4088]byte
}

type cloneArgs struct {
	fd      int64
	transid uint64
	flags   uint64
	unused  [4]uint64
	name    [4040]byte
}

func (btrfs) Create(tree string) error {
	var args createArgs
	copy(args.name[:], filepath.Base(tree))
	if err := control(filepath.Dir(tree), subvolumeCreate, unsafe.Pointer(&args)); err != nil {
		return fmt.Errorf("create subvolume %s: %w", tree, err)
	}
	return nil
}

func (b btrfs) Clone(source, tree string, frozen bool) (err error) {
	origin, err := os.Open(source)
	if err != nil {
		return fmt.Errorf("open subvolume: %w", err)
	}
	defer origin.Close()
	if frozen {
		// Most is flushed before, so that the freeze is short.
		if err := unix.Syncfs(int(origin.Fd())); err != nil {
			return fmt.Errorf("sync subvolume %s: %w", source, err)
		}
		thaw, err := b.freezer.freeze(source)
		if err != nil {
			return err
		}
		defer func() { err = errors.Join(err, thaw()) }()
	}
	args := cloneArgs{fd: int64(origin.Fd())}
	copy(args.name[:], filepath.Base(tree))
	if err := control(filepath.Dir(tree), subvolumeClone, unsafe.Pointer(&args)); err != nil {
		return fmt.Errorf("clone subvolume %s to %s: %w", source, tree, err)
	}
	return nil
}

func (btrfs) Delete(tree string) error {
	var args createArgs
	copy(args.name[:], filepath.Base(tree))
	err := control(filepath.Dir(tree), subvolumeDestroy, unsafe.Pointer(&args))
	if err != nil && !errors.Is(err, unix.ENOENT) {
		return fmt.Errorf("delete subvolume %s: %w", tree, err)
	}
	return nil
}

func control(parent string, request uintptr, args unsafe.Pointer) error {
	folder, err := os.Open(parent)
	if err != nil {
		return err
	}
	defer folder.Close()
	if _, _, errno := unix.Syscall(unix.SYS_IOCTL, folder.Fd(), request, uintptr(args)); errno != 0 {
		return errno
	}
	return nil
}

// copier makes each tree a folder. What uses the source is frozen during the
// copy, for a copy of a live folder mixes moments.
type copier struct{ freezer *freezer }

func (copier) Create(tree string) error {
	return os.Mkdir(tree, 0o755)
}

func (c copier) Clone(source, tree string, _ bool) (err error) {
	thaw, err := c.freezer.freeze(source)
	if err != nil {
		return err
	}
	out, err := exec.Command("cp", "-a", "--reflink=auto", "--sparse=auto", source, tree).CombinedOutput()
	if err != nil {
		err = fmt.Errorf("copy %s to %s: %w: %s", source, tree, err, out)
	}
	if err := errors.Join(err, thaw()); err != nil {
		return err
	}
	// Not before the thaw: this waits for every dirty page of the host's disk.
	folder, err := os.Open(tree)
	if err != nil {
		return fmt.Errorf("open copy: %w", err)
	}
	defer folder.Close()
	if err := unix.Syncfs(int(folder.Fd())); err != nil {
		return fmt.Errorf("sync copy %s: %w", tree, err)
	}
	return nil
}

func (copier) Delete(tree string) error {
	if err := os.RemoveAll(tree); err != nil {
		return fmt.Errorf("delete folder %s: %w", tree, err)
	}
	return nil
}
