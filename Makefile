# pgconvoy: make with no target prints what there is.
.DEFAULT_GOAL := help
SHELL := bash

VENV := .venv
BIN := $(VENV)/bin
SUPPORTED := import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))
PYTHON ?= $(shell for p in python3 python3.13 python3.12 python3.11; do \
	"$$p" -c '$(SUPPORTED)' 2>/dev/null && echo "$$p" && break; done)
INSTALLED := $(VENV)/.installed
LOCKING := build/locking
AUDITING := build/auditing
SECRETS := secrets

.PHONY: help setup demo test soak fuzz lint bench profile docs lock secrets audit

help: ## print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s%s\n", $$1, $$2}' $(MAKEFILE_LIST)

setup: $(INSTALLED) ## make .venv and install everything at the versions of constraints.txt

# Made again only where what is to be installed changed.
$(INSTALLED): pyproject.toml constraints.txt
	@test -n "$(PYTHON)" || { echo "no Python 3.11, 3.12 or 3.13 found: install one, or name it: make PYTHON=…"; exit 1; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[local,dev]'
	@touch $@

demo: setup ## copy a made-up shop into PostgreSQL, verify it, and say how to look at it
	$(BIN)/producer demo

# Most tests wait for servers and workers: measured on 2 cores, two processes used half of them. So there is one process
# more than cores, and four at most. Files go in
# their order, so that the slow ones of tests/acceptance come first and no process is left alone with them. The folder
# has a short name, since sockets lie in it, whose paths may have 103 bytes.
test: setup ## run the whole suite on servers that it starts itself
	@folder=$$(mktemp -d) && trap 'rm -rf "$$folder"' EXIT && $(BIN)/pytest --basetemp "$$folder/t" \
		--numprocesses $(shell expr $$(getconf _NPROCESSORS_ONLN) + 1) --maxprocesses 4 --dist loadfile --no-loadscope-reorder $(PYTEST)

# Each file is given by a number; one that fails is made again by `fuzzkit.damaged_file(folder, number)`.
fuzz: setup ## damage and craft SQLite files at random for MINUTES=5, and see that none is copied wrong
	PGCONVOY_FUZZ_MINUTES=$(or $(MINUTES),5) $(BIN)/pytest -q -s tests/integration/test_hostile_files.py -k fuzzed

# The same seed gives the same faults on the same kinds of victims; without one, any.
soak: setup ## run jobs in a random storm of faults for MINUTES=30, of SEED=7 if given; check every value
	@PYTHONPATH=tests/support $(BIN)/python -m soak $(if $(MINUTES),--minutes $(MINUTES)) $(if $(SEED),--seed $(SEED))

lint: setup ## ruff, its formatter, mypy and the import directions
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: setup ## measure against other tools on this machine, into docs/performance.md
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt --editable '.[bench]'
	$(BIN)/python -m benchmarks --docs

profile: setup ## draw where a worker's time goes as a flame graph, build/profile.svg
	$(BIN)/python -m benchmarks.flame_graph

docs: setup ## write docs/commands.md, the tables of fidelity.md and the state diagrams from the code
	$(BIN)/python docs/generate.py

# One file for every supported Python and platform: uv resolves for all of them at once.
lock: ## resolve the newest versions into constraints.txt
	@test -x $(LOCKING)/bin/uv || { $(PYTHON) -m venv $(LOCKING) && $(LOCKING)/bin/pip install --quiet uv; }
	$(LOCKING)/bin/uv pip compile pyproject.toml --all-extras --universal --python-version 3.11 --upgrade --quiet \
		--no-emit-index-url --no-emit-find-links --no-annotate \
		--custom-compile-command "make lock" --output-file constraints.txt

# Letters and digits of 192 random bits. What is there stays. Others may not enter the folder; in it, the containers'
# users must be able to read the files.
secrets: ## make the passwords of docker-compose.yml, one a file, where there are none yet
	@install -d -m 0700 $(SECRETS)
	@for name in postgres redis flower; do test -e $(SECRETS)/$$name || { \
		od -An -N24 -tx1 /dev/urandom | tr -d ' \n' > $(SECRETS)/$$name && chmod 0644 $(SECRETS)/$$name && echo "made $(SECRETS)/$$name"; }; done

# The tools have an environment of their own: they are no dependencies of ours. A finding ends this with 1, and so does
# a package that nobody could be asked about.
audit: ## look for known vulnerabilities in the locked dependencies, and list them all in build/sbom.json (CycloneDX)
	@test -x $(AUDITING)/bin/pip-audit || { $(PYTHON) -m venv $(AUDITING) && $(AUDITING)/bin/pip install --quiet pip-audit cyclonedx-bom; }
	@mkdir -p build && cp constraints.txt build/locked.txt
	$(AUDITING)/bin/cyclonedx-py requirements build/locked.txt --pyproject pyproject.toml --output-file build/sbom.json
	$(AUDITING)/bin/pip-audit --requirement build/locked.txt --no-deps --disable-pip --strict --progress-spinner off
