# make: regenerate, format, lint, quick tests, build; make presubmit: all of it, as before a merge
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c

# CLUSTER=local uses the cluster of hack/cluster; current, the kubeconfig at hand.
CLUSTER ?= local
export IMAGE ?= localhost/gradus:dev
DIST := dist
# Debian's, Fedora's, macOS'.
CERTIFICATES := $(firstword $(wildcard /etc/ssl/certs/ca-certificates.crt /etc/pki/tls/certs/ca-bundle.crt /etc/ssl/cert.pem))
PACKAGES := postgresql postgresql-client
CLUSTERCTL := go -C hack/cluster run .
ifeq ($(CLUSTER),local)
KUBECONFIG = $(shell $(CLUSTERCTL) kubeconfig)
endif
# A recipe that needs them says: $(assets); … Beside other work an API server may need minutes to start.
assets = export KUBEBUILDER_CONTROLPLANE_START_TIMEOUT=3m KUBEBUILDER_ASSETS="$$($(CLUSTERCTL) assets)"
kube = export KUBECONFIG="$(KUBECONFIG)"; $(assets); export PATH="$$KUBEBUILDER_ASSETS:$$PATH"

.PHONY: all help generate fmt lint verify build unit packages integration faults faults-all faults-and-e2e corpus conformance test test-e2e \
	cluster-up cluster-down cluster-lifecycle images deploy undeploy demo demo-rollback demo-kills presubmit clean

all: generate fmt lint unit build ## regenerate, format, lint, quick tests, build

help: ## this list
	@grep -hE '^[a-z0-9-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 20

## Code

generate: bin/controller-gen ## deepcopy functions, CRDs and field tables of docs/spec from api/
	bin/controller-gen object:headerFile=hack/boilerplate.go.txt paths=./api/...
	bin/controller-gen crd paths=./api/... output:crd:dir=config/crd/bases
	go -C hack/tools run ./spec $(CURDIR)/config/crd/bases $(CURDIR)/docs/spec

fmt: ## gofmt
	gofmt -w $$(git ls-files -co --exclude-standard '*.go')

# A module without Go files only pins what others build. GOOS: hack/cluster is Linux' own.
lint: bin/golangci-lint ## golangci-lint with kube-api-linter, in every module
	@code=0; for module in $$(git ls-files '*go.mod' | xargs -n 1 dirname); do \
	  test -n "$$(git ls-files "$$module/*.go")" || continue; echo "lint $$module"; \
	  (cd "$$module" && GOOS=linux $(CURDIR)/bin/golangci-lint run -c $(CURDIR)/.golangci.yml ./...) || code=$$?; \
	done; exit $$code

verify: generate ## fail if something generated is not up to date
	git diff --exit-code -- api config/crd docs/spec
	test -z "$$(gofmt -l $$(git ls-files '*.go'))"
	go mod tidy -diff

build: ## bin/gradus, and the certificates that the Dockerfile puts next to it
	CGO_ENABLED=0 go build -trimpath -o bin/gradus .
	if test -n "$(CERTIFICATES)"; then cp "$(CERTIFICATES)" bin/ca-certificates.crt; fi

bin/controller-gen: hack/tools/go.mod
	go -C hack/tools build -o $(CURDIR)/bin/controller-gen sigs.k8s.io/controller-tools/cmd/controller-gen
bin/golangci-lint: hack/tools/lint/go.mod hack/tools/lint/main.go
	go -C hack/tools/lint build -o $(CURDIR)/bin/golangci-lint .

## Tests

unit: ## quick tests; says what it leaves out
	go test ./...
	@go test -v -run '^$$' ./... | grep -h 'left out' | sort -u # go shows only with -v what passing packages say

packages: ## Debian packages that the integration tests need (as root)
	if test "$$(id -u)" = 0 && ! command -v pg_ctl >/dev/null && ! ls /usr/lib/postgresql/*/bin/pg_ctl >/dev/null 2>&1; then \
	  mkdir -p /etc/postgresql-common; conf=/etc/postgresql-common/createcluster.conf; \
	  test -e $$conf || echo 'create_main_cluster = false' >$$conf; `# no server of Debian's own beside those of tests` \
	  export DEBIAN_FRONTEND=noninteractive; apt-get update -q && apt-get install -qy --no-install-recommends $(PACKAGES); fi

integration: packages ## everything that needs PostgreSQL or an API server
	@echo 'integration: tables, stories, rights and policies on a real API server, PostgreSQL; usually 11 minutes on 2 cores'
	$(assets); GRADUS_INTEGRATION=1 go test -tags seeds -timeout 35m -skip '^(TestFaults|TestWhole)$$' ./...

faults: ## the operator killed before and after every write of every scenario; docs/faults.md
	@echo 'faults: the operator dies at its writes, story by story; the chosen faults usually take 15 minutes on 2 cores'
	$(assets); go test -v -tags seeds -count=1 -parallel 8 -timeout 12h -run '^(TestFaults|TestEarlierVersions|TestWhole)$$' \
	  ./test/faults -faults $(or $(FAULTS),chosen) $(FAULTS_FLAGS)

