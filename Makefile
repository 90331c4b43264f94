# SPDX-License-Identifier: MIT
#
# Short names for what one does here every day; `make help` lists them. The build itself is CMake's.

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
MAKEFLAGS += --no-print-directory

# The labels of the tests that run under the thread sanitizer, as a regular expression: those that have threads.
TSAN_LABELS ?= unit|conformance|crash|stress|hosts
# How often a test may be run until it passes: 2 forgives a machine that is busy with others. What failed is named.
TRIES ?= 1
# What `make check` runs; everything else is `make test`.
CHECK_LABELS ?= house|refused|unit|conformance
# What `make test-long` runs.
LONG_LABELS ?= sim|stress|crash|model
# What `make sim` and `make mutants` run.
SEEDS ?= 20000
FIRST ?= 1
SIM_SECONDS ?= 1800
MUTANTS ?= 200
# What `make fuzz` runs: each target for so long, or only this TARGET.
FUZZ_SECONDS ?= 600
SEED ?= 1
# What bench/run.py is asked for. QUICK=1: small sizes, to see that it works.
BENCH_OPTIONS = $(if $(WORKLOAD),--workload "$(WORKLOAD)") $(if $(QUICK),--quick)

.PHONY: help
help:  ## this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / { printf "  make %-13s %s\n", $$1, $$2 }' $(MAKEFILE_LIST)

.PHONY: test
test: needs-build-test  ## build with g++ and run every test
	@$(MAKE) tested-dev

.PHONY: matrix
matrix: needs-build-test-matrix  ## the same with clang++, under the address, undefined behaviour and thread sanitizers
	@$(MAKE) tested-asan
	@$(MAKE) tested-tsan TEST_OPTIONS='-L "$(TSAN_LABELS)"'

.PHONY: test-long
test-long: needs-build-test  ## the randomised and stress tests, for much longer
	@$(MAKE) tested-long TEST_OPTIONS='-L "$(LONG_LABELS)"'

.PHONY: sim
sim: needs-build-test  ## simulated worlds by the thousand; SEEDS=n FIRST=seed SIM_SECONDS=most
	@$(MAKE) built-long BUILD_OPTIONS="--target sim"
	@build/long/tests/sim --seeds $(SEEDS) --first $(FIRST) --jobs 2 --seconds $(SIM_SECONDS)

.PHONY: mutants
mutants: needs-build-test-matrix  ## change the plan in small ways and see that tests notice; MUTANTS=n SEED=s
	@$(MAKE) built-clang BUILD_OPTIONS="--target plan_mutant_tests"
	@python3 tools/mutate.py build/clang --mutants $(MUTANTS) --seed $(SEED)

.PHONY: fuzz
fuzz: needs-build-test-matrix  ## fuzzers, two at a time; FUZZ_SECONDS=for each TARGET=name
	@$(MAKE) built-fuzz BUILD_OPTIONS="--target $(if $(TARGET),fuzz_$(TARGET),fuzzers)"
	@python3 tools/fuzz.py build/fuzz --seconds $(FUZZ_SECONDS) $(TARGET)

.PHONY: check
check: needs-build-test-check  ## the quick gate before a commit
	@tools/check_format.sh
	@$(MAKE) tested-dev TEST_OPTIONS='-L "$(CHECK_LABELS)" -E consumer'
	@tools/check_tidy.sh

.PHONY: format
format: needs-check  ## format every source file
	@tools/check_format.sh --fix

.PHONY: demo
demo: needs-build-demo  ## build and run the demonstration
	@$(MAKE) built-demo
	@$(if $(wildcard demo/run),demo/run build/demo,echo "there is no demonstration yet" >&2; exit 1)

.PHONY: bench
bench: needs-build-bench  ## build and run the benchmarks; WORKLOAD=name: only that one
	@$(MAKE) built-bench
	@python3 bench/run.py build/bench $(BENCH_OPTIONS)

.PHONY: bench-record
bench-record: needs-build-bench  ## the same, kept in bench/results/; MACHINE=name: what to call this machine
	@$(MAKE) built-bench
	@python3 bench/run.py build/bench $(BENCH_OPTIONS) --record "$(MACHINE)"

.PHONY: instructions
instructions: needs-build-bench  ## count the instructions of a task, and compare with those that are kept; RECORD=1: keep them
	@$(MAKE) built-bench BUILD_OPTIONS="--target thread_muster"
	@python3 bench/instructions.py build/bench $(if $(RECORD),--record)

.PHONY: deb
deb: needs-build-deb  ## build the Debian packages, in build/package: apt install build/package/*.deb
	@$(MAKE) built-package
	@cd build/package && rm -f *.deb && cpack && ls *.deb

.PHONY: clean
clean:  ## remove everything that was built
	rm -rf build

# ---- the steps the commands above are made of ----
# Configures when there is no build yet; afterwards the build itself notices what has to be configured again.
built-%:
	@test -f build/$*/build.ninja || cmake --preset $*
	@cmake --build --preset $* $(BUILD_OPTIONS)

tested-%:
	@$(MAKE) built-$*
	@ctest --preset $* --repeat until-pass:$(TRIES) $(TEST_OPTIONS)

needs-%:
	@tools/dependencies.sh $(subst -, ,$*)
