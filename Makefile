# `make run` and `make test` do all the set-up: system packages, libbpf's sources, a virtual environment, the build.

# Which Python to build with; the first of 3.10 or later that is found when it is not given.
PYTHON ?=
VENV := .venv
BIN := $(VENV)/bin
STAMPS := build/stamps
QUIETLY := sh tools/quietly

# Warnings in our own C are errors here, see setup.py.
export LIBBPF_CFFI_DEV := 1
export PIP_DISABLE_PIP_VERSION_CHECK := 1

# Loading BPF programs takes root. No file that root writes may be in the user's way later.
AS_ROOT := $(shell [ "$$(id -u)" -eq 0 ] || echo "sudo -E env PATH='$$PATH' PYTHONDONTWRITEBYTECODE=1")

# What `make run` loads, and further arguments of bpf-run: make run OBJ=tool.o ARGS="--duration 5"
OBJ ?= examples/execve.bpf.c
ARGS ?=

# Further arguments of pytest: make unit PYTEST_ARGS="-k trace_pipe -x"
PYTEST_ARGS ?=

# Which kernels `make test-vm` boots, and `make test-kernels` one after the other: what tools/vm-kernel takes.
KERNEL ?= newest
KERNELS ?= 5.10 6.1 6.12 6.18 newest

# Tests run in a folder of their own: in this one `python -m libbpf_cffi.run` would find the sources, not the wheel.
TEST_DIR := build/test
pytest = mkdir -p $(TEST_DIR) && cd $(TEST_DIR) && $(1) $(CURDIR)/$(BIN)/python -bb -m pytest \
	-c $(CURDIR)/pyproject.toml --rootdir $(CURDIR) -o cache_dir=$(CURDIR)/$(TEST_DIR)/cache $(PYTEST_ARGS)

# What `make test-asan` runs, and `make test-tsan`: the files in which threads meet in C.
ASAN_TESTS ?= $(wildcard tests/unit/test_*.py tests/kernel/test_*.py)
TSAN_TESTS ?= $(addprefix tests/,$(addsuffix .py,$(addprefix unit/test_,btf handle log_limit record) \
	$(addprefix kernel/test_,event_reading event_streams logs map_bulk map_threads perf_buffer ring_buffer ring_buffer_walk \
	syscalls threads trace_pipe trace_raw user_ring_buffer variables)))

vm_test = $(AS_ROOT) $(BIN)/python tools/vm-test

WHEEL_SOURCES := setup.py build_ffi.py build_native.py build_dist.py pyproject.toml LICENSE $(wildcard README.md) \
	$(shell find csrc libbpf_cffi vendor/libbpf -path vendor/libbpf/source -prune -o \
		\( -name '*.[ch]' -o -name '*.map' -o -name '*.py' -o -name '*.pyi' -o -name py.typed -o -name pin \
		-o -name 'LICENSE*' \) ! -path 'libbpf_cffi/include/*' -print | LC_ALL=C sort)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help run test lint typecheck unit pytest test-vm test-kernels test-pythons test-asan test-lsan test-tsan sdist wheel bench \
	corpus state-machine fuzz leaks kills faults requirements vendor clean distclean FORCE

