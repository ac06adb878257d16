// The program that holds a pod's namespaces.
module github.com/gradus-lms/gradus/hack/cluster/components/pause

go 1.26.0
