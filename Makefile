# The verbs for people; `make help` tells them.

PY     := .venv/bin/python
PYTEST := $(PY) -m pytest

# pyright brings its own release and, by the extra `nodejs`, its own node. These keep it from asking the network
# whether there is a newer one, and from fetching one.
export PYRIGHT_PYTHON_IGNORE_WARNINGS := 1
unexport PYRIGHT_PYTHON_FORCE_VERSION PYRIGHT_PYTHON_PYLANCE_VERSION PYRIGHT_PYTHON_NODE_VERSION

# Each checker's output in one piece, where this make can do so (GNU make 4 can).
IN_ONE_PIECE := $(if $(filter output-sync,$(.FEATURES)),--output-sync=target)

# The longest first. Nothing in here depends on anything else in here.
CHECKS := check-tests check-types-pyright check-types-mypy check-tidy check-walls check-format check-lint

.DEFAULT_GOAL := help
.PHONY: help demo test check newest lock fuzz chaos mutants bench bench-latency bench-kafka clean $(CHECKS)

help:  ## tell the verbs
	@sed -n 's/^\([a-z-]*\):.*  ## \(.*\)/  make \1|\2/p' Makefile | awk -F'|' '{ printf "%-20s%s\n", $$1, $$2 }'

demo: .venv/.runtime  ## run the demo; it needs Python and the runtime dependencies
	$(PY) -m examples.demo

test: .venv/.dev  ## run every test, the typing tests too: 500 examples a property
	HYPOTHESIS_PROFILE=ci $(PYTEST)

check: .venv/.dev  ## format, lint, types, walls and the fast tests: what to run before a commit
	@$(MAKE) --no-print-directory --keep-going --jobs=2 $(IN_ONE_PIECE) $(CHECKS)
	@echo "All checks passed."

newest:  ## run every test with the newest releases that pyproject.toml allows, in an environment of its own
	./tools/venv.sh newest
	HYPOTHESIS_PROFILE=ci .venv-newest/bin/python -m pytest

lock: .venv/.dev  ## lock the newest releases that pyproject.toml allows (requirements.txt)
	$(PY) tools/lock.py

fuzz: .venv/.dev  ## run the properties marked `fuzz` with 20,000 new examples each
	HYPOTHESIS_PROFILE=fuzz $(PYTEST) -m fuzz

chaos: .venv/.dev  ## kill workers, brokers and stores again and again while thousands of orders go on
	$(PYTEST) tests/chaos -m chaos

mutants: .venv/.dev  ## plant faults in the pure layers, and see that the tests find them (SAMPLE=200 SEED=1 ONLY=core/step)
	$(PY) -m tools.mutants --sample=$(or $(SAMPLE),0) --seed=$(or $(SEED),0) --only='$(ONLY)'

bench: .venv/.dev  ## measure
	$(PYTEST) benchmarks --ignore-glob="*_kafka*" --ignore-glob="*_latency*" --benchmark-enable --benchmark-only

bench-latency: .venv/.dev  ## measure how long one of 1, 8 and 50 orders takes
	$(PYTEST) benchmarks/bench_latency.py --benchmark-enable --benchmark-only

bench-kafka: .venv/.dev  ## measure on a Kafka broker and an Aerospike server of its own
	$(PYTEST) benchmarks/bench_kafka*.py --benchmark-enable --benchmark-only

clean:  ## remove what the tools left, except the environments and .cache
	rm -rf build dist htmlcov .coverage .benchmarks .hypothesis .import_linter_cache .mypy_cache .pytest_cache .ruff_cache
	find . -name '.venv*' -prune -o -name __pycache__ -type d -prune -exec rm -rf {} +

# ---------------------------------------------------------------------------------------- the parts of `check`

check-tests: .venv/.dev
	HYPOTHESIS_PROFILE=fast $(PYTEST) -m 'not slow and not fuzz and not chaos' -x -q --ignore=tests/test_tidy.py -n 3 --dist=loadfile

check-types-pyright: .venv/.dev
	$(PY) -m pyright

check-types-mypy: .venv/.dev
	$(PY) -m mypy

check-tidy: .venv/.dev
	$(PYTEST) -q tests/test_tidy.py

check-walls: .venv/.dev
	.venv/bin/lint-imports

check-format: .venv/.dev
	$(PY) -m ruff format --check

check-lint: .venv/.dev
	$(PY) -m ruff check

# ---------------------------------------------------------------------------------------------------- .venv

# Two stamps: the demo waits for the runtime dependencies only. Either is renewed when the ranges or the lock change.
.venv/.runtime: pyproject.toml requirements.txt
	./tools/venv.sh runtime
	@touch $@

.venv/.dev: pyproject.toml requirements.txt
	./tools/venv.sh dev
	@touch .venv/.runtime $@
