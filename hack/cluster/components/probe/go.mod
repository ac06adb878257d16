// The program that conformance tests run in pods.
module github.com/gradus-lms/gradus/hack/cluster/components/probe

go 1.26.0
