# Set-up needs only Go and make on Debian or Ubuntu: what else a target wants
# (compilers, runtimes) it installs from the distribution's packages.

SHELL   := /bin/bash
GO      ?= go
BIN     := build/leaktrace
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo -E)

.DEFAULT_GOAL := help
.PHONY: help build generate page demo test test-page image dashboard rules test-deploy test-kubernetes test-kernels test-arm64 test-goroutines soak bench scale lint clean deps

help: ## show this help
	@grep -hE '^[a-z0-9-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | column -ts $$'\t'

build: ## build build/leaktrace
	CGO_ENABLED=0 $(GO) build -o $(BIN) ./cmd/leaktrace

IMAGE ?= leaktrace:dev
image: ## build container images of amd64 and arm64, and the static binaries in them (deploy/README.md)
	$(GO) run ./deploy/image -ref $(IMAGE)

dashboard: ## regenerate deploy/grafana/leaktrace.json (needs node and npm)
	cd deploy/grafana && npm ci --silent --no-audit --no-fund && npm run --silent generate > dashboard.tmp && mv dashboard.tmp leaktrace.json

rules: ## copy deploy/prometheus/alerts.yml into the component of Kustomize
	cd tests/deploy && $(GO) test -count=1 -run TestRulesComponent -update .

DEPLOY_TOOLS := containerd runc systemd prometheus prometheus-alertmanager gcc libc6-dev
test-deploy: build image ## test deploy/ with Prometheus, Alertmanager, containerd, Helm, Kustomize and node
	tests/install.sh $(DEPLOY_TOOLS)
	command -v npm >/dev/null || tests/install.sh npm
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs $(CURDIR)/build/programs/demo
	cd deploy/grafana && npm ci --silent --no-audit --no-fund
	cd tests/deploy && $(GO) vet ./... && $(SUDO) env "PATH=$$PATH:/usr/sbin:/sbin" $(GO) test -count=1 -timeout 20m ./...

generate: page ## regenerate BPF objects with their Go bindings, and the script of the page (needs clang-19, node and npm; installs them)
	tests/install.sh clang-19 llvm-19
	$(GO) generate ./tracer

page: ## regenerate export/page/bundle, the script and style of --format html
	command -v npm >/dev/null || tests/install.sh npm
	cd export/page && npm ci --silent --no-audit --no-fund && npm run --silent build

demo: build ## trace a small leaking service for 15 s, print the report, and make one for a browser
	tests/install.sh gcc libc6-dev
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs $(CURDIR)/build/programs/demo
	$(SUDO) $(BIN) record --duration 15s --min-age 3s --output build/demo.ltz -- build/programs/demo 18
	$(BIN) report build/demo.ltz
	$(BIN) report --format html --output build/demo.html build/demo.ltz
	@echo "and for a browser: build/demo.html"

test: deps test-page ## run all tests, as root, on the real kernel
	$(SUDO) env "PATH=$$PATH" $(GO) test -count=1 -timeout 10m ./...

# The pages are of fixed reports, and of programs that are traced for 15 s. With UPDATE=1
# the pictures in export/page are taken again.
PAGE_PROGRAMS := $(addprefix $(CURDIR)/build/programs/,demo $(addprefix incidents/,analytics deadlines imaging policies))

test-page: build ## open the pages of --format html in headless Chromium
	tests/install.sh chromium fonts-dejavu-core gcc g++ libc6-dev libcurl4-openssl-dev python3
	command -v npm >/dev/null || tests/install.sh npm
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs $(PAGE_PROGRAMS)
	cd export/page && npm ci --silent --no-audit --no-fund
	$(GO) test -count=1 -run '^TestPages$$' ./export -pages $(CURDIR)/build/pages
	cd export/page && $(SUDO) env "PATH=$$PATH" npm test --silent

# Once built, the components of Kubernetes take seconds to build again.
KUBERNETES := $(CURDIR)/build/kubernetes

test-kubernetes: ## run the DaemonSet of deploy/ in a real cluster on this machine (builds Kubernetes: 10 minutes the first time)
	tests/install.sh containerd debian-archive-keyring gcc libc6-dev runc util-linux
	tests/kubernetes/fetch.sh $(KUBERNETES)
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs $(CURDIR)/build/programs/demo-static
	$(GO) run ./deploy/image -out $(KUBERNETES) -ref leaktrace:test
	cd tests/kubernetes && CGO_ENABLED=0 $(GO) build -o $(KUBERNETES)/kube -ldflags "-s -w \
		-X k8s.io/component-base/version.gitVersion=$$($(GO) list -m -f '{{.Version}}' k8s.io/kubernetes)" ./kube
	cd tests/kubernetes && $(SUDO) env "PATH=$$PATH" CGO_ENABLED=0 $(GO) test -count=1 -v -timeout 20m .

