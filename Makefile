# Every need has one command; CI runs the same ones.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && exit; done; echo python3)
BIN := .venv/bin
RATINGS ?=
# What the optimal filter found, cohort by cohort: no model changes it, and a run that was stopped goes on from it.
OPTIMAL_KEPT ?= .optimal
CARD ?= services/detector/model/shipped/MODEL_CARD.md
PYTEST := $(BIN)/python -m pytest

.DEFAULT_GOAL := help
.PHONY: help demo up test test-all faults compose-test lint format bench kafka train evaluate schemas reference lock prepare prepare-dev clean

help: ## this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-12s %s\n", $$1, $$2}'

prepare:
	@$(PYTHON) deploy/prepare.py embedded

prepare-dev:
	@$(PYTHON) deploy/prepare.py dev

demo: prepare ## ratings stream in, a therapist's message comes out, a page to open (RATINGS=file.csv for your own)
	@$(BIN)/rapport demo $(if $(RATINGS),--ratings $(RATINGS))

up: prepare ## the same services without data, until Ctrl-C
	@$(BIN)/rapport up

test: prepare-dev ## the test suite on the embedded parts
	@echo "The test suite on the embedded parts: about four minutes on two cores."
	@$(PYTEST) --numprocesses 2 --dist loadfile -m "not durable and not docker and not browser"

test-all: prepare-dev ## the test suite with everything this machine has (real Kafka, containers, browser)
	@echo "Everything this machine has: about twenty minutes on two cores."
	@$(PYTEST)

faults: prepare-dev ## kill every service at every step, on a real Kafka
	@$(PYTEST) tests/faults

compose-test: prepare-dev ## build the image, start the whole stack, break it, mend it, remove it
	@timeout --signal=INT --kill-after=40 440 $(PYTEST) tests/containers/stack.py -x

lint: prepare-dev ## style, types, who may import whom, and contracts compatible with the last release
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/rapport schemas check

format: prepare-dev ## put the code into house style
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: prepare-dev ## throughput, latency and memory on a real Kafka, as medians and ratios
	$(BIN)/python -m bench

kafka: prepare-dev ## a real Apache Kafka without containers (needs Maven and Java 17)
	@$(BIN)/python -m deploy.kafka.run

train: prepare-dev ## rebuild the model artefact
	$(BIN)/rapport train --out services/detector/model/shipped

evaluate: prepare-dev ## measure the model beside the optimal filter and write its card (hours once; QUICK=1: neither)
	$(BIN)/rapport evaluate $(if $(QUICK),,--optimal --optimal-kept $(OPTIMAL_KEPT) --card $(CARD))

schemas: prepare-dev ## write the published contracts anew
	$(BIN)/rapport schemas export

reference: prepare-dev ## write docs/reference.md anew
	$(BIN)/python -m tests.support.reference > docs/reference.md

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
# What the services' own lock holds already, at the same version.
HELD := --no-emit-package attrs --no-emit-package numpy --no-emit-package packaging --no-emit-package python-dateutil --no-emit-package tzdata

lock: prepare-dev ## resolve the dependencies anew
	$(LOCK) pyproject.toml -o requirements/services.txt
	$(LOCK) pyproject.toml --extra embedded -o requirements/embedded.txt
	$(LOCK) pyproject.toml --extra embedded --extra dev -o requirements/dev.txt
	$(LOCK) --group pyproject.toml:build -o requirements/build.txt
	$(LOCK) --group pyproject.toml:demo -c requirements/services.txt $(HELD) -o requirements/demo.txt

clean: ## remove what was made here, but not the environment
	rm -rf .rapport .pytest_cache .mypy_cache .ruff_cache .hypothesis deploy/kafka/libs
