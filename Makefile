# The commands of the project; each installs what it needs first. ARGS are handed on: make up ARGS="--rate 50".
ARGS ?=
BIN := .venv/bin

.PHONY: help up test crash check format readme

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: runtime  ## everything on this machine: servers, worker, lake, simulator, the page
	@exec $(BIN)/charts up --tied $(ARGS)

test: dev  ## the whole suite, with real servers it starts itself
	$(BIN)/pytest $(ARGS)

crash: dev  ## workers killed in thirty ways, every count checked; CRASH_SEED repeats a storm
	$(BIN)/pytest tests/crash -m crash --log-cli-level=info $(ARGS)
	LAKE_ROUNDS=20 LAKE_PAUSE_S=30 $(BIN)/pytest tests/crash/test_lake_storm.py $(ARGS)

check: dev  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: dev  ## put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

.PHONY: runtime dev
runtime:
	@.ci/install requirements.lock

dev:
	@.ci/install requirements-dev.lock

readme: runtime  ## the table of settings in README.md
	@$(BIN)/charts settings --markdown | sed -i -e '/<!-- settings: /r /dev/stdin' -e '/<!-- settings: /,/<!-- settings end/{/^|/d}' README.md
