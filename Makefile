# make reproduce   install into .venv, run the default study, build the report
# make test        install into .venv, check style, imports and types, run the tests
# make golden      renew the numbers that the smoke study is held to (tests/golden/smoke.json)
#
# Other studies:   make reproduce ARGS="--config study=other head=2.3"
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
    $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
ENVIRONMENT := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help environment reproduce test lint unit golden clean

help:
	@sed -n 's/^# \(.*\)/\1/p' Makefile

environment: $(ENVIRONMENT)

$(ENVIRONMENT): envs/requirements.lock pyproject.toml
	@test -n "$(PYTHON)" || { echo "polyhead needs Python 3.11 or newer; none was found on PATH." \
	    "Name one: make PYTHON=/path/to/python3.12 $(MAKECMDGOALS)"; exit 1; }
	$(PYTHON) -m venv .venv
	.venv/bin/python -m pip install --quiet --disable-pip-version-check -r envs/requirements.lock
	.venv/bin/python -m pip install --quiet --disable-pip-version-check --no-deps --no-build-isolation -e .
	@touch $@

reproduce: $(ENVIRONMENT)
	snakemake --cores all $(ARGS)
	@echo "The report: results/<study>/report/index.html and index.pdf"

test: lint unit

lint: $(ENVIRONMENT)
	ruff check .
	ruff format --check .
	snakefmt --check Snakefile workflow/rules training/Snakefile
	snakemake --lint
	lint-imports --no-cache
	mypy

unit: $(ENVIRONMENT)
	pytest --numprocesses 2 --dist loadscope --durations 15 $(ARGS)

golden: $(ENVIRONMENT)
	snakemake --configfile config/smoke.yaml --cores all
	python tests/golden/renew.py results/smoke

clean:
	rm -rf .venv .snakemake build .pytest_cache .ruff_cache .mypy_cache
