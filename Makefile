# Everything bootstraps itself with Python >= 3.11, pip, git and make; nothing else has to be installed.
UV := .tools/bin/uv
RUN := .venv/bin
PACKAGES := webhook-gateway reconciler cluster-registrar secret-broker api-server

.PHONY: demo test unit unit-half unit-rest check fmt bench schemas clean
demo: $(if $(filter real,$(CONTROLPLANE)),demo-real,.venv/ready)
	$(if $(filter real,$(CONTROLPLANE)),,$(RUN)/nautes demo)

test: .venv/ready
	$(RUN)/pytest

# Seconds: examples only, in two processes. The properties that stand among them are looked through by `make test`.
UNIT := $(RUN)/pytest -q -m "not hypothesis" -p no:schemathesis -p no:anyio -p no:platformdirs
HALF := $(addprefix tests/unit/,cli runtime webhook_gateway)
unit: .venv/ready
	$(MAKE) --jobs 2 --output-sync=target --no-print-directory unit-half unit-rest

unit-half:
	$(UNIT) $(HALF)

unit-rest:
	$(UNIT) $(filter-out $(HALF) %__pycache__,$(patsubst %/,%,$(wildcard tests/unit/*/)))

check: .venv/ready
	$(RUN)/ruff format --check
	$(RUN)/ruff check
	$(RUN)/mypy
	$(RUN)/lint-imports
	for name in $(PACKAGES); do echo "$$name alone"; $(UV) run --isolated --locked --no-dev --quiet --package nautes-$$name \
	  python -c "import nautes_$$(echo $$name | tr - _).app" || exit 1; done

fmt: .venv/ready
	$(RUN)/ruff check --fix --exit-zero
	$(RUN)/ruff format

bench: .venv/ready
	$(RUN)/python -m bench

schemas: .venv/ready
	$(RUN)/nautes schema --write docs/schemas

include controlplane.mk
include compose.mk

clean:
	rm -rf .venv .tools .mypy_cache .ruff_cache .pytest_cache .import_linter_cache

.venv/ready: uv.lock pyproject.toml $(wildcard libs/*/pyproject.toml services/*/pyproject.toml cli/pyproject.toml)
	test -x $(UV) || python3 -m pip install --quiet --disable-pip-version-check --target .tools "uv==0.13.9"
	$(UV) sync --locked --quiet
	touch $@
