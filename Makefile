# The environment is made once, in .venv, and made again when its description changes.

PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
STAMP  := $(VENV)/.stamp
DEEPINV := $(VENV)/deepinv

.PHONY: help setup demo serve test soak image-test lint format picture clean

help:
	@echo "make demo    sample a posterior of the example photograph, into demo/"
	@echo "make test    run the whole test suite"
	@echo "make soak    the tests that take minutes: a service in bad luck"
	@echo "make image-test  build the container image, start it and sample in it"
	@echo "make serve   start the service on http://127.0.0.1:8000"
	@echo "make lint    style, format and type checks"
	@echo "make format  apply the style"
	@echo "make setup   only make the environment in .venv"

setup: $(STAMP)

$(STAMP): pyproject.toml client/pyproject.toml constraints.txt
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' || \
		{ echo "Python 3.11 or newer is needed; '$(PYTHON)' is $$($(PYTHON) -V 2>&1). Give another with: make PYTHON=python3.12"; exit 1; }
	@$(PYTHON) -c 'import ensurepip, venv' 2>/dev/null || \
		{ echo "Python's venv module is incomplete. On Debian and Ubuntu: sudo apt-get install python3-venv"; exit 1; }
	test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt -e '.[dev]' -e client
	@touch $@

demo: $(STAMP)
	$(BIN)/dpnp demo --out demo

serve: $(STAMP)
	$(BIN)/dpnp serve

test: $(STAMP) $(DEEPINV)/.stamp
	$(BIN)/python -m pytest -n 2
	PYTHONPATH=$(DEEPINV) $(BIN)/python -m pytest tests/interop

# deepinv lies apart: it wants torchvision, which diffusers imports wherever it is installed and which imports only beside its own build of torch.
$(DEEPINV)/.stamp: $(STAMP)
	$(BIN)/python -m pip install --disable-pip-version-check -c constraints.txt --no-deps --upgrade --target $(DEEPINV) \
		deepinv torchvision torchmetrics lightning-utilities einops natsort
	@touch $@

soak: $(STAMP)
	$(BIN)/python -m pytest -m soak tests

image-test:
	$(PYTHON) tools/image_test.py

lint: $(STAMP)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

format: $(STAMP)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

# The picture in the README.
picture: demo
	mkdir -p docs/images
	cp demo/samples.png docs/images/demo.png

clean:
	rm -rf $(VENV) demo .pytest_cache .mypy_cache .ruff_cache
