#!/usr/bin/env bash
# Writes the images of the test site as archives into a folder: images.sh DIR.
set -euo pipefail

root=$(cd "$(dirname "$0")/../.." && pwd)
mkdir -p "${1:?usage: images.sh DIR}"
out=$(cd "$1" && pwd)
work=$(mktemp -d)
trap 'rm -rf "$work"' EXIT

cluster() { go -C "$root/hack/cluster" run . "$@"; }

# campus RELEASE PLUGINS [TAG]: one release with one set of added plugins.
campus() {
  local dir="$work/$1" files=() manifest
  mkdir -p "$dir"
  CGO_ENABLED=0 go -C "$root" build -trimpath -buildvcs=false -o "$dir/campus" \
    -ldflags "-s -w -X github.com/gradus-lms/gradus/test/lms/release.code=$1" ./test/lms/cmd/campus
  for manifest in "$root/test/lms/plugins/$2"/*/plugin.json; do
    if [ -e "$manifest" ]; then
      files+=(--file "$manifest=/usr/share/campus/plugins/$(basename "$(dirname "$manifest")")/plugin.json")
    fi
  done
  cluster image binary --name "localhost/campus:${3:-$1}" --binary "$dir/campus" --user 65532 \
    --out "$out/campus-${3:-$1}.tar" "${files[@]}"
}

campus 1.0 1.x
campus 1.5 1.x
campus 2.0 2.x
campus 2.0 none 2.0-bare # the added plugins are missing
campus 2.0 chat 2.0-chat # an added chat in place of the removed one
campus 3.0 3.x

base=$(cluster image debian --packages postgresql-15 --user 999 --rootfs)
cluster image binary --name localhost/postgresql:15 --base "$base" --binary "$work/1.0/campus" --user 999 \
  --out "$out/postgresql-15.tar"
