# Everything a person types.  `make run` and `make test` need Python 3.11+ and make, nothing else.
PYTHON ?= python3
HOME_DIR := $(or $(EIGHTBELLS_HOME),$(CURDIR)/var)
BIN := .venv/bin
UV := $(BIN)/uv
JOBS ?= 2

export EIGHTBELLS_HOME := $(HOME_DIR)
export DAGSTER_HOME := $(HOME_DIR)/dagster
export DAGSTER_DISABLE_TELEMETRY := yes
export NUMBA_CACHE_DIR := $(HOME_DIR)/numba
export OPENBLAS_NUM_THREADS := 1
export PYTHONUTF8 := 1

.PHONY: help run ui test lint bench bench-compare verify lock format clean

help: ## list what can be made
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sed -E 's/:.*## /\t/' | expand -t 16

$(UV): requirements/bootstrap.lock
	@$(PYTHON) -c 'import sys; v = sys.version_info[:2]; sys.exit(0 if v >= (3, 11) else f"Python {v[0]}.{v[1]} is too old: Eight Bells needs 3.11 or newer. Name one with: make PYTHON=python3.12 run")'
	$(PYTHON) -m venv .venv
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements/bootstrap.lock
	@touch $@

.venv/.run: $(UV) requirements/run.lock pyproject.toml
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/run.lock
	$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
	@touch $@

.venv/.dev: .venv/.run requirements/dev.lock
	$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements/dev.lock
	@touch $@

.venv-peers/.done: $(UV) requirements/peers.lock
	$(UV) venv --quiet --clear --python $(BIN)/python .venv-peers
	$(UV) pip install --quiet --python .venv-peers/bin/python --require-hashes -r requirements/peers.lock
	@touch $@

run: .venv/.run ## set everything up and run the main job on the configured source
	$(BIN)/bells run

ui: .venv/.run ## the Dagster UI on http://localhost:3000
	$(BIN)/bells doctor --prepare
	$(BIN)/dagster dev -w workspace.yaml

test: .venv/.dev ## set everything up and pass the tests
	$(BIN)/python -m pytest -n $(JOBS) --dist worksteal --cov --cov-report=term:skip-covered $(ARGS)

lint: .venv/.dev ## ruff, strict types, import graph
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/ty check
	$(BIN)/python -m pytest -q tests/test_layers.py

format: .venv/.dev ## let ruff rewrite
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: .venv/.run .venv-peers/.done ## measure beside the peers: make bench [JOB=name]
	$(BIN)/python -m benchmarks.run $(if $(JOB),--job $(JOB))

# `make bench-compare OLD NEW` names files where make expects goals: turn the rest of the line into no-ops.
ifeq (bench-compare,$(firstword $(MAKECMDGOALS)))
COMPARED := $(wordlist 2,3,$(MAKECMDGOALS))
.PHONY: $(COMPARED)
$(COMPARED): ; @:
endif
bench-compare: .venv/.run ## compare two results: make bench-compare old.json new.json
	$(BIN)/python -m benchmarks.compare $(COMPARED)

verify: .venv/.dev .venv-peers/.done ## prove the claims: make verify [ISSUE=nn]
	$(BIN)/python -m benchmarks.verify $(if $(ISSUE),--issue $(ISSUE)) $(if $(BUDGET),--budget $(BUDGET))

lock: $(UV) ## resolve requirements/*.in anew
	cd requirements && for name in bootstrap run dev peers; do \
	  ../$(UV) pip compile --universal --python-version 3.11 --generate-hashes --no-emit-index-url --quiet $$name.in -o $$name.lock || exit 1; done

clean: ## forget environments and caches (state under var/ stays)
	rm -rf .venv .venv-peers .pytest_cache .ruff_cache .hypothesis
