# Two commands: `make run` sets up and runs the whole chain; `make test` sets up and passes the tests.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/.ready
PROFILE ?= rehearsal
LOWEST := 3.11.0
PINS := .leadbook/pins
# --fork-strategy fewest: one version of a package for all Pythons, the newest that the lowest one takes.
COMPILE := $(PINS)/bin/uv pip compile --quiet --universal --python-version $(LOWEST) --fork-strategy fewest \
	--python $(PINS)/bin/python --no-emit-index-url --no-emit-find-links --custom-compile-command 'make pins' $(MOVE)

# Where bytecode may not be kept, each of the hundreds of processes of a run or a test compiles every package anew.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help setup pins run test nbval proof n8n-test mongosh-test lint lab sample docs down clean

help:
	@grep -E '^[a-z0-9-]+:.*#' Makefile | sed -E 's/:[^#]*#/\t/'

setup: $(READY)  # make .venv and install the pinned packages

$(READY): requirements.txt requirements-dask.txt pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(0 if (3, 11) <= sys.version_info < (3, 14) else "leadbook needs Python 3.11, 3.12 or 3.13: make PYTHON=python3.12 run")'
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { echo "leadbook: $(PYTHON) cannot make a virtual environment; install what it lacks (Debian, Ubuntu: apt install python3-venv) or name another Python: make PYTHON=python3.12 run" >&2; exit 2; }
	$(PYTHON) -m venv --clear $(VENV)
	$(BIN)/python -m pip install --quiet --no-compile --no-deps --disable-pip-version-check -r requirements.txt -r requirements-dask.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps -e .
	@touch $(READY)

pins:  # resolve requirements*.in anew, keeping what fits (MOVE=--upgrade moves all, MOVE="-P pandas" one)
	$(PYTHON) -m venv --clear $(PINS)
	$(PINS)/bin/python -m pip install --quiet --disable-pip-version-check uv==0.13.9
	$(COMPILE) requirements.in -o requirements.txt
	$(COMPILE) requirements-dask.in -o requirements-dask.txt

run: $(READY)  # the whole chain (PROFILE=rehearsal); make exits 0 for GO, else 2: .venv/bin/leadbook run tells 1 NO-GO from 2 broken
	$(BIN)/leadbook run --profile $(PROFILE)

lint: $(READY)  # ruff over sources and notebooks, mypy over the library
	$(BIN)/ruff check lib tests notebooks
	$(BIN)/ruff format --check lib tests
	$(BIN)/mypy

# Tests mostly wait, for servers to start and for patience to end: four at once keep two cores busy.
test: $(READY) lint  # lint and all tests, on real servers; one of them is every notebook as nbval runs it
	$(BIN)/python -m pytest -n 4 --dist loadfile --no-loadscope-reorder

nbval: export LEADBOOK_STATE := $(CURDIR)/.leadbook/nbval/servers
nbval: export LEADBOOK_RUN_DIR := $(CURDIR)/.leadbook/nbval/run
# Set, a blocking check does not end the notebook in an error: tests ask whether it works, not how fast this machine is.
nbval: export LEADBOOK_RUN_ID := nbval
nbval: $(READY)  # Run All over the nine notebooks in order, on servers and records of their own
	@rm -rf $(LEADBOOK_RUN_DIR); $(BIN)/leadbook down >/dev/null
	@$(BIN)/python -m pytest --nbval-lax --nbval-cell-timeout=240 -o timeout=600 -p no:xdist notebooks; \
	status=$$?; $(BIN)/leadbook down >/dev/null; exit $$status

proof: $(READY)  # long proofs that write tables of docs/: an hour on a quiet machine
	$(BIN)/python -m pytest -p no:xdist -m proof -o timeout=5400 tests/proofs

n8n-test: $(READY)  # install a real n8n from npm into .leadbook/n8n (1.5 GB; LEADBOOK_N8N names another) and run the workflows in it
	$(BIN)/python tests/n8n_real/install.py
	$(BIN)/python -m pytest -p no:xdist -m 'n8n and not proof' -o timeout=1800 tests/n8n_real

MONGOSH ?= $(CURDIR)/.leadbook/mongosh/node_modules/.bin/mongosh
mongosh-test: export MONGOSH := $(MONGOSH)
mongosh-test: $(READY)  # every snippet of docs/by-hand.md through the real mongosh; needs node, and npm where it is not there yet
	@[ -x "$(MONGOSH)" ] || npm install --silent --no-audit --no-fund --prefix .leadbook/mongosh mongosh@2.12.0
	$(BIN)/python -m pytest -p no:xdist -m mongosh tests/mongosh_real

lab: $(READY)  # JupyterLab in the notebooks folder
	$(BIN)/jupyter lab --notebook-dir notebooks

sample: $(READY)  # make docs/sample-report again from a rehearsal run: the first page and one phase's, as they lie in a report
	$(BIN)/leadbook run --profile rehearsal --keep-as .leadbook/sample
	cp .leadbook/sample/index.html .leadbook/sample/04_data_pipeline.html docs/sample-report/

docs: $(READY)  # regenerate traceability, trust, the guide's table and the notebooks' links
	$(BIN)/leadbook docs

down: $(READY)  # stop the rehearsal servers
	$(BIN)/leadbook down

clean:  # remove the virtual environment, caches and rehearsal servers; never backups, records or reports
	-@if [ -x $(BIN)/leadbook ]; then $(BIN)/leadbook down; LEADBOOK_STATE=.leadbook/nbval/servers $(BIN)/leadbook down; fi
	rm -rf $(VENV) .leadbook/servers .leadbook/nbval .pytest_cache .mypy_cache .ruff_cache
	@for kept in .leadbook/* reports; do if [ -e "$$kept" ]; then echo "kept: $$kept"; fi; done
