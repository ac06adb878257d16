// Tests of the local cluster itself. They speak through kubectl, so that they
// need no library.
module github.com/gradus-lms/gradus/test/conformance

go 1.26.0
