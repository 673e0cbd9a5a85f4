# Everything that one does with Darkroom on a laptop. Each target sets up by itself what it needs.

PYTHON := .venv/bin/python
SAM := .venv-sam/bin/sam
HOST_ARCHITECTURE := $(subst aarch64,arm64,$(shell uname -m))
BUILT_FOR_HOST := .aws-sam/host
RUNTIME_CLIENT = $(shell sed -n 's/^\(awslambdaric==[0-9.]*\).*/\1/p' requirements-dev.txt)
SOURCES := $(shell find layers functions statemachines -type f -not -path '*/__pycache__/*') template.yaml

export SAM_CLI_TELEMETRY = 0
export PIP_DISABLE_PIP_VERSION_CHECK = 1

.PHONY: help setup demo up test simulate story fuzz bench openapi check lint template format lock clean

help: ## what there is
	@sed -n 's/^\([a-z]*\):.*## /  make \1\t/p' Makefile

setup: .venv/ready ## only set up .venv, which operate.py needs too
	@echo "Ready: .venv"

demo: .venv/ready $(if $(BUILT),$(BUILT_FOR_HOST)/template.yaml) ## one task from POST to picture to webhook, two dropped files (BUILT=1: from what sam build made)
	@$(PYTHON) -m local demo $(if $(BUILT),--built $(BUILT_FOR_HOST))

up: .venv/ready $(if $(BUILT),$(BUILT_FOR_HOST)/template.yaml) ## keep the local cloud running (PORT=8080)
	@$(PYTHON) -m local up --port $(or $(PORT),8080) $(if $(BUILT),--built $(BUILT_FOR_HOST))

test: .venv/ready ## all tests (FAST=1: without those that start the local cloud)
	@$(PYTHON) -m pytest --numprocesses 2 $(if $(FAST),-m "not slow")

simulate: .venv/ready ## what may go wrong at once: N=20000 random stories from SEED=0 on, all pairs of crashes, broken designs
	@$(HARNESS) schedules --number $(or $(N),20000) --seed $(or $(SEED),0)
	@$(HARNESS) crashes --pairs
	@$(HARNESS) variants

fuzz: .venv/ready ## the HTTP API against its own OpenAPI document, by schemathesis (N=500 examples of each operation)
	@$(PYTHON) -m tests.fuzz.run --examples $(or $(N),500)

bench: .venv/ready .venv/libraries/ready $(BUILT_FOR_HOST)/template.yaml ## what is fast, measured: writes benchmarks/results/ (SEED=7, ONLY="detection bill")
	@PYTHONPATH=layers/core:functions $(PYTHON) -m benchmarks --seed $(or $(SEED),7) $(ONLY)

openapi: .venv/ready ## write layers/core/darkroom/openapi.json anew, from the code
	@PYTHONPATH=layers/core:functions $(PYTHON) -m local.openapi

story: .venv/ready ## one of these stories, effect by effect (SEED=0)
	@$(HARNESS) story $(or $(SEED),0)

HARNESS := PYTHONPATH=layers/core:functions $(PYTHON) -m tests.harness

check: lint template ## format, lint, types, template, state machines, and a build for Lambda
	@echo "All is well."

lint: .venv/ready
	$(PYTHON) -m ruff format --check .
	$(PYTHON) -m ruff check .
	$(PYTHON) -m mypy

template: .venv-sam/ready
	$(SAM) validate --lint --region us-east-1
	.venv-sam/bin/python -m local.lint_asl statemachines/*.asl.yaml
	python=$$(local/find-python 3.13) && PATH="$$(dirname $$python):$$PATH" $(SAM) build --region us-east-1
	.venv-sam/bin/python -m local.lint_bytecode .aws-sam/build/CoreLayer/python .aws-sam/build/DependenciesLayer/python

format: .venv/ready ## make the sources look as check wants them
	$(PYTHON) -m ruff check --fix .
	$(PYTHON) -m ruff format .

lock: .venv/ready ## pin anew what pyproject.toml asks for
	$(PYTHON) -m uv pip compile --quiet --upgrade $(PINS) pyproject.toml --group dev --python-version 3.11 -o requirements-dev.txt
	$(PYTHON) -m uv pip compile --quiet --upgrade $(PINS) pyproject.toml -c requirements-dev.txt --python-version 3.13 -o layers/dependencies/requirements.txt
	$(PYTHON) -m uv pip compile --quiet --upgrade $(PINS) --group sam --python-version 3.11 -o requirements-sam.txt

PINS := --universal --generate-hashes --no-emit-index-url --no-header --no-annotate

clean: ## forget everything that was set up or made
	rm -rf .venv .venv-sam .aws-sam demo .hypothesis .mypy_cache .ruff_cache .pytest_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

# Two versions of Google's client: the last one that speaks Imagen's protocol lies beside the current one. Replicate's
# clients: the next Python one lies beside the current one, and the one for JavaScript is there where npm is.
.venv/ready: requirements-dev.txt tests/simulator/google-genai-2.19.txt tests/clients/replicate-2.0.txt tests/clients/package-lock.json
	@python=$$(local/find-python) && echo "Setting up .venv with $$($$python --version) (once, about a minute)" && $$python -m venv --clear .venv
	@$(PYTHON) -m pip install -qq --require-hashes -r requirements-dev.txt
	@$(PYTHON) -m pip install -qq --require-hashes --no-deps --target .venv/google-genai-2.19 -r tests/simulator/google-genai-2.19.txt
	@$(PYTHON) -m pip install -qq --require-hashes --no-deps --target .venv/replicate-2.0 -r tests/clients/replicate-2.0.txt
	@mkdir -p .venv/javascript && cp tests/clients/package*.json .venv/javascript
	@! command -v npm >/dev/null || npm ci --prefix .venv/javascript --silent --no-audit --no-fund
	@touch $@

# Large libraries that only a benchmark imports, in Lambda's version of Python.
.venv/libraries/ready: benchmarks/hot_paths/libraries.txt | .venv/ready
	@python=$$(local/find-python 3.13) && echo "Setting up .venv/libraries (once, a minute or two)" && rm -rf $(@D) && \
	    $$python -m pip install -qq --require-hashes --no-deps --only-binary :all: --target $(@D) -r $<
	@touch $@

.venv-sam/ready: requirements-sam.txt
	@python=$$(local/find-python 3.13) && echo "Setting up .venv-sam for the SAM CLI (once, half a minute)" && $$python -m venv --clear .venv-sam
	@.venv-sam/bin/python -m pip install -qq --require-hashes -r requirements-sam.txt
	@touch $@

# Lambda runs on arm64 by default, whose libraries cannot be imported on another processor: this build is for this one.
$(BUILT_FOR_HOST)/template.yaml: .venv-sam/ready $(SOURCES)
	@python=$$(local/find-python 3.13) && echo "Building with sam build for $(HOST_ARCHITECTURE)" && mkdir -p .aws-sam && PATH="$$(dirname $$python):$$PATH" \
	    $(SAM) build --region us-east-1 --build-dir $(BUILT_FOR_HOST) --parameter-overrides Architecture=$(HOST_ARCHITECTURE) >.aws-sam/host.log 2>&1 \
	    || { cat .aws-sam/host.log; exit 1; }
	@# AWS's own runtime client, which Lambda has beside the layers. Where it has no wheel (macOS) a stand-in serves.
	@python=$$(local/find-python 3.13) && $$python -m pip install -qq --upgrade --target .aws-sam/image $(RUNTIME_CLIENT) 2>/dev/null || true
