# make demo and make test each work as the only command on a fresh clone.
#
#   make demo PYTHON=python3.12                   another Python
#   make demo PIP_FLAGS="--extra-index-url ..."   another build of torch; see CONTRIBUTING.md

PYTHON ?= $(firstword $(foreach name,python3.11 python3 python3.12 python3.13 python3.14,\
	$(shell $(name) -c 'import sys, venv; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))))
VENV ?= .venv
PIP_FLAGS ?=

PY := $(VENV)/bin/python
INSTALL := $(PY) -m pip install --quiet --disable-pip-version-check $(PIP_FLAGS) -c constraints.txt
RUNTIME := $(VENV)/.installed
DEV := $(VENV)/.installed-dev

# A worker a core; each begins with a part of the files of its own, so that few set up the same.
SIDE_BY_SIDE := -n auto --dist worksteal --durations=40 --durations-min=2

test test-slow: export HF_HUB_OFFLINE = 1

.PHONY: demo test test-slow lint format clean help

help:
	@echo "make demo        install, run the embedded default study, write its table and report.html"
	@echo "make test        install, then lint and every test that takes less than ten seconds"
	@echo "make test-slow   install, then the tests that take longer"
	@echo "make lint        ruff, formatting, spelling, types  make format   put formatting right"
	@echo "make clean       remove the virtual environment and every cache"

demo: $(RUNTIME)
	$(VENV)/bin/whichpeft run

test: lint
	$(PY) -m pytest -m "not slow" $(SIDE_BY_SIDE)

# Exit status 5 is pytest's word for "no test matches", which is no failure here.
test-slow: $(DEV)
	$(PY) -m pytest -m slow $(SIDE_BY_SIDE) || [ $$? -eq 5 ]

lint: $(DEV)
	$(PY) -m ruff check
	$(PY) -m ruff format --check
	$(PY) -m codespell_lib
	$(PY) -m mypy

format: $(DEV)
	$(PY) -m ruff check --fix
	$(PY) -m ruff format

clean:
	rm -rf $(VENV) .mypy_cache .ruff_cache .pytest_cache .import_linter_cache build dist
	find . -name __pycache__ -type d -not -path "./.git/*" -prune -exec rm -rf {} +

# The stamps tell make when pyproject.toml or constraints.txt asks for another installation.
$(RUNTIME): pyproject.toml constraints.txt | $(VENV)/bin/pip
	@echo "Installing whichpeft into $(VENV) (the first time takes minutes: torch is large)"
	$(INSTALL) -e .
	@touch $@

$(DEV): $(RUNTIME)
	@echo "Installing the tools that the tests need into $(VENV)"
	$(INSTALL) -e ".[dev]"
	@touch $@

# venv writes pip last, so an environment without it was never finished and is made again.
$(VENV)/bin/pip:
	@test -n "$(PYTHON)" || { echo "whichpeft needs Python 3.11 or newer with the venv module, and none \
	was found. Install one, or name it: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || { \
	echo "whichpeft needs Python 3.11 or newer; $(PYTHON) is older, or is no Python. \
	Name another: make PYTHON=/path/to/python3.11" >&2; exit 2; }
	rm -rf $(VENV)
	$(PYTHON) -m venv $(VENV)
