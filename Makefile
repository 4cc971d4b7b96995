# One command for each task; CI runs the same commands.
SHELL := /bin/bash
PYTHON ?= $(shell for p in python3 python3.14 python3.13 python3.12 python3.11; do command -v $$p >/dev/null && $$p -c 'import sys; sys.exit(sys.version_info < (3, 11))' && echo $$p && exit; done; echo python3)
BIN := .venv/bin
RATINGS ?=
# Results of the optimal filter per cohort: they do not depend on the model, and a stopped run resumes from them.
OPTIMAL_KEPT ?= .optimal
CARD ?= services/detector/model/shipped/MODEL_CARD.md
PYTEST := $(BIN)/python -m pytest
# Files in the order of their names: the long ones come early, so that no process ends alone on one of them.
BY_FILE := --dist loadfile --no-loadscope-reorder
TWO := --numprocesses 2 $(BY_FILE)
# Those without a real Kafka wait for processes and timers so often that three keep two cores busy.
THREE := --numprocesses 3 $(BY_FILE)
QUICK_TESTS := not fhir and not durable and not docker and not browser and not study
# Without compiled modules every process that a test starts compiles the services again.
unexport PYTHONDONTWRITEBYTECODE

.DEFAULT_GOAL := help
.PHONY: help demo up test test-all test-python faults alerts-test compose-test lint format bench kafka train train-network evaluate messages schemas client reference lock sbom vulnerabilities wheels prepare prepare-dev screenshots clean

help: ## print this list
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-15s %s\n", $$1, $$2}'

prepare:
	@$(PYTHON) deploy/prepare.py embedded

prepare-dev:
	@$(PYTHON) deploy/prepare.py dev

demo: prepare ## stream simulated ratings through the whole system and show one message (RATINGS=file.csv: your own ratings)
	@$(BIN)/rapport demo $(if $(RATINGS),--ratings $(RATINGS))
	@echo "The command is $(BIN)/rapport. To have it on your path: uv tool install --with ./lab '.[embedded]'"

up: prepare ## run the services without data until Ctrl-C
	@$(BIN)/rapport up

test: prepare-dev ## run the tests that need no installed services
	@echo "Tests with an embedded Kafka and PostgreSQL: thirteen to twenty minutes on two cores."
	@$(PYTEST) $(THREE) -m "$(QUICK_TESTS)"

test-all: prepare-dev ## run all tests that this machine allows (real Kafka, containers, browser; AFTER_TEST=1: without what `make test` ran)
	@echo "All tests that this machine allows: thirty to forty minutes on two cores."
	@$(PYTEST) $(TWO) -m "not docker and not browser and not long$(if $(AFTER_TEST), and (study or durable or fhir))"
	@$(PYTEST) $(TWO) -m "(docker or browser) and not long"

# The packages of requirements/dev.txt on another Python than that of .venv, which is prepared without it.
$(BIN)/uv:
	@env -u PYTHON -u MAKEFLAGS $(MAKE) --no-print-directory prepare-dev

.supply/python-%/prepared: requirements/dev.txt pyproject.toml lab/pyproject.toml | $(BIN)/uv
	@python=$$(deploy/find_python.sh $*) && $(BIN)/uv venv --quiet --clear --python "$$python" $(@D) \
	  && $(BIN)/uv pip install --quiet --require-hashes --python $(@D)/bin/python -r $< \
	  && $(BIN)/uv pip install --quiet --no-deps --no-build-isolation --python $(@D)/bin/python -e . -e ./lab
	@touch $@

TESTS ?= tests/unit

test-python: .supply/python-$(PYTHON)/prepared ## run the unit tests on another Python (PYTHON=3.13; TESTS=tests/flow: others)
	@$(<D)/bin/python -m pytest $(TWO) -m "$(QUICK_TESTS)" $(TESTS)

faults: prepare-dev ## break everything on purpose, with a real Kafka and PostgreSQL (KEEP=1: write docs/faults.md; FULL=1: at full size, hours)
	@$(PYTEST) $(if $(FULL),--full,$(if $(KEEP),--keep-faults)) -m "not monitoring" tests/faults
	@$(if $(FULL)$(KEEP),$(BIN)/python -m tests.support.faults.page > docs/faults.md)

alerts-test: prepare-dev ## break the services in front of a real Prometheus and Alertmanager: who is told of what, and when (KEEP=1: write docs/faults.md; hours)
	@$(PYTEST) $(if $(KEEP),--keep-faults) tests/faults/test_alerts.py
	@$(if $(KEEP),$(BIN)/python -m tests.support.faults.page > docs/faults.md)

compose-test: prepare-dev ## build the images, then start, break, repair and remove the whole stack
	@timeout --signal=INT --kill-after=40 900 $(PYTEST) tests/containers/stack.py -x

