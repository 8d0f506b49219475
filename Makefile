# Every target makes the environment it needs; a second run finds it there.
PYTHON ?= python3
VENV ?= .venv
TESTS ?= tests
# So many test files at a time: most of their time they wait for workers. In their order: files of few tests have
# the longest ones, and would begin last.
AT_ONCE ?= 3

RUN := $(VENV)/bin/python
FOR_DEMO := $(VENV)/.for-demo
FOR_DEVELOPMENT := $(VENV)/.for-development
NO_OTHER_SERVICE := not postgres and not redis7 and not browser and not bench and not soak

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help demo test lint check soak bench bench-admin bench-api docs api-reference screenshots clean

help:
	@echo 'make demo    run the example shop: a site, a worker and their jobs (SERVE=1 keeps it up)'
	@echo 'make test    the tests that need no other service than the embedded Valkey'
	@echo 'make lint    format, style, types, layers, Django checks'
	@echo 'make check   lint, then test'
	@echo 'make soak    the tests that go on for minutes'
	@echo 'make docs    the documentation, into docs/_build/html'
	@echo 'make screenshots     the pictures of the documentation, as they are committed; needs Chromium'
	@echo 'make api-reference   the schema of the REST API and its page, as they are committed'
	@echo 'make bench   measure the speed beside other job systems'
	@echo 'make bench-admin  open every page of the admin on a million jobs'
	@echo 'make bench-api    ask for every list and number of the REST API on a million jobs'
	@echo 'make clean   remove the environment and what was built'
	@echo
	@echo 'PYTHON=$(PYTHON) makes the environment VENV=$(VENV); TESTS=$(TESTS) is what test runs,'
	@echo 'AT_ONCE=$(AT_ONCE) files at a time.'

# The environment's own pip: dependency groups need 25.1, and Python 3.11 comes with an older one.
$(RUN):
	$(PYTHON) -m venv $(VENV)
	$(RUN) -m pip install --quiet --upgrade 'pip>=25.1'

$(FOR_DEMO): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --editable '.[dev-server,speed]' --group example
	@touch $@

$(FOR_DEVELOPMENT): pyproject.toml | $(RUN)
	$(RUN) -m pip install --quiet --editable '.[dev-server,metrics,otel,secrets,sentry,speed]' --group dev
	@touch $(FOR_DEMO) $@

demo: $(FOR_DEMO)
	SERVE=$(SERVE) $(RUN) -m example_project.demo

test: $(FOR_DEVELOPMENT)
	$(RUN) -m pytest --numprocesses $(AT_ONCE) --dist loadfile --no-loadscope-reorder -m '$(NO_OTHER_SERVICE)' $(TESTS)

lint: $(FOR_DEVELOPMENT)
	$(RUN) -m ruff format --check .
	$(RUN) -m ruff check .
	$(RUN) -m mypy
	$(VENV)/bin/lint-imports
	$(RUN) manage.py check
	$(RUN) manage.py makemigrations --check --dry-run

check: lint test

soak: $(FOR_DEVELOPMENT)
	$(RUN) -m pytest -m soak $(TESTS)

bench: $(FOR_DEVELOPMENT)
	$(RUN) -m tests.benchmarks

bench-admin: $(FOR_DEVELOPMENT)
	$(RUN) -m tests.benchmarks.admin --output docs/reference/admin-speed.md

bench-api: $(FOR_DEVELOPMENT)
	$(RUN) -m tests.benchmarks.api --output docs/reference/api-speed.md

docs: $(FOR_DEVELOPMENT)
	$(RUN) -m sphinx -W --keep-going --quiet -b html docs docs/_build/html
	@echo 'Open docs/_build/html/index.html'

screenshots: $(FOR_DEVELOPMENT)
	$(RUN) -m tests.pictures

api-reference: $(FOR_DEVELOPMENT)
	$(RUN) -m tests.api.reference

clean:
	rm -rf $(VENV) docs/_build build dist .mypy_cache .ruff_cache .pytest_cache .import_linter_cache
