# `make demo` shows it; `make check` before every commit; `make test` before it lands. CONTRIBUTING.md says more.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# Tests run on this many cores.
WORKERS ?= 2
PYTEST = $(BIN)/python -m pytest -n $(WORKERS) --dist worksteal

.PHONY: demo check test lint types fast unit file tired coverage mutation needs docs changes bench deb deb-test addon lock sbom release-check clean

demo: .venv/.demo
	@$(BIN)/energy-sim demo $(ARGS)

# Every day: what is pure and fast, within a minute.
check: lint types fast

# Everything, on what it needs.
test: needs lint types unit

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.test
	$(BIN)/mypy

fast: .venv/.test
	$(PYTEST) -m fast $(ARGS)

unit: .venv/.test
	$(PYTEST) -rs $(ARGS)

# One file (or test): make file T=tests/market/test_bidding.py
file: .venv/.test
	$(BIN)/python -m pytest $(T)

# As `file`, on a machine that is stopped at random moments: nothing may depend on its speed.
tired: .venv/.test
	$(BIN)/python -m tests.tired $(T)

coverage: .venv/.test needs
	$(PYTEST) --cov --cov-report= $(ARGS)
	$(BIN)/python -m tests.rooms_covered

# Changes the code in small ways and names those that no test notices.
mutation: .venv/.test
	$(BIN)/python -m benchmarks.mutation $(ARGS)

needs:
	@.ci/needs

docs: .venv/.docs
	$(BIN)/sphinx-build --fresh-env --fail-on-warning --keep-going --quiet -b html docs build/docs
	@echo "build/docs/index.html"

# What the next release will say.
changes: .venv/.docs
	$(BIN)/towncrier build --draft --version Unreleased

# A Debian package for this machine's kind, checked by lintian where that is installed.
deb:
	@systemd/debian/build
	@if command -v lintian >/dev/null; then lintian --fail-on error,warning dist/*.deb 2>/dev/null; fi

# The package on a clean Debian machine: installed, run, upgraded, removed, purged. Root, debootstrap and systemd-container are needed; some five minutes.
deb-test: deb .venv/.test
	HEG_DEBIAN_PACKAGE=$$(ls -t dist/*.deb | head -n 1) $(BIN)/python -m pytest -rs tests/packages/test_debian.py

# The Home Assistant add-on, complete: copy the folder to /addons of Home Assistant, or put it into a repository of add-ons.
addon: .venv/.test
	@rm -rf build/addon && mkdir -p build/addon
	@cp -r home-assistant/. build/addon/
	@$(BIN)/pip wheel --quiet --disable-pip-version-check --no-deps -w build/addon/energy-gateway .
	@cp constraints.txt build/addon/energy-gateway/
	@echo build/addon

bench: .venv/.test
	@for f in benchmarks/*.py; do echo "== $$f"; $(BIN)/python $$f || exit 1; done

# Dependencies with the hashes of their files; no address of an index is in it.
lock: build/release/.done
	@{ head -n 2 requirements.lock; build/release/bin/pip-compile --quiet --generate-hashes --no-emit-index-url \
	  --no-emit-trusted-host --no-emit-find-links --no-annotate --no-header --strip-extras -c constraints.txt -o - pyproject.toml; } > build/lock
	@mv build/lock requirements.lock

# A software bill of materials (CycloneDX, checked against its schema) of just what the lock installs.
sbom: build/release/.done
	@$(PYTHON) -m venv --clear build/runtime
	@build/runtime/bin/pip install --quiet --disable-pip-version-check --require-hashes --no-deps -r requirements.lock
	@build/runtime/bin/pip install --quiet --disable-pip-version-check --no-deps .
	@build/runtime/bin/pip uninstall --quiet --yes setuptools pip
	@build/release/bin/cyclonedx-py environment --validate --output-reproducible --pyproject pyproject.toml -o build/sbom.json build/runtime/bin/python
	@echo "build/sbom.json"

# Whether this tree may be released: the project's contact, its release key, and what else a release needs set.
release-check: .venv/.test
	@$(BIN)/python -m tests.release_check

build/release/.done: pyproject.toml
	@$(PYTHON) -m venv build/release
	@build/release/bin/pip install --quiet --disable-pip-version-check "cyclonedx-bom>=7.5,<8" "pip-tools>=7.6,<8"
	@touch $@

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis .coverage dist build

.venv/bin/pip:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Python 3.11 or newer is needed; set PYTHON=..."; exit 1; }
	@echo "Making a virtual environment in .venv ..."
	@$(PYTHON) -m venv .venv

.venv/.demo: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing what the demo needs (about a minute, once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[sim]"
	@touch $@

.venv/.test: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing what the tests need (a minute or two, once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[test]"
	@touch $@ .venv/.demo

.venv/.docs: pyproject.toml constraints.txt | .venv/bin/pip
	@echo "Installing what the docs need (once) ..."
	@$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e ".[docs]"
	@touch $@