lint: prepare-dev ## check style, types, imports, and that the published contracts stay compatible
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/rapport schemas check

format: prepare-dev ## format the code and fix what ruff can fix
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

bench: prepare-dev ## measure throughput, latency and memory with a real Kafka
	$(BIN)/python -m bench

kafka: prepare-dev ## run Apache Kafka without containers (needs Maven and Java 17)
	@$(BIN)/python -m deploy.kafka.run

train: prepare-dev ## train the shipped model again, with the kept network
	$(BIN)/rapport train --out services/detector/model/shipped

train-network: prepare-dev ## train the network that `make train` uses again (half an hour on two busy cores)
	$(BIN)/rapport train-network

evaluate: prepare-dev ## measure the model and the optimal filter, write the model card (first run: hours; QUICK=1: neither filter nor card)
	$(BIN)/rapport evaluate $(if $(QUICK),,--optimal --optimal-kept $(OPTIMAL_KEPT) --card $(CARD))

messages: prepare-dev ## write a page of 40 openings to read, marks beside the message (RATINGS=file.csv: 10 of them of your own ratings)
	$(BIN)/rapport messages --out build/messages.html $(if $(RATINGS),--ratings $(RATINGS))

schemas: prepare-dev ## regenerate schemas/published
	$(BIN)/rapport schemas export

client: prepare-dev ## regenerate the models of clients/python from schemas/published
	$(BIN)/python clients/python/generate.py

reference: prepare-dev ## regenerate docs/reference.md
	$(BIN)/python -m tests.support.reference > docs/reference.md

# What one lock installs, and nothing else; made anew when the lock changes.
.supply/%: requirements/%.txt
	@$(BIN)/uv venv --quiet --clear --python $(BIN)/python $@ && $(BIN)/uv pip install --quiet --require-hashes --python $@/bin/python -r $<
	@touch $@

sbom: prepare-dev .supply/services .supply/build ## write build/sbom.cdx.json (CycloneDX) and build/THIRD-PARTY-NOTICES.txt, as the image holds them
	@mkdir -p build
	@.supply/build/bin/cyclonedx-py environment --pyproject pyproject.toml --output-reproducible --output-file build/sbom.cdx.json .supply/services/bin/python
	@$(BIN)/python -m deploy.third_party_notices .supply/services/lib/python3*/site-packages build/THIRD-PARTY-NOTICES.txt
	@echo "Written: build/sbom.cdx.json, build/THIRD-PARTY-NOTICES.txt"

vulnerabilities: prepare-dev .supply/audit ## ask the Python Packaging Advisory Database about every locked version (needs the network)
	@for lock in services embedded demo build dev; do echo "requirements/$$lock.txt"; .supply/audit/bin/pip-audit --strict --require-hashes --disable-pip --progress-spinner off --requirement requirements/$$lock.txt || failed=1; done; exit $${failed:-0}

wheels: prepare-dev ## resolve the locked wheels for arm64 and x86-64, Python 3.11 to 3.14, without installing them
	@for version in 3.11 3.12 3.13 3.14; do for machine in aarch64 x86_64; do \
	  $(BIN)/uv pip install --quiet --dry-run --only-binary :all: --require-hashes --target .supply/none --python-version $$version --python-platform $$machine-manylinux_2_28 -r requirements/services.txt \
	  && echo "Python $$version on $$machine: every package has a wheel" || failed=1; done; done; exit $${failed:-0}

LOCK := $(BIN)/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header
# Packages that requirements/services.txt already pins at the same version.
PINNED := --no-emit-package attrs --no-emit-package numpy --no-emit-package packaging --no-emit-package python-dateutil --no-emit-package tzdata

lock: prepare-dev ## resolve and lock the dependencies again
	$(LOCK) pyproject.toml --extra tracing -o requirements/services.txt
	$(LOCK) pyproject.toml --extra tracing --extra embedded -o requirements/embedded.txt
	$(LOCK) pyproject.toml --extra tracing --extra embedded --extra dev -o requirements/dev.txt
	$(LOCK) --group pyproject.toml:build -o requirements/build.txt
	$(LOCK) --group pyproject.toml:audit -o requirements/audit.txt
	$(LOCK) --group pyproject.toml:demo -c requirements/services.txt $(PINNED) -o requirements/demo.txt

screenshots: prepare-dev ## make pictures of the therapist's pages in .screenshots/ (needs Chromium)
	@$(BIN)/python -m tests.support.notifier.screenshots

clean: ## remove generated files, but not .venv
	rm -rf .rapport .supply .screenshots .pytest_cache .mypy_cache .ruff_cache .hypothesis deploy/kafka/libs tests/support/fhir_validator/libs
