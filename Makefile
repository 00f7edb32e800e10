# The environment that the README's second command makes, or another: make check PYTHON=python3.12
PYTHON ?= $(firstword $(wildcard .venv-dev/bin/python) python3)
CARGO ?= cargo
CARGO_HOME ?= $(HOME)/.cargo

.DEFAULT_GOAL := help
.PHONY: help install check workflows dependencies format format-check lint types types-package types-tests stubs imports rust test slow release-check fuzz bench speed notebook wheel

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "%-14s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

install:  ## Install the package in editable form, with all that tests and checks need
	$(PYTHON) -m pip install -c constraints.txt -e '.[dev]'

check: format-check lint types stubs imports workflows rust  ## Run every check that needs no test: what CI runs

format:  ## Write Python and Rust as the formatters do
	$(PYTHON) -m ruff format .
	$(PYTHON) -m ruff check --fix .
	$(CARGO) fmt

format-check:  ## Are Python and Rust as the formatters write them?
	$(PYTHON) -m ruff format --check .
	$(CARGO) fmt --check

lint:  ## ruff's lints
	$(PYTHON) -m ruff check .

types: types-package types-tests  ## mypy --strict over the package, the tests and the benches

# Two targets, for two processors: options differ, and so nothing that one finds serves the other.
types-package:
	$(PYTHON) -m mypy

# Tests pass wrong things on purpose: there, what an argument may be is not checked.
types-tests:
	$(PYTHON) -m mypy tests --cache-dir .mypy_cache/tests --no-warn-unused-ignores --disable-error-code arg-type \
	  --disable-error-code call-arg --disable-error-code call-overload \
	  --disable-error-code dict-item --disable-error-code list-item

stubs:  ## Does _core.pyi say what the compiled module has?
	test -f python/uwe/_core.pyi
	$(PYTHON) -m mypy.stubtest uwe._core

imports:  ## Do imports point down only?
	$(PYTHON) -c 'from importlinter.cli import lint_imports_command; lint_imports_command()'

workflows:  ## actionlint and zizmor over .github
	PATH="$$(dirname $(PYTHON)):$$PATH" actionlint .github/workflows/*.yml
	PATH="$$(dirname $(PYTHON)):$$PATH" zizmor --offline --persona pedantic --quiet .github

rust:  ## clippy with warnings as errors, with and without Python; the crate's documentation
	$(CARGO) clippy --locked --all-targets -- -D warnings
	$(CARGO) clippy --locked --all-targets --features python -- -D warnings
	RUSTDOCFLAGS='-D warnings' $(CARGO) doc --locked --no-deps --quiet

test:  ## All quick tests of both languages
	$(PYTHON) -m pytest -n auto --dist worksteal
	$(CARGO) test --locked

slow:  ## The slow tests that every change has to pass
	$(PYTHON) -m pytest -n auto --dist worksteal -m slow

# Beside the base install and the extras, the packages that these tests import.
RESOLUTION ?= lowest-direct
dependencies:  ## Quick tests with the lowest (or RESOLUTION=highest) versions that pyproject.toml allows
	$(PYTHON) -m uv venv --clear -p $(PYTHON) .venv-$(RESOLUTION)
	$(PYTHON) -m uv pip install -p .venv-$(RESOLUTION) --resolution $(RESOLUTION) -r pyproject.toml \
	  --extra arrow --extra enrich --extra mcp --extra serve --extra xlsx
	$(PYTHON) -m uv pip install -p .venv-$(RESOLUTION) --no-deps .
	$(PYTHON) -m uv pip install -p .venv-$(RESOLUTION) hypothesis msgspec onnx pandas pytest pytest-xdist
	.venv-$(RESOLUTION)/bin/python -m pytest -n auto --dist worksteal \
	  tests/cache tests/cli tests/core tests/encoder tests/enrich tests/extraction tests/files tests/ranking

release-check:  ## The tests of what is published: models on real data, graphs, the wheel
	$(PYTHON) -m pytest -n auto --dist worksteal -m release

fuzz:  ## A minute of random bytes opened as a target cache (cargo install cargo-fuzz)
	$(CARGO) fuzz run --sanitizer none open_cache -- -max_total_time=60

bench:  ## The benches: ratios to torch and NumPy, answers asserted equal
	$(PYTHON) -m pytest benches --benchmark-only -s

speed:  ## What this machine does: ever more targets, beside torch
	$(PYTHON) -m uwe bench speed

notebook:  ## Run docs/quickstart.ipynb, and keep what its cells show
	$(PYTHON) scripts/make_notebook.py

# Panics name the source file that they come from: without the folders of the machine that builds.
wheel:  ## The wheel for a release, into target/wheels
	RUSTFLAGS='--remap-path-prefix=$(CARGO_HOME)=cargo' $(PYTHON) -m maturin build --release --locked
