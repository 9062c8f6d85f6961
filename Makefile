# Targets for developers. A fresh machine needs only make and Python 3.11 or newer.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
STAMP := $(VENV)/.installed

.DEFAULT_GOAL := help
.PHONY: help setup unit test suite run simulate exhaust bench faults soak mutants docs lint lock clean

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(STAMP)  ## create .venv with .venv/bin/standing

$(STAMP): requirements-dev.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed, this is $$($(PYTHON) --version); try: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' || \
		{ echo "Python's venv module is missing; on Debian: apt-get install python3-venv"; exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements-dev.lock
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

unexport PYTHONDONTWRITEBYTECODE  # or every process of the tests compiles the project again

PROCESSES ?= 3
PYTEST := $(BIN)/python -m pytest -n $(PROCESSES) --dist loadfile --no-loadscope-reorder
unit: setup  ## run the quick tests that need no server, in less than a minute
	EXAMPLES=0.25 $(PYTEST) -m "not server and not model"

test: setup  ## run every check and test, on a real Kafka and PostgreSQL that the tests install and start
	@$(MAKE) --no-print-directory -j 2 lint suite

suite: setup
	$(PYTEST)

lint: setup  ## check format, types and imports
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

run: setup  ## run the demonstration: two years of a marketplace on this machine
	@$(BIN)/python -m workers.demo.demonstration

FLOWS := $(addprefix tests/flows/test_,killed_workers.py bad_input.py cases_wait.py dead_letter_limiter.py restored_database.py reconcile.py convergence.py)
faults: setup  ## inject every fault of docs/reliability.md on real servers (40 minutes)
	FAULTS=all $(BIN)/python -m pytest tests/faults $(FLOWS) -s

MINUTES ?= 20
RATE ?= 900
soak: setup  ## run a load with random faults, then check; MINUTES=20 RATE=900 (facts a second) SEED=N
	@$(BIN)/python -m tests.soak --minutes $(MINUTES) --rate $(RATE) $(if $(SEED),--seed $(SEED))

simulate: setup  ## run random histories with interleaved and killed workers, against the model; ARGS='--seed N --histories N'
	@$(BIN)/python -m tests.simulator $(ARGS)

exhaust: setup  ## run every short sequence of facts at the decisive instants, against the model; ARGS='--length 5'
	@$(BIN)/python -m tests.properties.exhaustion $(ARGS)

mutants: setup  ## apply each of the mutants to the engine and check that a test fails; ARGS='--only NAME'
	@$(BIN)/python -m tests.mutants $(ARGS)

bench: setup  ## measure the engine, beside hand-written loops; ARGS="--help"
	@$(BIN)/python -m benchmarks $(ARGS)

docs: setup  ## regenerate what follows from the code: schemas, AsyncAPI, tables of the documents
	$(BIN)/python -m contracts.generate
	$(BIN)/python -m tests.docs.generate

COMPILE := $(BIN)/uv pip compile -q --universal --generate-hashes --no-emit-index-url --no-header --no-annotate
lock: setup  ## update the locked dependencies, for production and for development
	$(COMPILE) --upgrade pyproject.toml -o requirements.lock
	$(COMPILE) --upgrade --all-extras -c requirements.lock pyproject.toml -o requirements-dev.lock

clean:  ## remove everything that was installed or downloaded
	rm -rf $(VENV) .cache .standing
