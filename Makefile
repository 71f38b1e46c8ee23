# Set-up is part of each target: a machine with Python 3.11 or later needs nothing done by hand.
#
#   make run PORT=8080 ADDRESS=0.0.0.0    where the app listens (see .streamlit/config.toml)
#   make test ARGS="-k layers -x"         which tests run; with -n 0 in one process, as --pdb needs
#   make lock ARGS=--upgrade              newer versions, not only what pyproject.toml asks for

PYTHON ?= python3
PIP := .venv/bin/pip install --quiet --no-input --disable-pip-version-check --require-hashes

.DELETE_ON_ERROR:
.PHONY: help run test check bench film format dist lock audit clean chromium

help:  ## Print this list
	@awk -F ':.*## ' '/^[a-z]+:.*## / {printf "make %-8s %s\n", $$1, $$2}' Makefile

run: .venv/.run  ## Start the app
	.venv/bin/streamlit run app.py $(if $(PORT),--server.port $(PORT)) $(if $(ADDRESS),--server.address $(ADDRESS))

# In two processes, a file at a time, in order, since the browser tests must come last in each (see tests/browser/conftest.py).
test: .venv/.dev chromium  ## Run all tests: units, pages, browser
	.venv/bin/pytest --numprocesses 2 --dist loadfile --no-loadscope-reorder --max-worker-restart 1 $(ARGS)

check: .venv/.dev  ## Check format, lint, types and layers, then run all tests
	.venv/bin/ruff format --check
	.venv/bin/ruff check
	.venv/bin/pyright
	.venv/bin/lint-imports --no-logo
	.venv/bin/oxlint --deny-warnings assets tests/browser
	$(MAKE) --no-print-directory test

bench: .venv/.dev  ## Measure speed
	.venv/bin/python -m tests.benchmarks $(ARGS)

film: .venv/.dev chromium  ## Film the app anew for README.md
	.venv/bin/python -m tests.browser.film

format: .venv/.dev  ## Put imports and layout in order
	.venv/bin/ruff check --fix
	.venv/bin/ruff format

dist: .venv/.dev  ## Build the archives of a release in dist/
	rm -rf dist
	.venv/bin/uv build --quiet --no-build-isolation --python .venv/bin/python $(ARGS)
	rm -rf wdviz.egg-info

COMPILE := .venv/bin/uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-emit-index-url --no-emit-find-links

lock: .venv/.dev  ## Compile both requirement files anew
	$(COMPILE) $(ARGS) pyproject.toml -o requirements.txt
	$(COMPILE) $(ARGS) pyproject.toml --group dev -o requirements-dev.txt

# In an environment of its own, kept by uv. Strict: without the internet it fails, instead of finding nothing.
audit: .venv/.dev  ## Look requirements.txt up among known vulnerabilities
	.venv/bin/uv tool run pip-audit --strict --disable-pip --require-hashes --requirement requirements.txt $(ARGS)

clean:  ## Remove caches and build products, not .venv
	rm -rf build dist *.egg-info screenshots .cache .hypothesis .import_linter_cache .pytest_cache .ruff_cache
	find app.py pages tests wdviz -name __pycache__ -prune -exec rm -rf {} + 2>/dev/null || true

chromium: .venv/.dev
	@.ci/chromium

# A stamp records that .venv holds what its requirement file asks for.

.venv/.run: requirements.txt | .venv/bin/pip
	@echo "Installing requirements.txt into .venv: a minute or two, once."
	@$(PIP) -r requirements.txt
	@touch $@

.venv/.dev: requirements-dev.txt | .venv/bin/pip
	@echo "Installing requirements-dev.txt into .venv: a minute or two, once."
	@$(PIP) -r requirements-dev.txt
	@touch $@

# pip arrives last in a new environment, so its presence means that the environment is whole.
.venv/bin/pip:
	@command -v $(PYTHON) >/dev/null || \
	  { echo "There is no $(PYTHON). Install Python 3.11 or later, or name one: make PYTHON=/path/to/python3" >&2; exit 1; }
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
	  { echo "$(PYTHON) is $$($(PYTHON) --version 2>&1). Python 3.11 or later is needed; name one: make PYTHON=python3.12" >&2; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
	  { echo "$(PYTHON) cannot make environments. On Debian or Ubuntu: apt-get install python3-venv" >&2; exit 1; }
	$(PYTHON) -m venv .venv
