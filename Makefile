# The commands of the project; each installs what it needs first. ARGS are handed on: make up ARGS="--rate 50".
ARGS ?=
BIN := .venv/bin

.PHONY: help up test test-kafka test-minio crash soak check format readme lock bench bench-quick

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## /\1\t/p' $(MAKEFILE_LIST) | expand -t 14

up: runtime  ## everything on this machine: servers, worker, lake, simulator, the page
	@exec $(BIN)/charts up --tied $(ARGS)

test: dev  ## the whole suite, with real servers it starts itself
	$(BIN)/pytest -n 2 --dist loadfile -m "not crash and not soak and not alone" $(ARGS)
	$(BIN)/pytest -m "alone and not crash" $(ARGS) || [ $$? = 5 ]  # 5: none of them was asked for

crash: dev  ## workers killed in thirty ways, every count checked; CRASH_SEED repeats a storm
	$(BIN)/pytest tests/crash -m crash --log-cli-level=info $(ARGS)
	LAKE_ROUNDS=20 LAKE_PAUSE_S=30 $(BIN)/pytest tests/crash/test_lake_storm.py $(ARGS)
	PROOF_KILLS=10 $(BIN)/pytest tests/lake/test_proof.py $(ARGS)
	OUTAGE_S=300 OUTAGE_RATE=4000 $(BIN)/pytest tests/crash/test_outage.py --log-cli-level=info $(ARGS)

test-kafka: dev  ## every test with a broker, on Apache Kafka (Java 17, Maven), and those only it can pass
	TEST_KAFKA=apache $(BIN)/pytest -n 2 --dist loadfile -m "kafka and not crash and not soak" $(ARGS)
	TEST_KAFKA=apache CRASH_ROUNDS=1 $(BIN)/pytest tests/crash -m "kafka and crash" --log-cli-level=info $(ARGS)

soak: dev  ## half an hour at 10,000 plays/s on Apache Kafka, a kill every minute; SOAK_MINUTES, SOAK_RATE
	TEST_KAFKA=apache $(BIN)/pytest tests/soak -m soak --log-cli-level=info $(ARGS)

test-minio: dev  ## every test with an object store, on MinIO (Go builds it)
	TEST_STORE=minio $(BIN)/pytest -n 2 --dist loadfile -m "store and not crash and not soak" $(ARGS)

check: dev  ## format, lint, types
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy

format: dev  ## put the code in shape
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

bench-quick: runtime peers  ## the ratios to what people would use instead, under three minutes
	@$(BIN)/python -m bench --quick $(ARGS)

bench: runtime peers  ## the whole measurement; writes docs/benchmarks.md
	@$(BIN)/python -m bench $(ARGS)

.PHONY: runtime dev peers
runtime:
	@.ci/install requirements.lock

dev:
	@.ci/install requirements-dev.lock

peers:
	@VENV=.venv-bench .ci/install requirements-bench.lock

readme: runtime  ## the table of settings in README.md
	@$(BIN)/charts settings --markdown | sed -i -e '/<!-- settings: /r /dev/stdin' -e '/<!-- settings: /,/<!-- settings end/{/^|/d}' README.md

lock:  ## the locks again from pyproject.toml, with uv; ARGS="--upgrade" for newer versions
	@.ci/lock $(ARGS)
