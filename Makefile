# Targets a newcomer needs; each sets up what it uses. `make help` lists them.
PYTHON ?= python3
BIN := .venv/bin
# Two modules share the cores; what fails there has to pass alone, and is named as flaky at the end.
FAILURES := .pytest_cache/failures
SIDE_BY_SIDE := -n 2 --dist loadfile --no-loadscope-reorder
PIP := $(BIN)/python -m pip --disable-pip-version-check install -qq --constraint constraints.txt
# Hundreds of processes import what is tested. Each would compile it anew if bytecode were not kept.
export PYTHONDONTWRITEBYTECODE :=

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit faults lint format lock clean

help: ## list the targets
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed 's/:.*## /\t/' | expand -t 12

.venv/.base: pyproject.toml constraints.txt
	@echo "installing into .venv (one to three minutes the first time)"
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(PIP) --editable .
	@touch $@

.venv/.dev: .venv/.base
	@$(PIP) --editable '.[dev]'
	@touch $@

setup: .venv/.dev ## create .venv with everything development needs

demo: .venv/.base ## real photos in, a trained model, 100,000 labelled images out
	@$(BIN)/aigc demo

test: .venv/.dev ## all tests but the longest, with a real Ray cluster and a real S3 server
	@$(BIN)/python -m pytest $(SIDE_BY_SIDE) --note-failures=$(FAILURES) \
		|| { test $$? -eq 1 && $(BIN)/python -m pytest --failed-before=$(FAILURES); }

unit: .venv/.dev ## the fast tests only
	@$(BIN)/python -m pytest -m "not integration"

faults: .venv/.dev ## the whole fault matrix and the long forms: kills, outages, a full disk (an hour)
	@AIGC_FAULT_SHARD_ITEMS=300 $(BIN)/python -m pytest tests/faults -m "faults or integration"
	@$(BIN)/python -m pytest -m faults --ignore tests/faults

lint: .venv/.dev ## ruff and mypy, strict
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

format: .venv/.dev ## let ruff rewrite what it can
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

lock: ## renew constraints.txt from a fresh install of pyproject.toml
	@rm -rf .venv && $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install -qq --editable '.[dev,bench]'
	@( head -1 constraints.txt; $(BIN)/python -m pip freeze --exclude-editable | sed 's/+cpu$$//' ) > constraints.new
	@mv constraints.new constraints.txt

clean: ## remove caches and the virtual environment, not your data
	@rm -rf .venv .pytest_cache .mypy_cache .ruff_cache
