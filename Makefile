# `make demo` and `make test` work in a fresh clone: both make the environment first.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
export MPLBACKEND := Agg

.PHONY: demo test lint docs bench clean environment development

# A stamp is as new as what it was made from, so a change of the dependencies installs again.
environment: $(VENV)/.installed
development: $(VENV)/.installed-dev
$(VENV)/.installed: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train]'
	touch $@
$(VENV)/.installed-dev: pyproject.toml constraints.txt
	$(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,tune,series,media,export,serve,dev]'
	touch $@ $(VENV)/.installed

demo: environment ## make speech, train, build an LM, decode, score, transcribe
	$(BIN)/python recipes/demo/run.py

test: development ## unit and integration tests
	$(BIN)/python -m pytest -n 2 -m 'not slow'

lint: development
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

docs: environment ## the documentation site, into site/
	$(BIN)/pip install --quiet --disable-pip-version-check -c constraints.txt -e '.[train,docs]'
	NO_MKDOCS_2_WARNING=1 $(BIN)/mkdocs build --strict

bench: environment
	$(BIN)/python benchmarks/training/epoch.py

clean:
	rm -rf $(VENV) build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache
