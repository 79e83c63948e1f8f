# `make serve` runs the mirror, `make test` proves it. Both set up what they need in .venv first;
# the stamp files in there say what is done already.

PYTHON := $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
PIP := $(BIN)/pip --disable-pip-version-check --quiet
# The tests neither read the operator's configuration nor touch the operator's data.
TEST_ENV := DATABASE_URL= MIRROR_CONFIG=/dev/null REGISTRY_STORAGE_FILESYSTEM_ROOTDIRECTORY=$(CURDIR)/.cache/data
COMPILE := $(CURDIR)/.cache/lock/bin/pip-compile --quiet --generate-hashes --strip-extras --allow-unsafe \
	--no-emit-index-url --no-emit-find-links --no-emit-trusted-host --no-emit-options

# Runs a command on a PostgreSQL in a folder of its own, which goes away with it.
ON_POSTGRESQL := $(BIN)/python -m tests.postgresql

.PHONY: serve test test-fast test-postgresql lint types migrations house docs bench bench-retention lock clean

serve: .venv/.runtime
	@exec $(BIN)/python manage.py serve

# Twice, side by side: everything on SQLite, and on PostgreSQL what a database has a part in
# (tests/conftest.py says how that is found); but real clients once, see tests/both_databases.py.
# pytest's counts close the output, those of PostgreSQL just above those of SQLite.
test: .venv/.test lint
	@mkdir -p .cache/data
	@if [ -x tests/e2e/install_parts.sh ]; then tests/e2e/install_parts.sh; fi
	$(TEST_ENV) $(BIN)/python -m tests.both_databases

# The one on PostgreSQL alone, with the real clients; with ARGS=tests/pull only of what is in there.
test-postgresql: .venv/.test
	@mkdir -p .cache/data
	$(TEST_ENV) $(ON_POSTGRESQL) $(BIN)/python -m pytest $(ARGS)

# What fits between two changes: under a minute on two cores. It leaves out what starts programs or asks
# for a database (found out at collection, see tests/conftest.py), and the few tests that are marked as
# slow, and says how many.
test-fast: .venv/.test
	@mkdir -p .cache/data
	$(TEST_ENV) $(BIN)/python -m pytest -q -n auto -m "not programs and not database and not slow and not e2e" $(ARGS)

# What stands in .pre-commit-config.yaml too, which has each of them run for what it is about.
lint: .venv/.test types migrations house
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python -m handbook --check

types: .venv/.test
	$(TEST_ENV) $(BIN)/mypy

migrations: .venv/.test
	@mkdir -p .cache/data
	$(TEST_ENV) $(BIN)/python manage.py makemigrations --check --dry-run

house: .venv/.test
	$(TEST_ENV) $(BIN)/python -m pytest -q tests/architecture

# Writes into docs/ what is made of the code.
docs: .venv/.test
	$(BIN)/python -m handbook

bench: .venv/.test
	$(BIN)/python -m bench

# Takes ten minutes, and a million files in the folder for temporary ones.
bench-retention: .venv/.test
	$(BIN)/python -m bench.retention

lock: .cache/lock/bin/pip-compile
	cd requirements && $(COMPILE) --output-file=runtime.txt runtime.in
	cd requirements && $(COMPILE) --output-file=fast.txt fast.in
	cd requirements && $(COMPILE) --output-file=test.txt test.in

# What the set-up and the tests made; never the data.
clean:
	rm -rf .venv .cache .pytest_cache .hypothesis

.venv/.python:
	@sh requirements/check_python.sh "$(PYTHON)"
	"$(PYTHON)" -m venv .venv
	@touch $@

.venv/.runtime: .venv/.python requirements/runtime.txt requirements/fast.txt
	$(PIP) install --require-hashes -r requirements/runtime.txt
	@mkdir -p .cache
	@$(PIP) install --require-hashes -r requirements/fast.txt >.cache/fast.log 2>&1 || echo \
		"The C parser for HTTP cannot be built here (.cache/fast.log says why); the Python one serves."
	@touch $@

.venv/.test: .venv/.runtime requirements/test.txt
	$(PIP) install --require-hashes -r requirements/test.txt
	@touch $@

.cache/lock/bin/pip-compile: .venv/.python
	"$(PYTHON)" -m venv .cache/lock
	.cache/lock/bin/pip --disable-pip-version-check --quiet install pip-tools
