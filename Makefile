PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --constraint constraints.txt

.PHONY: run lint docs test test-fast test-storm coverage pages clean

run: $(VENV)/.installed
	$(BIN)/python run_benchmark.py --config digits_data_shift

lint: $(VENV)/.installed-dev
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy

docs: $(VENV)/.installed-dev
	$(BIN)/python -m sphinx --quiet --fresh-env --fail-on-warning --keep-going docs docs/_build/html

test: lint docs
	$(BIN)/pytest

test-fast: lint
	$(BIN)/pytest -m "not slow and not clients and not storm"

test-storm: $(VENV)/.installed-dev
	$(BIN)/pytest -m storm

coverage: $(VENV)/.installed-dev
	$(BIN)/pytest --cov

pages: $(VENV)/.installed-dev
	$(BIN)/python docs/make_controller_pages.py
	$(BIN)/python docs/make_config_page.py
	$(BIN)/python docs/make_regime_table.py

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.installed: $(VENV)/bin/python pyproject.toml setup.cfg constraints.txt
	@echo "Installing into $(VENV): several GB, a few minutes in which pip prints nothing"
	$(INSTALL) --editable .
	touch $@

$(VENV)/.installed-dev: $(VENV)/.installed
	$(INSTALL) --editable '.[dev]'
	touch $@

clean:
	rm -rf $(VENV) docs/_build .coverage .hypothesis .mypy_cache .pytest_cache .ruff_cache
