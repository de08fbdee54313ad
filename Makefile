# make reproduce        Make the default study and its report, in results/reference/.
# make test             Check style, imports and types; run the tests.
# make claims           Print each claim with its answer; fail where an answer is not the expected one.
# make archive          Pack the study with report, code and description as an RO-Crate, one zip.
# make list_templates   Print the templates of prompts filled, token by token, with what is wrong in them.
#
# For those who change the code:
# make environment      Install into .venv; all other targets do that first.
# make golden           Renew the numbers that the smoke study is held to (tests/golden/smoke.json).
# make examples         Renew the figures, the pictures and the report in docs/, from the default study.
#
# Of another study:     make reproduce ARGS="--config study=other head=3.1"
.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
PYTHON ?= $(firstword $(foreach name,python3 python3.13 python3.12 python3.11,$(shell \
    $(name) -c 'import sys; sys.version_info >= (3, 11) and print("$(name)")' 2>/dev/null)))
ENVIRONMENT := .venv/.installed
export PATH := $(CURDIR)/.venv/bin:$(PATH)

.PHONY: help environment reproduce claims archive list_templates test lint unit golden examples clean

help:
	@sed -n 's/^# \{0,1\}//p' Makefile

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

claims archive list_templates: $(ENVIRONMENT)
	snakemake $@ --cores all $(ARGS)

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

examples: reproduce
	cp results/reference/report/index.html results/reference/report/index.pdf \
	    results/reference/report/explorer.html docs/example/
	cp results/reference/heads/*/figures/distribution_post.svg docs/figure-1.svg
	cp results/reference/heads/*/figures/task_closing_bracket.svg docs/line-plot.svg
	pdftoppm -png -r 72 -f 1 -singlefile docs/example/index.pdf docs/report
	chromium --headless --no-sandbox --hide-scrollbars --window-size=1100,800 \
	    --screenshot=docs/explorer.png file://$(CURDIR)/docs/example/explorer.html

clean:
	rm -rf .venv .snakemake build .pytest_cache .ruff_cache .mypy_cache
