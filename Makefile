# `make bench` runs the main job, `make test` passes the tests, each from a bare checkout.
# What is needed first: Python 3.10 or 3.11, a C++ compiler, make. `make help` lists the rest.

PYTHON ?= $(firstword $(foreach name,python3.11 python3.10 python3,$(shell command -v $(name) 2> /dev/null)) python3.11)
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready
# Most of a test's time is TensorFlow starting, on one core. None asserts a speed, so two may share the machine.
TESTS_AT_ONCE ?= 2

.DEFAULT_GOAL := help
.PHONY: help setup bench test test-slurm test-lab lint lock clean

help:  ## list the targets
	@grep -E '^[a-z-]+:.*##' $(MAKEFILE_LIST) | sed -E 's/^([a-z-]+):.*## /  make \1\t/' | expand -t 20

setup: $(READY)  ## create .venv: locked packages, Horovod built against them, verified

$(READY): requirements.lock requirements-horovod.lock pyproject.toml tools/setup.sh
	@bash tools/setup.sh "$(PYTHON)" "$(VENV)"
	@touch $@

bench: $(READY)  ## the main job: mergers, training and inference on 1 and 2 workers, table and figure
	@$(BIN)/dgbench run quick

test: $(READY) lint  ## lint, types and all tests but the lab's, two at a time; TESTS_AT_ONCE=0 one by one
	@$(BIN)/python -m pytest -q --durations=8 --numprocesses=$(TESTS_AT_ONCE) --dist=loadgroup --ignore=tests/lab

test-slurm: $(READY)  ## jobs of a real Slurm with 4 nodes on this machine (Debian, root; installs it when missing)
	@bash tools/slurm.sh
	@$(BIN)/python -m pytest -q tests/slurm

test-lab: $(READY)  ## a cluster in a box: real ranks on real links, and what becomes of them in faults (root; skips where it can't)
	@bash tools/lab.sh || echo "tools/lab.sh could not install all; tests that need it are skipped"
	@$(BIN)/python -m pytest -q --durations=8 tests/lab

lint: $(READY)  ## ruff and mypy
	@$(BIN)/ruff check .
	@$(BIN)/ruff format --check .
	@$(BIN)/mypy

lock:  ## write the lock files again from pyproject.toml (needs uv on PATH)
	@bash tools/lock.sh

clean:  ## remove the environment and all that tools left; results stay
	@rm -rf $(VENV) .build .pytest_cache .mypy_cache .ruff_cache .hypothesis .benchmarks *.egg-info
