module github.com/gradus-lms/gradus

go 1.26.0
