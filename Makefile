# The daily commands. `make help` lists them.

SHELL := bash
.SHELLFLAGS := -eu -o pipefail -c
.DEFAULT_GOAL := help
.PHONY: help setup setup-tests run demo test test-localstack test-slow check bench build sizes audit checkov sbom deploy screens sam hooks release clean

# The newest Python of 3.11 to 3.13 that can make environments; PYTHON=... names another.
PYTHON ?= $(shell for p in python3.13 python3.12 python3.11 python3; do \
	if "$$p" -c 'import sys, venv, ensurepip; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' 2>/dev/null; \
	then echo "$$p"; break; fi; done)
BIN := .venv/bin
RUNTIME ?= local
ARCHITECTURE ?= x86_64
ARGS ?=
ENV ?= paper
ENGINE ?=

# What a shell has in PYTHONPATH goes before our own environments: another checkout's code would run.
unexport PYTHONPATH

help: ## Show these commands
	@awk -F ':.*## ' '/^[a-z-]+:.*## / {printf "make %-15s %s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: ## Make the environments from their lock files (the other commands do it by themselves)
	@if [ -z "$(PYTHON)" ]; then echo "error: no Python 3.11, 3.12 or 3.13 with venv found: install one (Debian: apt install python3-venv) or set PYTHON=" >&2; exit 1; fi
	@$(PYTHON) localstack/set_up.py

setup-tests:
	@if [ -z "$(PYTHON)" ]; then echo "error: no Python 3.11, 3.12 or 3.13 with venv found: install one (Debian: apt install python3-venv) or set PYTHON=" >&2; exit 1; fi
	@$(PYTHON) localstack/set_up.py --development

run: setup ## Start everything on this machine and show what happens (Ctrl-C stops it); ENGINE=localstack
	@if [ "$(ENGINE)" = localstack ]; then $(BIN)/python localstack/set_up.py --localstack; fi
	@exec $(BIN)/alpaquero up $(if $(ENGINE),--engine $(ENGINE)) $(ARGS)

demo: setup ## Trade 250 sessions of real prices through every part, and compare the books
	@exec $(BIN)/alpaquero demo $(ARGS)

test: setup-tests ## Run every test of the normal tier
	@$(BIN)/python -m laptop.chromium
	@$(BIN)/python -m laptop.dashboard test
	$(BIN)/python -m pytest -m "not slow and not localstack and not sam" -n 2 --dist loadgroup $(ARGS)

test-localstack: setup-tests ## Trade on LocalStack itself, as a process
	@$(BIN)/python localstack/set_up.py --localstack
	$(BIN)/python -m pytest -m localstack tests/localstack $(ARGS)

test-slow: setup-tests ## Run the long tests
	@$(BIN)/python -m laptop.chromium
	$(BIN)/python -m pytest -m slow $(ARGS)

check: setup-tests ## Format, lint, types, import rules, the API's description, template, nothing secret
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	@$(BIN)/python -m laptop.openapi check
	@$(BIN)/python -m laptop.dashboard check
	$(BIN)/cfn-lint --append-rules infra/rules -- template.yaml infra/site.yaml infra/operations.yaml infra/deploy-role.yaml
	@$(BIN)/python -m laptop.committed

hooks: setup-tests ## Run the parts of `make check` that a commit needs before each commit
	@$(BIN)/pre-commit install

bench: setup-tests ## Measure against goals and peers, ARGS=exchange one part; also in build/bench.json
	@$(BIN)/python -m tests.benchmarks $(ARGS)

build: setup ## Build layers and functions, RUNTIME=local or aws (ARCHITECTURE=x86_64 or arm64)
	@$(BIN)/alpaquero build --runtime $(RUNTIME) --architecture $(ARCHITECTURE)

sizes: setup ## Show what the AWS build weighs against its limits; ARGS=--twice builds it again and compares
	@$(BIN)/python -m laptop.sizes $(ARGS)

audit: setup ## Ask for known vulnerabilities of everything locked
	@$(BIN)/python localstack/set_up.py --audit
	@$(BIN)/python -m laptop.audit audit

checkov: setup ## Scan the templates; every finding is mended or has its reason in infra/checkov.yaml
	@$(BIN)/python localstack/set_up.py --checkov
	@$(BIN)/python -m laptop.checkov

sbom: setup ## Write build/sbom.json: what ships, as CycloneDX
	@$(BIN)/python localstack/set_up.py --audit
	@$(BIN)/python -m laptop.audit sbom

sam: setup-tests ## Run every function in a container with `sam local`, and under AWS's emulator
	@$(BIN)/python localstack/set_up.py --sam
	$(BIN)/python -m pytest tests/integration/test_under_emulator.py tests/integration/test_sam_local.py -rs $(ARGS)

deploy: setup ## Bring the stack in AWS to this release, ENV=paper or live: shows what changes, asks
	@$(BIN)/alpaquero deploy --env $(ENV) $(ARGS)

release: setup-tests ## Make release VERSION=X.Y.Z of a clean main: commits and tags, never pushes; ARGS=--dry-run
	@$(BIN)/python -m laptop.release $(VERSION) $(ARGS)

screens: setup-tests ## Take the pictures of the docs from a cloud that has traded
	@$(BIN)/python -m laptop.chromium
	$(BIN)/python -m tests.browser.screens

clean: ## Remove what is built; environments and .alpaquero stay
	rm -rf build frontend/dist frontend/node_modules *.egg-info layers/alpaquero/python/*.egg-info
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis .import_linter_cache
	find functions layers localstack tests -name __pycache__ -type d -prune -exec rm -rf {} +
