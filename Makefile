# `make check` runs the conformance suite on the reference store, `make deep` for longer; `make test` tests this project
# itself. They need only Python >= 3.11: they build .venv on first use, from PyPI and requirements.txt.

VENV    := .venv
BIN     := $(VENV)/bin
STAMP   := $(VENV)/.installed
SOURCES := model impl conformance tests specs/site
# Three times the cores: much of the time a test waits, for a disk, for a deadline or for a process that ends.
WORKERS ?= 6

# The first of these that runs, is new enough and can make an environment. Override with `make PYTHON=...`.
# python3 comes first where it will do; versions the pinned numba has wheels for come before newer ones.
CANDIDATES := python3 python3.11 python3.12 python3.13 python3.14 python
GOOD       := import sys, venv, ensurepip; sys.exit(sys.version_info < (3, 11))
PYTHON     ?= $(firstword $(foreach p,$(CANDIDATES),$(shell $(p) -c '$(GOOD)' >/dev/null 2>&1 && echo $(p))))

.DEFAULT_GOAL := help
.PHONY: help check brokers check-brokers deep test hunt textbook zoo images skeletons right zootable docs look tutorials wheels action mutants twin cluster lint format lock clean

help: ## list the targets
	@grep -E '^[a-z-]+:.*## ' Makefile | sed -E 's/^([a-z-]+):.*## /  make \1\t/'

check: $(STAMP) ## run the conformance suite on the reference store (ARGS="--level disk" etc.)
	$(BIN)/ackcheck run $(ARGS)

brokers: $(STAMP) ## fetch and build the real brokers that are no packages, into build/brokers (ARGS="nats")
	$(BIN)/ackcheck broker --build $(ARGS)

check-brokers: $(STAMP) ## judge the real brokers that this machine has, and compare with what is expected (ARGS="redis --jobs 4")
	$(BIN)/ackcheck broker --jobs 2 $(ARGS)

deep: $(STAMP) ## the same with the deep profile, and fuzzing under Atheris (ARGS="--faults fuzz"); hours for all
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'atheris>=3.0'
	$(BIN)/ackcheck run --profile deep $(ARGS)

test: lint ## lint, types, and every test, with line and branch coverage
	$(BIN)/python -m pytest -n $(WORKERS) --dist worksteal --cov --cov-report=term-missing:skip-covered $(ARGS)

hunt: $(STAMP) ## raise in a store at random moments, from the handler of SIGALRM (ARGS="--seed 1 --count 2000")
	PYTHONPATH=tests/support $(BIN)/python -m tests.hunts.interrupts $(ARGS)

textbook: $(STAMP) ## judge small stores, right and wrong, that are not ours (ARGS="--seeds 5"); ten minutes a seed
	$(BIN)/python -m tests.textbook $(ARGS)

zoo: $(STAMP) ## hunt the bugs of the zoo on real files, as a table (ARGS="--seeds 20 --jobs 4 --log zoo.jsonl"); an hour a seed
	$(BIN)/python -m tests.hunts.zoo_on_files $(ARGS)

images: $(STAMP) ## judge right stores on thousands of crash images: nothing may be found (ARGS="--cuts 20 --jobs 4 --log images.jsonl")
	$(BIN)/python -m tests.hunts.images $(ARGS)

skeletons: $(STAMP) ## judge what `ackcheck new` writes, in each language whose tool is there; a minute each
	$(BIN)/python -m tests.skeletons $(ARGS)

right: $(STAMP) ## judge right stores by many simulated quick runs: nothing may be found (ARGS="--runs 300"); minutes a run
	$(BIN)/python -m tests.hunts.falsely $(ARGS)

zootable: $(STAMP) ## hunt every bug of the zoo with several seeds, and write specs/zoo.md (ARGS="--seeds 20 --jobs 2 --log F"); minutes a seed
	$(BIN)/python -m acklab.zoo.table specs/zoo.md $(ARGS)

docs: $(STAMP) ## build the site of the specification into build/site, and check its links
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'zensical>=0.0.73'
	$(BIN)/python specs/site/build.py