help:
	@echo "make run           build, then load the execve tracer of examples/ and show its trace (OBJ=file: another object)"
	@echo "make test          build, lint, type-check and run every test, a part of them with sanitizers; needs root"
	@echo "make lint          ruff"
	@echo "make typecheck     mypy"
	@echo "make unit          the tests that need neither root nor a kernel"
	@echo "make test-vm       the kernel tests on the newest kernel, in a virtual machine (KERNEL=6.12: another one)"
	@echo "make test-kernels  the same on $(KERNELS), one after the other"
	@echo "make test-pythons  the tests on every CPython that is found, with one wheel"
	@echo "make test-asan     the tests with AddressSanitizer and UndefinedBehaviorSanitizer in the extension"
	@echo "make test-lsan     the tests with LeakSanitizer"
	@echo "make test-tsan     those with threads, with ThreadSanitizer"
	@echo "make wheel sdist   build into dist/"
	@echo "make bench         the benchmarks"
	@echo "make corpus        compare with a C loader on the kernel's own BPF programs; some 20 minutes the first time"
	@echo "make fuzz          malformed bytes for everything that takes them, with sanitizers (TIME=seconds)"
	@echo "make leaks         10,000 lives of objects, maps, links and readers, after which nothing has grown (COUNT=n)"
	@echo "make kills         SIGKILL before and after every call into C: nothing stays but pins"
	@echo "make faults        let every call and allocation of many jobs fail once, with every errno; an hour"
	@echo "make state-machine  every operation in any order, in threads and forks (TIME=seconds)"
	@echo "make requirements  pin the newest versions of what building and testing needs"
	@echo "make vendor        unpack libbpf's sources"
	@echo "make clean         remove what builds leave; make distclean: the virtual environment and libbpf's sources too"

# --------------------------------------------------------------------------------------------------------------
# The main jobs

run: $(VENV)/.installed
	$(AS_ROOT) $(BIN)/bpf-run $(ARGS) $(OBJ)

test: lint typecheck
	@$(MAKE) --no-print-directory pytest

# After the quick checks, so that `make -j test` does not mix their outputs.
pytest: export LIBBPF_CFFI_NO_SKIP := 1
pytest: export LIBBPF_CFFI_LAST_TEST := $(CURDIR)/$(TEST_DIR)/last-test
pytest: $(VENV)/.installed $(STAMPS)/vm
	@echo "==> all tests"
	@rm -f $(LIBBPF_CFFI_LAST_TEST)
	@$(call pytest,$(AS_ROOT)) $(CURDIR)/tests || { status=$$?; \
		echo "the last test that began: $$(cat $(LIBBPF_CFFI_LAST_TEST) || echo none)"; exit $$status; }

lint: $(VENV)/.requirements
	@echo "==> ruff"
	@$(BIN)/ruff check

typecheck: $(VENV)/.requirements
	@echo "==> mypy"
	@$(BIN)/mypy
	@$(BIN)/mypy tests/typing
	@$(BIN)/mypy setup.py build_ffi.py build_native.py build_dist.py vendor/libbpf/unpack.py
	@$(BIN)/mypy tools/vm-kernel
	@$(BIN)/mypy tools/vm-test
	@$(BIN)/mypy tools/vm-kernels

unit: $(VENV)/.installed
	@$(call pytest) $(CURDIR)/tests/unit

test-vm: $(VENV)/.installed $(STAMPS)/vm
	@echo "==> kernel $(KERNEL)"
	@$(vm_test) $(KERNEL) --time-limit 3000 -m "not slow_emulated" $(PYTEST_ARGS) $(CURDIR)/tests/kernel $(CURDIR)/tests/vm

test-kernels: $(VENV)/.installed $(STAMPS)/vm
	@$(AS_ROOT) $(BIN)/python tools/vm-kernels --pieces 8 $(KERNELS) -- -m "not slow_emulated" $(PYTEST_ARGS) \
		$(CURDIR)/tests/kernel $(CURDIR)/tests/vm

test-pythons: $(STAMPS)/wheel
	@BIN=$(BIN) sh tools/test-pythons $(PYTEST_ARGS)

test-asan: build/asan/.installed $(STAMPS)/vm
	@$(AS_ROOT) tools/test-sanitized asan $(ASAN_TESTS) -- $(PYTEST_ARGS)

test-lsan: build/asan/.installed $(STAMPS)/vm
	@$(AS_ROOT) tools/test-sanitized lsan $(ASAN_TESTS) -- $(PYTEST_ARGS)

test-tsan: build/tsan/.installed $(STAMPS)/vm
	@$(AS_ROOT) tools/test-sanitized tsan $(TSAN_TESTS) -- $(PYTEST_ARGS)

