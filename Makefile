# Set-up needs only Go and make on Debian or Ubuntu: what else a target wants
# (compilers, runtimes) it installs from the distribution's packages.

SHELL   := /bin/bash
GO      ?= go
BIN     := build/leaktrace
SUDO    := $(if $(filter 0,$(shell id -u)),,sudo -E)

.DEFAULT_GOAL := help
.PHONY: help build generate demo test test-kernels soak bench lint clean deps

help: ## show this help
	@grep -hE '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed 's/:.*##/\t/' | column -ts $$'\t'

build: ## build build/leaktrace
	$(GO) build -o $(BIN) ./cmd/leaktrace

generate: ## regenerate BPF objects and their Go bindings (needs clang-19; installs it)
	tests/install.sh clang-19 llvm-19
	$(GO) generate ./tracer

demo: build ## trace a small leaking service for 15 s and print the report
	tests/install.sh gcc libc6-dev
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs $(CURDIR)/build/programs/demo
	$(SUDO) $(BIN) run --duration 15s --min-age 3s -- build/programs/demo 16

test: deps ## run all tests, as root, on the real kernel
	$(SUDO) env "PATH=$$PATH" $(GO) test -count=1 -timeout 10m ./...

test-kernels: deps ## run the tests of tests/ on Debian's kernels 6.1, 6.12, 6.18 and 7.x, in qemu
	tests/install.sh cpio debian-archive-keyring qemu-system-x86
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs
	$(GO) test -tags kernels -count=1 -v -parallel 2 -timeout 8h ./tests/kernels

SOAK ?= 30m
soak: deps ## trace 2,000 creations/s of each kind for $(SOAK): counts exact, memory flat
	$(SUDO) env "PATH=$$PATH" $(GO) test -tags soak -run '^TestSoak$$' -count=1 -v -timeout 0 ./tests -soak $(SOAK)

BENCH_TOOLS := gcc libc6-dev make clang-19 bpftrace bpfcc-tools libbpf-tools strace valgrind \
	wrk nginx-light redis-server redis-tools
BENCH_PROGRAMS := $(addprefix $(CURDIR)/build/programs/,bench bench-tsan parked)

bench: build ## measure what tracing costs, beside other tools: tables in Markdown (BENCH=-short: 4 minutes)
	tests/install.sh $(BENCH_TOOLS)
	$(MAKE) --no-print-directory -C tests/programs OUT=$(CURDIR)/build/programs $(BENCH_PROGRAMS)
	$(GO) build -o build/bench ./tests/bench
	$(SUDO) env "PATH=$$PATH:/usr/sbin:/sbin" build/bench $(BENCH)

lint: ## vet, golangci-lint, formatting and generated files
	$(GO) vet ./...
	$(GO) tool golangci-lint run ./...
	$(GO) tool golangci-lint fmt --diff
	$(GO) mod tidy -diff

deps:
	tests/install.sh

clean: ## remove what the other targets made
	rm -rf build
