# Copyright The Gradus Authors
# SPDX-License-Identifier: Apache-2.0

# The image of a release. `make build` comes first: with a Go builder in here,
# building would need a registry. `make images` makes the same without Docker.
# There is no /tmp: our manifests mount one, as the root is read-only.
FROM scratch
COPY --chmod=644 hack/image/passwd hack/image/group hack/image/nsswitch.conf /etc/
# Without them a site or a webhook behind TLS cannot be believed.
COPY --chmod=644 bin/ca-certificates.crt /etc/ssl/certs/
COPY --chmod=755 bin/gradus /usr/local/bin/
ENV PATH=/usr/local/sbin:/usr/local/bin:/usr/sbin:/usr/bin:/sbin:/bin
# A number, or the kubelet cannot tell that it is not root.
USER 65532
WORKDIR /
ENTRYPOINT ["/usr/local/bin/gradus"]