bench: $(VENV)/.installed
	@set -e; for name in load startup trace_pipe maps variables ring_buffer perf_buffer; do \
		echo "==> benchmarks/$$name.py"; $(AS_ROOT) $(BIN)/python benchmarks/$$name.py; \
	done

corpus: $(VENV)/.installed
	$(AS_ROOT) $(BIN)/python tests/corpus/compare.py $(ARGS)

# Seconds; ARGS=--jobs=2 for both processors, ARGS=--only=open for one entry point.
TIME ?= 300
fuzz: build/asan/.installed $(VENV)/.installed
	@mkdir -p $(TEST_DIR) && cd $(TEST_DIR) && $(AS_ROOT) $(CURDIR)/$(BIN)/python $(CURDIR)/tests/fuzz/fuzz.py \
		--seconds $(TIME) --sanitized $(CURDIR)/build/asan/site $(ARGS) $(CURDIR)/build/fuzz

COUNT ?= 10000
leaks: export LIBBPF_CFFI_LEAK_CYCLES := $(COUNT)
leaks: $(VENV)/.installed
	@$(call pytest,$(AS_ROOT)) -s -o faulthandler_timeout=0 $(CURDIR)/tests/kernel/test_leaks.py

kills: export LIBBPF_CFFI_KILLS := 1000000
kills: $(VENV)/.installed
	@$(call pytest,$(AS_ROOT)) -v -o faulthandler_timeout=0 $(CURDIR)/tests/kernel/test_kill.py

faults: export LIBBPF_CFFI_FAULT_SECONDS ?= 0
faults: $(VENV)/.installed
	@$(call pytest,$(AS_ROOT)) -s -o faulthandler_timeout=0 $(CURDIR)/tests/kernel/test_fault_sweep.py

# Random operations in any order, each life in a process of its own; SEED=number begins with that one.
state-machine: $(VENV)/.installed
	@mkdir -p $(TEST_DIR) && cd $(TEST_DIR) && $(AS_ROOT) env OPENBLAS_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -bb \
		$(CURDIR)/tests/support/machine.py $(TIME)s $(SEED)
	@cd $(TEST_DIR) && $(AS_ROOT) env OPENBLAS_NUM_THREADS=1 $(CURDIR)/$(BIN)/python -bb \
		$(CURDIR)/tests/support/machine_exits.py 200 $(SEED)

