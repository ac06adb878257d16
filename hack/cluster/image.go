// Copyright The Gradus Authors
// SPDX-License-Identifier: Apache-2.0

package main

import (
	"errors"
	"flag"
	"fmt"
	"os"
	"path/filepath"
	"strings"
	"time"

	"github.com/gradus-lms/gradus/hack/cluster/internal/oci"
)

const (
	plainPath = "PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin"
	// certificates of the host go into every image; without them a program
	// cannot speak TLS to anyone.
	certificates = "/etc/ssl/certs/ca-certificates.crt"
)

type list []string

func (l *list) String() string { return strings.Join(*l, ",") }

func (l *list) Set(value string) error {
	*l = append(*l, value)
	return nil
}

func image(l Layout, args []string) error {
	if len(args) == 0 {
		return errors.New("image: name a kind: binary or debian")
	}
	switch args[0] {
	case "binary":
		return imageBinary(l, args[1:])
	case "debian":
		return imageDebian(l, args[1:])
	}
	return fmt.Errorf("image %s: no such kind: binary or debian", args[0])
}

func imageBinary(l Layout, args []string) error {
	var name, out, user, base string
	var binaries, extra, env list
	flags := flag.NewFlagSet("image binary", flag.ContinueOnError)
	flags.StringVar(&name, "name", "", "name and tag, for example localhost/gradus:dev")
	flags.StringVar(&out, "out", "", "tar to write")
	flags.Var(&binaries, "binary", "static program for /usr/local/bin; the first is the entrypoint; may be repeated")
	flags.Var(&extra, "file", "SOURCE=PATH: one more file; may be repeated")
	flags.Var(&env, "env", "NAME=VALUE; may be repeated")
	flags.StringVar(&user, "user", "65532", "user id")
	flags.StringVar(&base, "base", "", "root file system to put below: a tar, as `image debian --rootfs` prints")
	if err := flags.Parse(args); err != nil {
		return err
	}
	if name == "" || out == "" || len(binaries) == 0 {
		return errors.New("image binary: --name, --out and --binary are needed")
	}
	return writeBinaryImage(l, binaryImage{name, out, user, base, binaries, extra, env})
}

type binaryImage struct {
	name, out, user, base string
	binaries, extra, env  []string
}

func writeBinaryImage(l Layout, b binaryImage) error {
	var files []oci.File
	for _, binary := range b.binaries {
		files = append(files, oci.File{Path: "usr/local/bin/" + filepath.Base(binary), Source: binary, Mode: 0o755})
	}
	for _, pair := range b.extra {
		source, path, found := strings.Cut(pair, "=")
		if !found {
			return fmt.Errorf("file %s: want SOURCE=PATH", pair)
		}
		info, err := os.Stat(source)
		if err != nil {
			return fmt.Errorf("read file: %w", err)
		}
		files = append(files, oci.File{Path: path, Source: source, Mode: int64(info.Mode().Perm() | 0o444)})
	}
	result := oci.Image{
		Name: b.name, User: b.user, Env: []string{plainPath},
		Entrypoint: []string{"/usr/local/bin/" + filepath.Base(b.binaries[0])},
	}
	if b.base != "" {
		result.Layers = append(result.Layers, b.base)
		path, err := pathOf(b.base)
		if err != nil {
			return err
		}
		result.Env = []string{path}
	} else {
		files = append(files, scratchFiles(b.user)...)
	}
	result.Env = append(result.Env, b.env...)
	if err := os.MkdirAll(l.Cache, 0o755); err != nil {
		return fmt.Errorf("create cache: %w", err)
	}
	layer, err := os.CreateTemp(l.Cache, "layer-*.tar")
	if err != nil {
		return fmt.Errorf("create layer: %w", err)
	}
	defer os.Remove(layer.Name())
	defer layer.Close()
	if err := oci.WriteLayer(layer.Name(), files, "/tmp"); err != nil {
		return err
	}
	result.Layers = append(result.Layers, layer.Name())
	return result.Write(b.out)
}

// scratchFiles are what programs expect of an otherwise empty root.
func scratchFiles(user string) []oci.File {
	passwd := "root:x:0:0:root:/:/sbin/nologin\n"
	group := "root:x:0:\n"
	if user != "0" && user != "" {
		passwd += fmt.Sprintf("app:x:%s:%s:app:/tmp:/sbin/nologin\n", user, user)
		group += fmt.Sprintf("app:x:%s:\n", user)
	}
	files := []oci.File{
		{Path: "etc/passwd", Content: []byte(passwd), Mode: 0o644},
		{Path: "etc/group", Content: []byte(group), Mode: 0o644},
		{Path: "etc/nsswitch.conf", Content: []byte("hosts: files dns\n"), Mode: 0o644},
	}
	if _, err := os.Stat(certificates); err == nil {
		files = append(files, oci.File{Path: certificates[1:], Source: certificates, Mode: 0o644})
	}
	return files
}

// ownImages are the images that the cluster itself runs, made from its own
// programs.
var ownImages = map[string]string{
	"pause": "localhost/pause:cluster", "coredns": "localhost/coredns:cluster", "probe": "localhost/probe:cluster",
}

// makeOwnImages returns the tars, one for each program's folder in the cache.
func makeOwnImages(l Layout, paths map[string]string) ([]string, error) {
	var tars []string
	for program, name := range ownImages {
		folder := filepath.Base(filepath.Dir(paths[program]))
		out := filepath.Join(l.Cache, "images", folder+".tar")
		tars = append(tars, out)
		if _, err := os.Stat(out); err == nil {
			continue
		}
		if err := os.MkdirAll(filepath.Dir(out), 0o755); err != nil {
			return nil, fmt.Errorf("create folder of images: %w", err)
		}
		b := binaryImage{name: name, out: out, user: "65532", binaries: []string{paths[program]}}
		if err := writeBinaryImage(l, b); err != nil {
			return nil, err
		}
	}
	return tars, nil
}

func load(l Layout, args []string) error {
	if len(args) == 0 {
		return errors.New("load: name the tars of images")
	}
	for _, tar := range args {
		start := time.Now()
		if err := containerdClient(l, "images", "import", tar); err != nil {
			return err
		}
		fmt.Printf("loaded %s in %.1fs\n", tar, time.Since(start).Seconds())
	}
	return nil
}
