# Everything works in an empty clone on a machine with Python 3.11, make and git: each target sets up what it needs.
PYTHON ?= $(or $(shell command -v python3.11),python3)
BIN := .venv/bin
# Half of the tests' time is waiting, for processes to start or to be found dead: two at once take half as long.
PYTEST := $(BIN)/pytest -n 2 --dist loadfile

.PHONY: setup demo test test-full check lock format clean

setup: .venv/ready

.venv/ready: requirements.lock pyproject.toml
	$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "grokgrid needs Python 3.11 or newer: make PYTHON=…")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check uv==0.13.8
	# Compiled here and now: where PYTHONDONTWRITEBYTECODE is set, every worker would compile torch anew.
	$(BIN)/uv pip install --python $(BIN)/python --compile-bytecode --require-hashes -r requirements.lock
	$(BIN)/uv pip install --python $(BIN)/python --no-deps --no-build-isolation --editable .
	touch $@

# A real study on real data, offline: ends in its headline and the path of its report.
demo: setup
	$(BIN)/grokgrid run demo

# Leaves out what takes some five seconds or more: under six minutes on two quiet cores.
test: setup
	$(PYTEST) -m "not slow"

# Every test, those of `make test` included.
test-full: setup
	$(PYTEST)

# What CI runs: lint, types, and every test.
check: setup
	$(BIN)/ruff format --check
	$(BIN)/ruff check
	$(BIN)/mypy
	$(PYTEST)

format: setup
	$(BIN)/ruff format
	$(BIN)/ruff check --fix

# Pins and hashes without addresses, so that it installs from whichever index a machine is set up with. uv's own
# uv.lock holds addresses and is not kept.
lock: setup
	$(BIN)/uv lock --upgrade
	$(BIN)/uv export --quiet --format requirements-txt --no-emit-project --no-annotate --no-header -o requirements.lock

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis
