# Demyelin's chores. `make env` makes .venv with what running needs; a target that needs more adds it first.
# RESOLVE: how uv chooses versions: the pinned ones, or e.g. RESOLVE="--resolution lowest-direct"; RESOLVE= for the newest.
PYTHON ?= python3
UV := $(shell command -v uv 2>/dev/null || echo .uv/bin/uv)
BIN := .venv/bin
NPROCS ?= 2
RESOLVE ?= -c constraints.txt
# libraries are compiled once, not by each process where Python may not keep what it compiles
export UV_COMPILE_BYTECODE := 1
PYTEST := $(BIN)/python -m pytest -q --durations 15

DEMO := demo
OUT := $(DEMO)/derivatives/demyelin

ENGINE ?= $(shell docker info >/dev/null 2>&1 && echo docker || echo podman)

.PHONY: env dev-env demo pictures docs test pytest test-slow bench bench-lesions bench-structures bench-change lint hooks clean container-check install-check torture slurm-check
env: .venv/.ready

# with what tests, linters and the site need
dev-env: .venv/.dev

.uv/bin/uv:
	$(PYTHON) -m venv .uv
	.uv/bin/python -m pip install --upgrade pip uv

.venv/.ready: pyproject.toml constraints.txt $(filter .uv/bin/uv,$(UV))
	$(UV) venv --allow-existing --python $(PYTHON) .venv
	$(UV) pip install --python $(BIN)/python $(RESOLVE) -e .
	touch $@

.venv/.dev: .venv/.ready
	$(UV) pip install --python $(BIN)/python $(RESOLVE) -e '.[test,lint,docs]'
	touch $@

# four people from images to reports, and a cohort around them, drawn from known models, for both studies
demo: env
	rm -rf $(DEMO)
	$(BIN)/demyelin-phantom $(DEMO) --participants 4 --diagnosis RRMS,NMOSD --seed 9
	$(BIN)/demyelin $(DEMO) $(OUT) participant --fast -v --connectome synthetic
	$(BIN)/demyelin-phantom $(DEMO) --add --derivatives-only --study A --visits 80,30 --regions 9 --seed 1
	$(BIN)/demyelin-phantom $(DEMO) --add --derivatives-only --study B --visits 40,24 --patients 20,12 --seed 1
	$(BIN)/demyelin $(DEMO) $(OUT) group --classes RRMS NMOSD --external-site site2 --allow-synthetic-connectome \
	  --models ridge --folds 5 --outer-folds 4 --permutations 2 --repeated-splits 4
	@echo "Open these in a browser:"; ls $(OUT)/sub-*.html $(OUT)/qc.html $(OUT)/group.html

# the pictures of README and documentation, from the demo; PATIENT=PAGE adds a real patient's report
pictures: dev-env
	test -f $(OUT)/group.html || $(MAKE) demo
	$(BIN)/python docs/make_pictures.py $(OUT) docs/pictures $(if $(PATIENT),--patient $(PATIENT))

docs: dev-env
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict
	@echo "Open build/site/index.html"

test: lint pytest

pytest: dev-env
	$(PYTEST) -n $(NPROCS) --dist loadfile --cov

# faults on purpose have a target of their own: torture
test-slow: dev-env
	$(PYTEST) -m slow --ignore tests/torture

bench: dev-env
	$(BIN)/python bench/bench_overhead.py
	$(BIN)/python bench/bench_radiomics.py
	$(BIN)/python bench/bench_chaco.py
	$(BIN)/python bench/bench_edss.py
	$(BIN)/python bench/bench_edss.py --null-outcome --lasso 21
	$(BIN)/python bench/bench_diagnosis.py

bench-structures: dev-env
	PYTHONPATH=training $(BIN)/python bench/bench_structures.py build/structures

# change between visits: phantoms with known contraction, and with new lesions
bench-change: dev-env
	$(BIN)/python bench/bench_change.py
	$(BIN)/python bench/bench_change.py --lesions

# the ladder of lesion methods on real patients (where the shared data are) and phantoms
bench-lesions: dev-env
	PYTHONPATH=training $(BIN)/python bench/bench_lesions.py

lint: dev-env
	$(BIN)/ruff check bids_app demyelin tests training bench
	$(BIN)/ruff format --check bids_app demyelin tests training bench
	$(BIN)/mypy
	$(BIN)/numpydoc lint $$(find bids_app demyelin -name '*.py')
	$(BIN)/lint-imports
	$(BIN)/codespell
	$(BIN)/zizmor --quiet --offline --min-severity medium .github

# what a commit is checked for, on every file
hooks: dev-env
	$(BIN)/pre-commit run --all-files

# builds the image and runs it in docker or podman, and in Apptainer where that is installed
container-check:
	$(ENGINE) build $(if $(findstring podman,$(ENGINE)),--format docker) -t localhost/demyelin:check .
	tests/container/check.sh localhost/demyelin:check $(ENGINE)
	if command -v apptainer >/dev/null; then mkdir -p build && rm -f build/demyelin.tar \
	  && $(ENGINE) save --output build/demyelin.tar localhost/demyelin:check \
	  && apptainer build --force build/demyelin.sif docker-archive:build/demyelin.tar && rm build/demyelin.tar \
	  && tests/container/check.sh build/demyelin.sif; else echo "apptainer is not installed: not checked"; fi

# faults on purpose, from kills to fuzzed files; an hour and more. DEMYELIN_KILLS=5 is quicker
torture: dev-env
	DEMYELIN_FUZZ=200 $(PYTEST) -m 'slow or not slow' tests/torture

# needs a running Slurm
slurm-check: dev-env
	$(PYTEST) -m slow tests/cluster

# the wheel in a clean environment, by plain pip: make install-check PYTHON=python3.13 EXTRA=dask
install-check: $(filter .uv/bin/uv,$(UV))
	$(UV) build --wheel --out-dir build/wheel
	tests/installed/check.sh $(PYTHON) "$$(ls -t build/wheel/*.whl | head -1)" $(EXTRA)

clean:
	rm -rf .venv .uv build dist $(DEMO)
