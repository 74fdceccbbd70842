# Demyelin's chores. `make env` makes .venv; every other target makes it first where it is missing.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := .venv/bin
NPROCS ?= 2

.PHONY: env demo test test-slow bench lint clean
env: .venv/.ready

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --quiet --upgrade pip uv

.venv/.ready: pyproject.toml constraints.txt $(filter .uv/bin/uv,$(UV))
	$(UV) venv --quiet --allow-existing --python $(PYTHON) .venv
	$(UV) pip install --quiet --python $(BIN)/python -c constraints.txt -e '.[test,lint]'
	touch $@

test: env lint
	$(BIN)/python -m pytest -q -n $(NPROCS) --dist loadgroup --durations 15

test-slow: env
	$(BIN)/python -m pytest -q -m slow --durations 15

lint: env
	$(BIN)/ruff check bids_app tests
	$(BIN)/ruff format --check bids_app tests
	$(BIN)/mypy
	$(BIN)/lint-imports

clean:
	rm -rf .venv .uv build dist