wheel: $(STAMPS)/wheel
	@mkdir -p dist
	@cp -v build/wheel/*.whl dist/

sdist: $(VENV)/.requirements $(STAMPS)/vendor
	@echo "==> the sdist"
	@$(QUIETLY) $(BIN)/python -m build --sdist --no-isolation --outdir dist .
	@ls dist/*.tar.gz

# --------------------------------------------------------------------------------------------------------------
# Set-up, each step once

$(STAMPS)/system: tools/system-packages tools/find-python
	@mkdir -p $(STAMPS)
	@sh tools/system-packages $(PYTHON)
	@touch $@

# What only virtual machines need, and `make run` does not.
$(STAMPS)/vm: tools/system-packages | $(STAMPS)/system
	@mkdir -p $(STAMPS)
	@sh tools/system-packages --vm $(PYTHON)
	@touch $@

$(STAMPS)/vendor: vendor/libbpf/pin vendor/libbpf/unpack.py | $(STAMPS)/system
	@echo "==> libbpf's sources"
	@$$(sh tools/find-python $(PYTHON)) vendor/libbpf/unpack.py
	@touch $@

vendor: FORCE | $(STAMPS)/system
	@$$(sh tools/find-python $(PYTHON)) vendor/libbpf/unpack.py
	@touch $(STAMPS)/vendor

# A virtual environment whose Python is gone is made anew.
$(VENV)/.requirements: requirements/dev.txt | $(STAMPS)/system
	@echo "==> the virtual environment $(VENV)"
	@$(BIN)/python -c '' 2>/dev/null || $(QUIETLY) "$$(sh tools/find-python $(PYTHON))" -m venv --clear $(VENV)
	@$(QUIETLY) sh tools/pip-install $(BIN)/python --require-hashes -r requirements/dev.txt
	@touch $@

# The list of the wheel's sources, rewritten only when it changes: a deleted file makes a new wheel too.
$(STAMPS)/sources: FORCE
	@mkdir -p $(STAMPS)
	@printf '%s\n' $(WHEEL_SOURCES) | cmp -s - $@ || printf '%s\n' $(WHEEL_SOURCES) >$@

$(STAMPS)/wheel: $(STAMPS)/sources $(VENV)/.requirements $(STAMPS)/vendor $(WHEEL_SOURCES)
	@echo "==> the wheel"
	@rm -rf build/wheel
	@$(QUIETLY) $(BIN)/python -m build --wheel --no-isolation --outdir build/wheel .
	@touch $@

$(VENV)/.installed: $(STAMPS)/wheel
	@$(QUIETLY) $(BIN)/python -m pip install --quiet --no-deps --no-index --force-reinstall build/wheel/*.whl
	@touch $@

# The package with sanitizers in its C, in build/asan/site or build/tsan/site, its objects apart from the wheel's. What
# the compiler adds is not in its command, by which an object is known to be up to date: so its sum is.
build/asan/.installed: export LIBBPF_CFFI_SANITIZE := address,undefined
build/tsan/.installed: export LIBBPF_CFFI_SANITIZE := thread
build/asan/.installed build/tsan/.installed: build/%/.installed: tools/sanitized-cc $(STAMPS)/sources \
		$(VENV)/.requirements $(STAMPS)/vendor $(WHEEL_SOURCES)
	@echo "==> the wheel with sanitizers: $(LIBBPF_CFFI_SANITIZE)"
	@rm -rf build/$*/wheel build/$*/site
	@mkdir -p build/$*
	@printf '[build]\nbuild_base = build/$*/build\n' >build/$*/setup.cfg
	@CC=$(CURDIR)/tools/sanitized-cc CFLAGS="-O2 -g1 -fno-omit-frame-pointer -U_FORTIFY_SOURCE \
		-DSANITIZED_CC=$$(cksum <tools/sanitized-cc | cut -d' ' -f1)" \
		DIST_EXTRA_CONFIG=$(CURDIR)/build/$*/setup.cfg \
		$(QUIETLY) $(BIN)/python -m build --wheel --no-isolation --outdir build/$*/wheel .
	@$(QUIETLY) $(BIN)/python -m pip install --quiet --no-deps --no-index --target build/$*/site build/$*/wheel/*.whl
	@touch $@

FORCE:

# --------------------------------------------------------------------------------------------------------------
# Upkeep

# uv resolves for all Pythons at once and writes markers; pip-compile would need a file a Python.
requirements: $(VENV)/.requirements
	@$(QUIETLY) $(BIN)/python -m venv build/uv
	@$(QUIETLY) build/uv/bin/python -m pip install --quiet uv
	@$(QUIETLY) build/uv/bin/uv pip compile --universal --python-version 3.10 --upgrade --generate-hashes \
		--no-emit-index-url --no-emit-find-links --custom-compile-command "make requirements" \
		requirements/dev.in -o requirements/dev.txt
	@echo "requirements/dev.txt has the newest versions now"

clean:
	rm -rf build 2>/dev/null || $(AS_ROOT) rm -rf build
	rm -rf dist *.egg-info libbpf_cffi/include libbpf_cffi/_libbpf*.so
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find . -name __pycache__ -type d -not -path './.venv/*' -prune -exec rm -rf {} +

distclean: clean
	rm -rf $(VENV) vendor/libbpf/source vendor/libbpf/.lock vendor/libbpf/.unpacking-*
