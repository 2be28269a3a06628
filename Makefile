# `make demo` compares models on simulated recordings, `make test` runs the tests.
# Everything goes into .venv; stamps there keep a second run from installing again.

PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
INSTALL := $(BIN)/python -m pip install --quiet --disable-pip-version-check -c constraints.txt
INPUTS := pyproject.toml constraints.txt
CODE := .

# The models are small: threads of one process would only get in the way of the others.
export OMP_NUM_THREADS := 1
export MKL_NUM_THREADS := 1
export OPENBLAS_NUM_THREADS := 1

.PHONY: help demo test lint types docs install clean

help:
	@echo "make demo   compare models on simulated recordings, results in demo/"
	@echo "make test   run the tests"
	@echo "make lint   style, with ruff"
	@echo "make types  types, with mypy"
	@echo "make docs   documentation with its gallery, in docs/_build/html"
	@echo "make clean  remove .venv and everything that was built"

$(VENV)/base.stamp: $(INPUTS)
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(INSTALL) -e .
	touch $@

$(VENV)/test.stamp: $(VENV)/base.stamp
	$(INSTALL) -e ".[test]"
	touch $@

$(VENV)/dev.stamp: $(VENV)/test.stamp
	$(INSTALL) -e ".[dev]"
	touch $@

$(VENV)/docs.stamp: $(VENV)/base.stamp
	$(INSTALL) -e ".[docs]"
	touch $@

install: $(VENV)/dev.stamp

demo: $(VENV)/base.stamp
	$(BIN)/skneurograph compare --out demo --jobs 2

test: $(VENV)/test.stamp
	$(BIN)/python -m pytest -n 2

lint: $(VENV)/dev.stamp
	$(BIN)/ruff check $(CODE)
	$(BIN)/ruff format --check $(CODE)

types: $(VENV)/dev.stamp
	$(BIN)/mypy

docs: $(VENV)/docs.stamp
	$(BIN)/python -m sphinx -W --keep-going -b html docs docs/_build/html

clean:
	rm -rf $(VENV) demo build dist htmlcov .coverage .pytest_cache .mypy_cache .ruff_cache
	rm -rf docs/_build docs/auto_examples docs/generated docs/sg_execution_times.rst
