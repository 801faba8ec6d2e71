# Parley with one command: `make run`. Nothing here needs root, and everything is installed into .venv.

PYTHON ?= $(firstword $(foreach name,python3 python3.14 python3.13 python3.12 python3.11,\
	$(shell $(name) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null && echo $(name))) python3)
BIN := .venv/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check --quiet

.DEFAULT_GOAL := help
.PHONY: help run test lint docs picture lock clean
.SUFFIXES:

help: ## what can be made
	@awk -F ':.*## ' '/^[a-z]+:.*## / { printf "  make %-8s %s\n", $$1, $$2 }' Makefile

run: .venv/ready ## install what is needed, and start Parley
	@exec $(BIN)/python -m bot run

test: .venv/ready-to-test ## install what is needed, and run the tests
	@$(BIN)/python -m pytest --numprocesses auto $(ARGS)

lint: .venv/ready-to-test ## check the style, the types and who imports whom
	@$(BIN)/python -m ruff check .
	@$(BIN)/python -m ruff format --check .
	@$(BIN)/python -m mypy
	@$(BIN)/lint-imports

docs: .venv/ready-to-test ## write the generated parts of the documentation anew
	@$(BIN)/python docs/generate.py

picture: .venv/ready-to-test ## take the picture of the page for the README anew (needs Chromium)
	@$(BIN)/python docs/picture.py

lock: .venv/bin/python ## pin what is installed, after a change in pyproject.toml (newest: UPGRADE=--upgrade)
	@command -v uv >/dev/null || $(PIP) install uv
	@PATH="$$PATH:$(CURDIR)/$(BIN)"; \
	compile() { \
		uv pip compile pyproject.toml --universal --python-version 3.11 --generate-hashes $(UPGRADE) --quiet \
			--no-emit-index-url --no-header --no-annotate --output-file "$$@"; \
	}; \
	compile requirements.lock --group build && compile requirements-dev.lock --group build --group dev
	@echo "requirements.lock and requirements-dev.lock are new: see what changed with git diff, then make test."

clean: ## remove everything that was installed or built here
	rm -rf .venv .mypy_cache .pytest_cache .ruff_cache .hypothesis .import_linter_cache build dist
	find . -name __pycache__ -type d -prune -exec rm -rf {} +

# The lock files hold the hash of every file that may be installed, the build backend's too: that is why the project
# itself is built without isolation, which would fetch that backend anew, unpinned, each time.
.venv/ready: requirements.lock pyproject.toml | .venv/bin/python
	@echo "Installing Parley into .venv (this takes a minute, and only the first time) ..."
	@$(PIP) install --requirement requirements.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@

.venv/ready-to-test: requirements-dev.lock pyproject.toml | .venv/bin/python
	@echo "Installing Parley and what its tests need into .venv (only the first time) ..."
	@$(PIP) install --requirement requirements-dev.lock
	@$(PIP) install --no-deps --no-build-isolation --editable .
	@touch $@ .venv/ready

.venv/bin/python:
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' 2>/dev/null || { \
		echo "Parley needs Python 3.11 or newer, and “$(PYTHON)” is not. Install one, then: make $(MAKECMDGOALS) PYTHON=python3.13"; \
		exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || { \
		echo "This Python cannot make environments. On Debian and Ubuntu: sudo apt install python3-venv. Then run make again."; \
		exit 1; }
	@$(PYTHON) -m venv .venv || { rm -rf .venv; exit 1; }
