# `make` alone says what there is. Nothing but Linux, Python 3.11, make, git and the package registries is needed.
SHELL := /bin/bash
.SHELLFLAGS := -euo pipefail -c
.DEFAULT_GOAL := help
MAKEFLAGS += --no-builtin-rules --no-print-directory

CACHE := $(or $(XDG_CACHE_HOME),$(HOME)/.cache)/hybridge
PYTHON := .venv/bin/python
ARGS ?=
CLUSTER ?=
JOBS ?= 2
TESTS ?= $(wildcard tests/unit tests/contract tests/integration)

# Where .ci/venv keeps its uv: the lab fetches a Go toolchain with it on a machine that has neither.
export PATH := $(PATH):$(CACHE)/uv-0.13.9/bin
# Many networks have a certificate authority of their own.
export UV_SYSTEM_CERTS ?= true
export PYTHONPATH := $(CURDIR):$(CURDIR)/operator
export PYTHONUNBUFFERED := 1
# Tests start hundreds of processes: each would compile all that it imports anew, which takes as long as all the rest.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help venv demo test chaos bench lint lab lab-down clean
.NOTPARALLEL:

help: ## this list
	@sed -nE 's/^([a-z-]+):[^#]*## (.*)/  make \1\t\2/p' $(MAKEFILE_LIST) | expand -t 18

venv: .venv/.synced ## the Python environment in .venv, as uv.lock pins it

.venv/.synced: uv.lock pyproject.toml
	@.ci/venv

demo: venv ## three simulated clouds, the operator, machines; ARGS=--exit ends by itself; CLUSTER=kubeconfig uses that cluster
	@exec $(PYTHON) -m lab.demo $(if $(CLUSTER),--cluster '$(CLUSTER)') $(ARGS)

test: venv ## unit, contract and integration tests; builds what the lab needs first (about 10 min the first time)
	@$(PYTHON) -m lab build
	@$(PYTHON) -m pytest -n $(JOBS) $(TESTS) $(ARGS)

chaos: venv ## everything is broken on purpose: exactly one of everything, whatever happens; docs/reliability.md (long)
	@$(PYTHON) -m lab build
	@$(PYTHON) -m pytest tests/chaos $(ARGS)

bench: venv ## the figures of docs/performance.md, measured on this machine
	@$(PYTHON) -m lab build
	@$(PYTHON) -m tests.bench $(ARGS)

lint: venv ## ruff, mypy, layers of the code, and whether crds/ and docs/troubleshooting.md are up to date
	@$(PYTHON) -m ruff check .
	@$(PYTHON) -m ruff format --check .
	@$(PYTHON) -m mypy operator lab tests
	@.venv/bin/lint-imports --no-cache
	@$(PYTHON) -m hybridge.api.crd --check crds/
	@$(PYTHON) -m hybridge.api.troubleshooting --check docs/troubleshooting.md
	@$(PYTHON) -m tests.reliability --check docs/reliability.md

lab: venv ## the lab alone, without an operator, in the background; ARGS as for `python -m lab up`
	@$(PYTHON) -m lab up --detach $(ARGS)

lab-down: venv ## end that lab
	@$(PYTHON) -m lab down $(ARGS)

clean: ## remove .venv, caches and what the lab left; the cache in ~/.cache/hybridge stays
	@if [ -x $(PYTHON) ] && [ -d .lab ]; then $(PYTHON) -m lab down; fi
	@find operator lab tests -name __pycache__ -prune -exec rm -rf {} +
	@rm -rf .venv .lab .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .hypothesis
