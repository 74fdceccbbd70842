# Demyelin's chores. `make env` makes .venv; every other target makes it first where it is missing.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := .venv/bin
NPROCS ?= 2

DEMO := demo

ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)

.PHONY: env demo docs test test-slow bench bench-lesions lint clean container-check torture slurm-check
env: .venv/.ready

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --upgrade pip uv

.venv/.ready: pyproject.toml constraints.txt $(filter .uv/bin/uv,$(UV))
	$(UV) venv --allow-existing --python $(PYTHON) .venv
	$(UV) pip install --python $(BIN)/python -c constraints.txt -e '.[test,lint,docs]'
	touch $@

demo: env
	rm -rf $(DEMO)
	$(BIN)/demyelin-phantom $(DEMO)/bids --participants 4 --diagnosis MS,NMOSD --seed 1
	$(BIN)/demyelin $(DEMO)/bids $(DEMO)/derivatives participant --participant-label 001 002 --fast -v
	$(BIN)/demyelin-phantom $(DEMO)/study-a --derivatives-only --study A --visits 80,30 --regions 9 --seed 1
	$(BIN)/demyelin $(DEMO)/study-a $(DEMO)/study-a/derivatives/demyelin group --analysis edss --external-site site2 --folds 5 --outer-folds 5 --permutations 3
	$(BIN)/demyelin-phantom $(DEMO)/study-b --derivatives-only --study B --visits 40,24 --patients 20,12 --seed 1
	$(BIN)/demyelin $(DEMO)/study-b $(DEMO)/study-b/derivatives/demyelin group --analysis diagnosis --folds 5 --outer-folds 4 --permutations 2
	@echo "Open these in a browser:"; ls $(DEMO)/derivatives/*.html $(DEMO)/study-*/derivatives/demyelin/group.html

docs: env
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open build/site/index.html"

test: env lint
	$(BIN)/python -m pytest -q -n $(NPROCS) --dist loadfile --durations 15

test-slow: env
	$(BIN)/python -m pytest -q -m slow --durations 15

bench: env
	$(BIN)/python bench/bench_overhead.py
	$(BIN)/python bench/bench_radiomics.py
	$(BIN)/python bench/bench_chaco.py
	$(BIN)/python bench/bench_edss.py
	$(BIN)/python bench/bench_edss.py --null-outcome --lasso 21
	$(BIN)/python bench/bench_diagnosis.py

# the ladder of lesion methods on real patients (where the shared data are) and phantoms
bench-lesions: env
	PYTHONPATH=training $(BIN)/python bench/bench_lesions.py

lint: env
	$(BIN)/ruff check bids_app tests training bench
	$(BIN)/ruff format --check bids_app tests training bench
	$(BIN)/mypy
	$(BIN)/lint-imports

# builds the image and runs it in docker or podman, and in Apptainer where that is installed
container-check:
	$(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) -t localhost/demyelin:check .
	tests/container/check.sh localhost/demyelin:check $(ENGINE)
	if command -v apptainer >/dev/null; then mkdir -p build && rm -f build/demyelin.tar \
	  && $(ENGINE) save --output build/demyelin.tar localhost/demyelin:check \
	  && apptainer build --force build/demyelin.sif docker-archive:build/demyelin.tar && rm build/demyelin.tar \
	  && tests/container/check.sh build/demyelin.sif; else echo "apptainer is not installed: not checked"; fi

# faults on purpose, from kills to fuzzed files; an hour and more. DEMYELIN_KILLS=5 is quicker
torture: env
	DEMYELIN_FUZZ=200 $(BIN)/python -m pytest -q -m 'slow or not slow' tests/torture --durations 10

# needs a running Slurm
slurm-check: env
	$(BIN)/python -m pytest -q -m slow tests/cluster

clean:
	rm -rf .venv .uv build dist $(DEMO)