# What was told of a code is kept: broken off, it goes on where it was.
faults-all: code = $(shell { git ls-files -s $(TOLD); git diff HEAD -- $(TOLD); } | sha256sum | cut -c1-12)
faults-all: TOLD = go.mod main.go api config controllers internal test/faults ':!controllers/*_test.go' ':!internal/*_test.go' ':!test/faults/costs_test.go'
faults-all: ## every fault at every write, some hours; go on with it after a break by the same command
	$(MAKE) faults FAULTS=all FAULTS_FLAGS="-kept $(CURDIR)/$(DIST)/faults/told -code $(code)"

corpus: ## at a release: objects of this VERSION, for later ones to go on from
	test -n "$(VERSION)"; $(assets); go test -count=1 -timeout 30m ./test/faults -run 'TestRecord$$' -record $(VERSION)

conformance: ## what the local cluster does like any other Kubernetes, and its own tests
	@echo 'conformance: the cluster as any other, 200 snapshots under load, csi-test; usually 7 minutes on 2 cores'
	if test "$(CLUSTER)" = local; then go -C hack/cluster test -count=1 ./... && go -C hack/cluster/components/csidriver test -count=1 ./...; fi
	$(kube); go -C test/conformance test -count=1 -timeout 30m ./...

test: integration ## everything, on a cluster of its own (root) or the one at hand
	if test "$(CLUSTER)" = local && test "$$(id -u)" = 0; then $(CLUSTERCTL) up; fi
	if test "$(CLUSTER)" = current || $(CLUSTERCTL) status >/dev/null 2>&1; then $(MAKE) conformance faults-and-e2e; \
	else $(MAKE) faults; echo "left out: conformance and end to end need a cluster (make cluster-up)"; fi

# The stories mostly wait and the harness only computes: together they take little longer than the stories.
faults-and-e2e: ## both side by side; what the harness says is told at the end
	mkdir -p $(DIST); nice -n 19 $(MAKE) faults >$(DIST)/faults.log 2>&1 & faults=$$!; \
	trap 'kill $$faults 2>/dev/null || :' EXIT; \
	code=0; $(MAKE) test-e2e || code=$$?; \
	echo "waiting for the fault harness; it writes to $(DIST)/faults.log"; \
	wait $$faults || code=$$?; cat $(DIST)/faults.log; exit $$code

test-e2e: deploy ## what people do wrong, one upgrade, one rollback, one go-live that fails, on the cluster
	@echo 'test-e2e: stories on a real cluster; usually 19 minutes on 2 cores'
	$(kube); GRADUS_E2E=1 go test -v -count=1 -timeout 60m ./test/e2e/...

## A cluster

cluster-up: ## the local cluster of hack/cluster
	$(CLUSTERCTL) up

cluster-down: ## stop it and remove every trace
	$(CLUSTERCTL) down

cluster-lifecycle: ## after a change to hack/cluster: clusters of its own, kill -9 of everything (root)
	@echo 'cluster-lifecycle: clusters are started, killed and removed without a trace; usually 5 minutes on 2 cores'
	go -C hack/cluster test -count=1 -timeout 30m -v . -args -lifecycle

images: ## the image of Gradus as a tar; into the local cluster if it is up
	mkdir -p $(DIST)
	CGO_ENABLED=0 go build -trimpath -o $(DIST)/gradus .
	$(CLUSTERCTL) image binary --name $(IMAGE) --out $(CURDIR)/$(DIST)/gradus.tar --binary $(CURDIR)/$(DIST)/gradus
	if test "$(CLUSTER)" = local; then $(CLUSTERCTL) load $(CURDIR)/$(DIST)/gradus.tar; fi

.PHONY: $(DIST)/kustomization.yaml # IMAGE may have changed
$(DIST)/kustomization.yaml:
	mkdir -p $(DIST)
	printf '%s\n' 'resources: [../config/default]' \
	  "images: [{name: gradus, newName: $${IMAGE%:*}, newTag: $${IMAGE##*:}}]" > $@

deploy: images $(DIST)/kustomization.yaml ## Gradus into the cluster
	$(kube); kubectl apply --server-side --force-conflicts -k $(DIST)
	$(kube); kubectl -n gradus-system rollout restart deployment/gradus-manager deployment/gradus-production
	$(kube); kubectl -n gradus-system rollout status --timeout 3m deployment/gradus-manager
	$(kube); kubectl -n gradus-system rollout status --timeout 3m deployment/gradus-production

undeploy: $(DIST)/kustomization.yaml ## Gradus out of the cluster; sites are left alone
	$(kube); kubectl delete --ignore-not-found -k $(DIST)

# Go says nothing while it compiles.
DEMO := @printf 'compiling the demo: seconds; the first time, with all modules, 3 to 10 minutes\n'; go run ./hack/demo
DEMO_FLAGS := $(if $(filter current,$(CLUSTER)),--current)

demo: ## a whole upgrade of a real LMS to watch; then make demo-rollback
	$(DEMO) all $(DEMO_FLAGS)

demo-rollback: ## the way back, with its price
	$(DEMO) rollback $(DEMO_FLAGS)

demo-kills: ## the demo with kill -9 of operator, kubelet, containerd, etcd at 50 random moments
	$(DEMO) kills --times $(or $(TIMES),50) --seed $(or $(SEED),0)

presubmit: verify lint test build ## everything, as before a merge

clean: ## what was built
	rm -rf bin $(DIST)
