// The local cluster: one program, no dependencies, so that it starts at once.
// What it builds has go.mods of its own below components/.
module github.com/gradus-lms/gradus/hack/cluster

go 1.26.0
