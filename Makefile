# Wattrain. `make help` lists the targets.
PYTHON ?= python3
JOB ?= examples/digits-mlp.yaml
BIN := .venv/bin

.PHONY: help run lint types unit test cluster generate clean
.DEFAULT_GOAL := help

help: ## List the targets
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "  make %-10s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

run: .venv/.local-installed ## Install what a laptop needs, and train examples/digits-mlp.yaml to its receipt (JOB=..., ARGS=...)
	@$(BIN)/wattrain run $(JOB) $(ARGS)

lint: .venv/.dev-installed ## Check style, format and who imports whom
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/lint-imports

types: .venv/.dev-installed ## Check types
	@$(BIN)/python -m mypy

unit: .venv/.dev-installed ## Run the tests that need no cluster and start no training, in less than a minute
	@$(BIN)/python -m pytest -n $$(nproc) --dist worksteal tests/unit

test: .venv/.dev-installed ## Install the rest (as root, Debian packages too), and run every check and test
	@tests/cluster/install-packages.sh || echo "Going on without: tests that need a real node are skipped, and say so."
	@tests/run.sh

cluster: .venv/.operator-installed ## Run a whole Kubernetes with Wattrain installed, until Ctrl-C; builds it the first time
	@if [ "$$(id -u)" -eq 0 ] && command -v apt-get > /dev/null; then tests/cluster/install-packages.sh; fi
	@PYTHONPATH=tests/cluster exec $(BIN)/python -m harness.serve

generate: .venv/.dev-installed ## Write again what is generated: registered.py, manifests, two pages of docs/, dashboards and parts of the chart
	@$(BIN)/python -m wattrain_worker.train.registries
	@$(BIN)/python -m wattrain_api.crd
	@$(BIN)/python -m wattrain_api.metrics_doc
	@$(BIN)/python -m wattrain_api.contract_doc
	@$(BIN)/python dashboards/generate.py
	@$(BIN)/python charts/generate.py

clean: ## Remove the virtual environment and all caches; runs/ stays
	rm -rf .venv dist .hypothesis .mypy_cache .pytest_cache .ruff_cache .import_linter_cache

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "Wattrain needs Python 3.11 or newer, and $(PYTHON) is older: make PYTHON=python3.11 ..."; exit 2; }
	$(PYTHON) -m venv .venv

# A torch wheel in PIP_FIND_LINKS (a CPU build, say) is taken before the much larger one of the package index.
.venv/.local-installed: pyproject.toml | .venv/bin/python
	@if [ -n "$$PIP_FIND_LINKS" ]; then $(BIN)/pip install --quiet --no-index --no-deps 'torch>=2.10,<3' 2>/dev/null || true; fi
	$(BIN)/pip install --quiet --editable '.[local]'
	@touch $@

.venv/.operator-installed: pyproject.toml | .venv/bin/python
	$(BIN)/pip install --quiet --editable '.[operator]'
	@touch $@

.venv/.dev-installed: .venv/.local-installed
	$(BIN)/pip install --quiet --editable '.[dev]'
	@touch $@
