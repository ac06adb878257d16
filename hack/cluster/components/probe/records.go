// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"bytes"
	"crypto/sha256"
	"encoding/binary"
	"errors"
	"fmt"
	"os"
	"os/signal"
	"path/filepath"
	"syscall"
	"time"
)

// A record is its number, filler made from the number, and a checksum.
const recordSize = 256

var errTorn = errors.New("snapshot is not a point in time")

func record(number uint64) []byte {
	buffer := make([]byte, recordSize)
	binary.BigEndian.PutUint64(buffer, number)
	for i := 8; i < recordSize-sha256.Size; i++ {
		buffer[i] = byte(number + uint64(i))
	}
	sum := sha256.Sum256(buffer[:recordSize-sha256.Size])
	copy(buffer[recordSize-sha256.Size:], sum[:])
	return buffer
}

func names(dir string) [2]string {
	return [2]string{filepath.Join(dir, "even"), filepath.Join(dir, "odd")}
}

// write appends records to two files in turn until it is told to stop. Each is
// on disk before the next one begins, unless mode says "unsynced".
func write(dir, mode string) error {
	if err := os.MkdirAll(dir, 0o777); err != nil {
		return fmt.Errorf("create folder: %w", err)
	}
	var files [2]*os.File
	for i, name := range names(dir) {
		file, err := os.OpenFile(name, os.O_CREATE|os.O_TRUNC|os.O_WRONLY|os.O_APPEND, 0o666)
		if err != nil {
			return fmt.Errorf("open file: %w", err)
		}
		files[i] = file
	}
	stop := make(chan os.Signal, 1)
	signal.Notify(stop, syscall.SIGTERM, syscall.SIGINT)
	fmt.Println("writing")
	for number := uint64(0); ; number++ {
		select {
		case <-stop:
			fmt.Printf("stopped after %d records\n", number)
			return nil
		default:
		}
		file := files[number%2]
		if _, err := file.Write(record(number)); err != nil {
			return fmt.Errorf("append record %d: %w", number, err)
		}
		if mode == "unsynced" {
			time.Sleep(50 * time.Microsecond)
			continue
		}
		if err := syscall.Fdatasync(int(file.Fd())); err != nil {
			return fmt.Errorf("sync record %d: %w", number, err)
		}
	}
}

// verifyAll judges every folder, whatever the ones before were like.
func verifyAll(folders []string) error {
	var failures []error
	for _, folder := range folders {
		if err := verify(folder); err != nil {
			failures = append(failures, err)
			fmt.Println(err)
		}
	}
	return errors.Join(failures...)
}

// verify reads both files and demands the records 0 to n without a gap. One
// torn record at the end of a file is what a power cut leaves and is allowed.
func verify(dir string) error {
	var counts [2]uint64
	for parity, name := range names(dir) {
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read file: %w", err)
		}
		for len(data) >= recordSize {
			number := 2*counts[parity] + uint64(parity)
			if !bytes.Equal(data[:recordSize], record(number)) {
				return fmt.Errorf("%s: record %d is damaged: %w", name, number, errTorn)
			}
			counts[parity]++
			data = data[recordSize:]
		}
	}
	if counts[0] != counts[1] && counts[0] != counts[1]+1 {
		return fmt.Errorf("%d even and %d odd records: %w", counts[0], counts[1], errTorn)
	}
	fmt.Printf("prefix of %d records\n", counts[0]+counts[1])
	return nil
}

const filled = 1000

// fill makes a thousand small files; check compares them.
func fill(dir string) error {
	for number := range uint64(filled) {
		name := filepath.Join(dir, fmt.Sprintf("file-%d", number))
		if err := os.WriteFile(name, record(number), 0o644); err != nil {
			return fmt.Errorf("write file: %w", err)
		}
	}
	syscall.Sync()
	fmt.Println("filled")
	return nil
}

func check(dir string) error {
	for number := range uint64(filled) {
		name := filepath.Join(dir, fmt.Sprintf("file-%d", number))
		data, err := os.ReadFile(name)
		if err != nil {
			return fmt.Errorf("read file: %w", err)
		}
		if !bytes.Equal(data, record(number)) {
			return fmt.Errorf("%s: other content than was written", name)
		}
	}
	fmt.Println("unchanged")
	return nil
}
