# Each target sets up what it needs: a virtual environment in .venv, with uv when it is there, otherwise pip.
SHELL := /bin/bash
PYTHON ?= python3
BIN := .venv/bin
UV := $(shell command -v uv 2>/dev/null)

.PHONY: setup demo test lint service cloud browser crash simulate churn claims fuzz bench openapi profile docs schema clean

.venv/.dev: pyproject.toml requirements.lock
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv || { echo "python3 >= 3.11 with venv is needed (Debian: apt install python3-venv)"; exit 1; }
	@$(BIN)/python -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { echo "Headrace needs Python 3.11 or newer; try: make PYTHON=python3.12 $(MAKECMDGOALS)"; exit 1; }
	@echo "Setting up .venv (once) ..."
ifneq ($(UV),)
	@$(UV) pip install --quiet --python $(BIN)/python --require-hashes -r requirements.lock
	@$(UV) pip install --quiet --python $(BIN)/python --no-deps --no-build-isolation -e .
else
	@$(BIN)/python -m pip --version >/dev/null 2>&1 || $(BIN)/python -m ensurepip >/dev/null
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --require-hashes -r requirements.lock
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
endif
	@touch $@

setup: .venv/.dev

demo: .venv/.dev  ## the whole story in a minute: crawl, kill -9, resume, look
	@$(BIN)/python -m headrace.sandbox.demo

test: .venv/.dev lint  ## everything but the slow lanes
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m "not docs and not crash and not cloud and not service and not browser"

lint: .venv/.dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

crash: .venv/.dev  ## every fault in every paging style; then real kills over every destination, paging and write mode
	$(BIN)/python -m pytest -q -m crash tests
	@$(BIN)/python -m headrace.testing.crash --kills $(or $(KILLS),200) --results $(or $(RESULTS),build/results)

service: .venv/.dev  ## services that are killed, flooded and lose their store, one instance and two
	$(BIN)/python -m pytest -q -m service tests

cloud: .venv/.dev  ## key services, secret managers and object stores of the clouds: the real clients, against stand-ins on loopback
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m cloud tests

browser: .venv/.dev  ## the dashboard in Chromium ($CHROMIUM, or the one on PATH); pictures go to build/pictures
	$(BIN)/python -m pytest -q -m browser tests/pages

simulate: .venv/.dev  ## seeded simulated crashes; a violation names its seed: python -m headrace.testing.simulate --seed S
	@$(BIN)/python -m headrace.testing.simulate --seeds $(or $(SEEDS),15000) $(if $(RESULTS),--out $(RESULTS)/simulate.json)

fuzz: .venv/.dev  ## coverage-guided, over pipeline files and every decoder: make fuzz SECONDS=600
	@$(BIN)/python -c 'import atheris' 2>/dev/null || $(or $(and $(UV),$(UV) pip install --quiet --python $(BIN)/python),$(BIN)/python -m pip install --quiet) 'atheris>=3'
	@$(BIN)/python -m headrace.testing.fuzz --seconds $(or $(SECONDS),60)

churn: .venv/.dev  ## crawls of records that come and go: what counts as removed, beside the truth; kept in docs/results
	@$(BIN)/python -m headrace.testing.churn --seeds $(or $(SEEDS),1500) --out docs/results/churn.json
	@$(BIN)/python -m headrace.testing.churn --first 5000 --seeds 15 --database sqlite --out docs/results/churn-sqlite.json
	@$(BIN)/python -m headrace.testing.churn --first 5000 --seeds 15 --database duckdb --out docs/results/churn-duckdb.json

claims: .venv/.dev  ## docs/claims.md anew, from what make crash, simulate, churn and bench have left
	$(BIN)/python docs/_build/claims.py

docs: .venv/.dev  ## the site, strictly, and every code block of README, CONTRIBUTING and docs
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet --site-dir build/site
	$(BIN)/python -m pytest -q -n 2 --dist loadgroup -m docs tests

bench: .venv/.dev  ## Headrace beside curl + read_json and dlt; ends with lines `figure value`
	$(BIN)/python benchmarks/run.py $(ARGS)

openapi: .venv/.dev  ## drafts from the OpenAPI documents of npm packages, each against a mock; docs/results/openapi.md
	$(BIN)/python benchmarks/openapi_corpus.py $(ARGS)

profile: .venv/.dev  ## where the time of a crawl goes, as text in benchmarks/profiles
	$(BIN)/python benchmarks/profiles.py $(ARGS)

lock:
	uv pip compile pyproject.toml --all-extras --group dev --group docs --universal --generate-hashes --no-header --no-annotate --no-emit-index-url -q -o requirements.lock
	uv pip compile pyproject.toml --extra service --extra redis --extra postgres --extra brotli --extra sql --extra s3 --universal --generate-hashes --no-header --no-annotate --no-emit-index-url -q -c requirements.lock -o requirements-service.lock

clean:
	rm -rf .venv build site