look: $(STAMP) ## after `make docs`: look at each page in Chromium, wide and narrow, light and dark, and ask axe-core (ARGS="--shard 3/8"); minutes
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'axe-playwright-python>=0.1.4' 'playwright>=1.50'
	$(BIN)/python specs/site/look.py $(ARGS)

tutorials: $(STAMP) ## type what the page "Your first verdict" shows, with its planted bug (ARGS="Go"); minutes
	$(BIN)/python -m tests.tutorials.first_verdict $(ARGS)

wheels: $(STAMP) ## build the wheels, and run one with each Python that is here, by uvx, pipx and pip (ARGS="3.13")
	$(BIN)/python -m tests.installing $(ARGS)

action: $(STAMP) ## run the steps of action.yml in order, in a clean folder (ARGS="process"); a minute or two
	$(BIN)/python -m tests.installing.action $(ARGS)

mutants: $(STAMP) ## change the store in small ways, and see that a test fails (ARGS="--sample 20" CLUSTER="--local 4"); hours for all
	$(BIN)/python -m pip install --quiet --disable-pip-version-check 'mutmut>=3.8'
	$(BIN)/python -m tests.mutants.$(if $(CLUSTER),spread $(CLUSTER) run --,run) $(ARGS)
	$(BIN)/python -m tests.mutants.$(if $(CLUSTER),spread $(CLUSTER) compiled --,compiled) $(ARGS)

twin: $(STAMP) ## set the model beside its twin in TLA+ (needs Java; ARGS="--random 50"); some minutes
	PYTHONPATH=tests/support $(BIN)/python -m tests.tla.run $(ARGS)

cluster: $(STAMP) ## explore and judge on workers of this machine, and kill some in the middle (ARGS="--workers 4 --large"); minutes
	$(BIN)/python -m tests.hunts.lost_workers $(ARGS)
	$(BIN)/python -m tests.hunts.lost_in_campaigns

lint: $(STAMP) ## ruff and mypy --strict
	$(BIN)/ruff check $(SOURCES)
	$(BIN)/ruff format --check $(SOURCES)
	$(BIN)/mypy

format: $(STAMP) ## rewrite the sources the way ruff wants them
	$(BIN)/ruff check --fix $(SOURCES)
	$(BIN)/ruff format $(SOURCES)

$(STAMP): requirements.txt pyproject.toml hatch_build.py $(wildcard impl/ackstore/*/compiled/*.p[yx]* impl/ackstore/*/plain/*.py)
	@$(PYTHON) -c '$(GOOD)' 2>/dev/null || { \
	  echo "ackcheck needs Python 3.11 or newer, with the venv and ensurepip modules; tried: $(or $(PYTHON),$(CANDIDATES))." >&2; \
	  echo "Install it (Debian, Ubuntu: apt install python3 python3-venv), or name one: make $(MAKECMDGOALS) PYTHON=/path/to/python3.11" >&2; \
	  exit 1; }
	$(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --quiet --disable-pip-version-check -r requirements.txt
	$(BIN)/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $(STAMP)

lock: ## pin the newest versions that pyproject.toml allows into requirements.txt
	rm -rf $(VENV)-lock
	$(PYTHON) -m venv $(VENV)-lock
	$(VENV)-lock/bin/python -m pip install --quiet --disable-pip-version-check '.[dev]'
	{ echo '# Pinned by `make lock` (pip freeze of a fresh environment with .[dev]). Do not edit by hand.'; \
	  $(VENV)-lock/bin/python -m pip freeze --all --exclude ackcheck --exclude pip; } > requirements.txt
	rm -rf $(VENV)-lock

clean: ## remove the environment, caches and reports
	rm -rf $(VENV) $(VENV)-lock build dist htmlcov coverage.xml junit.xml .coverage .coverage.*
	rm -rf .mypy_cache .ruff_cache .pytest_cache .hypothesis
	find $(SOURCES) -name __pycache__ -type d -prune -exec rm -rf {} +
