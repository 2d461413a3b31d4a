# Two commands do all set-up: `make run` and `make test`. Everything else is listed by `make help`.
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
SHELL := /bin/bash

BIN := .venv/bin
SOURCES := auth/authkeep server/chatkeep ui/chatkeep_ui
TESTS := testbed docs/generate.py tests $(wildcard auth/tests auth/examples server/tests ui/tests) \
	$(if $(wildcard bench/*.py),bench) conftest.py
# Extra arguments: `make test ARGS="-k resume -x"`, `make run ARGS="--port 9000"`.
ARGS ?=

.PHONY: help
help: ## List what there is
	@grep -hE '^[a-z-]+:.*## ' $(MAKEFILE_LIST) | sort | awk -F ':.*## ' '{printf "  make %-11s %s\n", $$1, $$2}'

.PHONY: setup
setup: .venv/.complete ## Install everything into .venv (run and test do this on their own)

.venv/.complete: locks/install.sh locks/all.txt locks/model.txt locks/uv.txt $(wildcard */pyproject.toml)
	@locks/install.sh
	@touch $@

.PHONY: run
run: setup ## Start the server: API and web page on one port
	@exec $(BIN)/chatkeep serve $(ARGS)

.PHONY: test
test: setup ## Check the code, then run all tests
	@$(MAKE) --no-print-directory --jobs=2 lint testbed
	@$(BIN)/python -m testbed.halves $(ARGS)

.PHONY: coverage
coverage: setup testbed ## Run all tests and say which lines none of them reaches (takes half as long again)
	@$(BIN)/python -m pytest --cov --cov-report=term $(ARGS)

.PHONY: test-fast
test-fast: setup ## Run the tests that take no browser and little time
	@$(BIN)/python -m pytest -m "not browser and not slow" $(ARGS)

.PHONY: check
check: lint ## Lint, format, types, import contracts, docs and locks
	@$(BIN)/python -m pytest -q tests/house

.PHONY: lint
lint: setup
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy --no-explicit-package-bases $(SOURCES)
	@$(BIN)/mypy $(TESTS)
	@$(BIN)/lint-imports --no-logo

.PHONY: format
format: setup ## Format the code, and mend what can be mended
	@$(BIN)/ruff check --fix .
	@$(BIN)/ruff format .

.PHONY: testbed
testbed: setup ## Say which servers and browser the tests will use, and install what is missing
	@$(BIN)/python -m testbed

.PHONY: bench
bench: setup ## Measure against the baselines, side by side
	@$(BIN)/python -m bench $(ARGS)

.PHONY: docs
docs: setup ## Write the generated parts of docs/ anew: settings and API tables
	@$(BIN)/python docs/generate.py

.PHONY: lock
lock: setup ## Recompile the lock files (ARGS=--upgrade takes newer versions)
	@locks/compile.sh $(ARGS)

.PHONY: clean
clean: ## Remove .venv and everything that tools left; ./data stays
	@rm -rf .venv .mypy_cache .ruff_cache .pytest_cache .import_linter_cache .coverage .coverage.* htmlcov build dist
	@find . -name __pycache__ -type d -prune -exec rm -rf {} +