test-kernels: deps ## run the tests of tests/ on Debian's kernels 6.1, 6.12, 6.18 and 7.x, in qemu
	tests/install.sh cpio debian-archive-keyring qemu-system-x86
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs
	$(GO) test -tags kernels -count=1 -v -parallel 2 -timeout 8h ./tests/kernels

# The go command runs tests of another architecture by the program of this name.
ARM64      := $(CURDIR)/build/arm64
ARM64_EXEC := $(ARM64)/bin/go_linux_arm64_exec
ARM64_PURE := ./cmd/... ./export ./tracer/limit ./tracer/triage ./tracer/symbol/... ./tracer/unwind ./tracer/verdict
# Services simulated for days take a quarter of an hour there; those for hours stay.
ARM64_SKIP := ^TestSteadyServicesAreNeverAccused$$/^for_(a|another)_day$$
ARM64_GUEST := ^(TestAdoptedZombies|TestBeforeTracing|TestChildren|TestDepth|TestDlopen|TestExec|TestFollow|TestJoins|TestMainThreadEnds|TestOwners|TestParked|TestParkedGo|TestReusedPID|TestSockets)$$

test-arm64: deps ## run pure tests as arm64 in qemu, and kernel tests in an arm64 guest with a Debian kernel
	tests/install.sh gcc-aarch64-linux-gnu libc6-dev-arm64-cross qemu-user-static qemu-system-arm cpio
	mkdir -p $(dir $(ARM64_EXEC))
	ln -sf /usr/bin/qemu-aarch64-static $(ARM64_EXEC)
	GOARCH=arm64 $(GO) vet ./...
	$(SUDO) env "PATH=$(dir $(ARM64_EXEC)):$$PATH" QEMU_LD_PREFIX=/usr/aarch64-linux-gnu GOARCH=arm64 $(GO) test -count=1 -timeout 30m -skip '$(ARM64_SKIP)' $(ARM64_PURE)
	tests/arm64/fetch.sh $(ARM64)
	tests/arm64/image.sh $(ARM64)
	tests/arm64/boot.sh $(ARM64) tests ../build/leaktrace-test/leaktrace doctor
	tests/arm64/boot.sh $(ARM64) tests ../build/tracer.test -test.v
	tests/arm64/boot.sh $(ARM64) tracer/goroutine ../../build/goroutine.test -test.v '-test.run=^(TestDump|TestVerify)$$/^stripped_PIE$$' | tee /dev/stderr | grep -c '^--- PASS: Test' | grep -qx 2
	tests/arm64/boot.sh $(ARM64) tests ../build/tests.test -test.v -test.parallel=2 -test.timeout=30m '-test.run=$(ARM64_GUEST)'

test-goroutines: ## compare goroutines and their leaks with what each release of Go says of its own, and programs of others (downloads 700 MB)
	tests/install.sh prometheus-node-exporter
	$(SUDO) env "PATH=$$PATH" $(GO) test -tags releases -run 'TestReleases|TestMillion|TestPrograms|TestDebian|TestVerifyReleases|TestProfile|TestKernels|TestMoving|TestLargeHeap' -count=1 -v -timeout 60m ./tracer/goroutine

SOAK ?= 30m
soak: deps ## trace 2,000 creations/s of each kind for 30 minutes (SOAK=5m): counts exact, memory flat
	$(SUDO) env "PATH=$$PATH" $(GO) test -tags soak -run '^TestSoak$$' -count=1 -v -timeout 0 ./tests -soak $(SOAK)

BENCH_TOOLS := gcc libc6-dev make clang-19 bpftrace bpfcc-tools libbpf-tools strace valgrind \
	wrk nginx-light redis-server redis-tools
BENCH_PROGRAMS := $(addprefix $(CURDIR)/build/programs/,bench bench-tsan busy-go parked)

bench: build ## measure what tracing costs, beside other tools: tables in Markdown (BENCH=-short: 4 minutes)
	tests/install.sh $(BENCH_TOOLS)
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs $(BENCH_PROGRAMS)
	$(GO) build -o build/bench ./tests/bench
	$(SUDO) env "PATH=$$PATH:/usr/sbin:/sbin" build/bench $(BENCH)

scale: deps ## measure snapshots of 100,000 objects and of 500 processes
	$(SUDO) env "PATH=$$PATH" $(GO) test -run '^$$' -bench 'Scale|Export' -benchtime 1x -timeout 20m ./tests

lint: ## vet, golangci-lint, formatting, go.mod
	$(GO) vet ./...
	$(GO) tool golangci-lint run ./...
	$(GO) tool golangci-lint fmt --diff
	$(GO) mod tidy -diff

deps:
	tests/install.sh

clean: ## remove what the other targets made
	rm -rf build
