# Two commands on a machine with Python 3.11 or newer: `make run` and `make test`.

# What a person's shell carries must not reach into .venv.
unexport PYTHONHOME PYTHONPATH PYTHONDONTWRITEBYTECODE VIRTUAL_ENV

# One more than the two cores that are enough: a test waits for servers a quarter of its time.
WORKERS ?= 3
PYTEST = .venv/bin/python -m pytest -n $(WORKERS)

.PHONY: help setup run test test-nightly lint bench bench-door bench-cassandra docs wheel lock

help:
	@echo 'make run              set everything up and run the demo'
	@echo 'make run FILE=path    set everything up and serve that file'
	@echo 'make test             set everything up and run the tests (ARGS="-k name" for some)'
	@echo 'make test-nightly     the same with those that take too long for every day'
	@echo 'make lint             formatting, lint rules, types, the lock'
	@echo 'make bench            measure publishing against psql, and what people wait for'
	@echo 'make bench-door       measure the door beside PgBouncer (ARGS="--quick" for a first look)'
	@echo 'make bench-cassandra  measure publishing to Cassandra beside cqlsh and DSBulk (ARGS="--quick")'
	@echo 'make docs             write the generated pages of docs/'
	@echo 'make wheel            build a wheel in dist/, for pip'
	@echo 'make lock             bring requirements.lock up to date with pyproject.toml'

setup:
	@PYTHON='$(PYTHON)' sh tools/setup.sh

run: setup
	@.venv/bin/myriad demo $${FILE:+"$$FILE"}

test: setup
	@$(PYTEST) $(ARGS)

test-nightly: setup
	@$(PYTEST) --nightly $(ARGS)

lint: setup
	@.venv/bin/ruff check
	@.venv/bin/ruff format --check --quiet
	@.venv/bin/mypy
	@.venv/bin/python tools/lock.py --check

bench: setup
	@.venv/bin/python -m benchmarks.bench_goals
	@.venv/bin/python -m benchmarks.bench_publish
	@.venv/bin/python -m benchmarks.bench_versions

bench-door: setup
	@.venv/bin/python -m benchmarks.bench_door $(ARGS)

bench-cassandra: setup
	@.venv/bin/python -m benchmarks.bench_cassandra $(ARGS)

docs: setup
	@.venv/bin/python -m docs.generate

wheel: setup
	@.venv/bin/python -m hatchling build -t wheel

lock: setup
	@.venv/bin/python tools/lock.py
