# A thin front for CMake: see README.md. `make bench` and `make test` work on a machine that has only git and make.
.DEFAULT_GOAL := build
.PHONY: help setup build bench test install clean

JOBS ?= $(shell getconf _NPROCESSORS_ONLN 2>/dev/null || echo 1)
PREFIX ?= /usr/local
BENCH_ARGS ?= --preset quick --report-dir qbench-report

help: ## what can be made
	@sed -n 's/^\([a-z]*\):.*## /\1\t/p' Makefile | expand -t 10

setup: ## install what is missing (asks for sudo only if something is)
	@scripts/setup.sh build

build: setup ## build/release/qbench and the tests
	@scripts/build.sh release -j $(JOBS)

bench: setup ## build, run the quick benchmark, write qbench-report/ (BENCH_ARGS: other options)
	@scripts/build.sh release -j $(JOBS) --target qbench
	build/release/qbench $(BENCH_ARGS)

test: ## fast tests, and a subset under the sanitizers
	@scripts/test.sh

install: setup ## program, man page and completions under $(DESTDIR)$(PREFIX)
	@scripts/build.sh release -j $(JOBS) --target qbench docs
	cmake --install build/release --prefix "$(PREFIX)"

clean: ## remove build/
	rm -rf build
