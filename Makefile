# A thin wrapper: without make, `pip install -r requirements.txt -e .` and
# `rds-tf demo` do the same.
PYTHON ?= python3
BIN := .venv/bin
STAMP := .venv/.installed
# The unit tests run in two processes, one thread of TensorFlow each; JOBS=1 in one.
JOBS ?= 2
ifneq ($(JOBS),1)
PARALLEL := -n $(JOBS) --dist loadscope
ONE_THREAD := TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 OMP_NUM_THREADS=1
endif

.DEFAULT_GOAL := help
.PHONY: help install demo test lint docs audit bench notebooks

help:  ## list the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "%-11s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

install: $(STAMP)  ## make .venv with the pinned packages and rds_tf itself

$(STAMP): requirements.txt constraints.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "rds_tf needs Python 3.11 or newer: try make PYTHON=python3.11" >&2; exit 1; }
	@$(PYTHON) -c 'import venv, ensurepip' 2>/dev/null || \
	  { echo "$(PYTHON) has no venv module: run apt install python3-venv first" >&2; exit 1; }
	$(PYTHON) -m venv --clear .venv
	$(BIN)/python -m pip install --quiet -r requirements.txt -c constraints.txt
	$(BIN)/python -m pip install --quiet --no-deps --no-build-isolation -e .
	@touch $@

demo: $(STAMP)  ## run notebooks 01 to 05 on phantoms; results in artifacts/
	$(BIN)/rds-tf demo

test: lint docs  ## style, reference, unit tests, layers, notebook policy, notebooks
	$(ONE_THREAD) $(BIN)/python -m pytest -q $(PARALLEL) tests
	$(BIN)/python -m pytest -q --nbval-lax --nbval-current-env \
	  --nbval-cell-timeout=600 --nbval-sanitize-with notebooks/nbval_sanitize.cfg \
	  notebooks --ignore notebooks/exercises

lint: $(STAMP)  ## check style, format, and the installed packages against the lock
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/python .ci/packages.py

docs: $(STAMP)  ## build site/: guide and reference; a broken link fails
	$(BIN)/python -m mkdocs build

audit: $(STAMP)  ## the same for the packages; a known hole, or no look-up, fails
	$(BIN)/python .ci/packages.py --strict

bench: $(STAMP)  ## every claim of speed, 30 minutes; writes docs/performance.md
	$(BIN)/python benchmarks/bench.py

notebooks: $(STAMP)  ## rebuild the executed notebooks from notebooks/src
	$(BIN)/python notebooks/build.py
