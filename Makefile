# Two commands are all a newcomer needs: `make demo` and `make test`.

PYTHON ?= $(shell command -v python3.11 || command -v python3)
BIN := .venv/bin
# With a person at the terminal the demo goes on, live, after its day.
LIVE := $(shell [ -t 0 ] && [ -t 1 ] && echo --live)

.PHONY: demo test lint types unit docs bench clean

demo: .venv/.demo
	@$(BIN)/energy-sim demo $(LIVE) $(ARGS)

test: lint types unit

lint: .venv/.test
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/lint-imports

types: .venv/.test
	$(BIN)/mypy

unit: .venv/.test
	$(BIN)/python -m pytest -n 2 --dist worksteal -rs $(ARGS)

bench: .venv/.test
	@for f in benchmarks/*.py; do echo "== $$f"; $(BIN)/python $$f || exit 1; done

clean:
	rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .hypothesis dist build

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
