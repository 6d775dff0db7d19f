# Every target sets up what it needs, from nothing but Python 3.11 or later.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin

.PHONY: demo test check bench clean
.DEFAULT_GOAL := help

help:
	@echo "make demo   replay two real streams against rules/, and see what triggered and why"
	@echo "make test   run every test"
	@echo "make check  test, then ruff, mypy, import-linter, whereupon lint, whereupon test"
	@echo "make bench  measure, against named references"

# One stamp for each set of packages; a change of pyproject.toml installs anew.
$(VENV)/stamp-run: pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --upgrade 'pip>=25.1'
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --editable .
	@touch $@

$(VENV)/stamp-test: $(VENV)/stamp-run
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group test
	@touch $@

$(VENV)/stamp-check: $(VENV)/stamp-test
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check --group bench --group check
	@touch $@

test: $(VENV)/stamp-test
	$(BIN)/python -m pytest

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache .hypothesis
