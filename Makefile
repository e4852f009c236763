# Two commands on a fresh machine with Python >= 3.10 and make: `make demo` and `make test`.
PYTHON ?= python3
VENV ?= .venv
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip install --quiet --disable-pip-version-check --constraint constraints.txt

.PHONY: demo test lint apk arm64 clean

demo: $(VENV)/edge
	$(BIN)/python tools/draw_lesion.py demo/lesion.png
	$(BIN)/skinedge predict demo/lesion.png --heatmap demo/attention.png

test: $(VENV)/dev lint
	$(BIN)/python -m pytest -n auto --dist loadfile

lint: $(VENV)/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# The Android demo, without Google's repository: built, tested, signed and verified. Takes JDK 17,
# Maven, Linux on x86-64 and Python 3.11; compares answers on HAM10000 where that is found.
HAM10000 ?= $(wildcard $(or $(SKINEDGE_DATA),$(CURDIR)/../shared/data)/ham10000)
apk: $(VENV)/dev
	$(BIN)/python tools/golden_android_pixels.py --check
	$(BIN)/python tools/golden_android_answers.py --check
	PYTHON=$(BIN)/python android_demo/build_apk.sh --benchmark --check-reproducible $(if $(HAM10000),--real $(HAM10000))

# The embedded model on an emulated ARM processor; says what is missing where it cannot.
arm64: $(VENV)/dev
	PATH="$(abspath $(BIN)):$$PATH" $(BIN)/python tools/arm64_check.py

# Each stamp is an install that succeeded; a changed requirement installs again.
$(VENV)/edge: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable .
	touch $@

$(VENV)/dev: pyproject.toml constraints.txt | $(BIN)/python
	$(PIP) --editable '.[dev]'
	touch $@

$(BIN)/python:
	@$(PYTHON) -c 'import sys; sys.exit("SkinEdge needs Python 3.10 or newer" if sys.version_info < (3, 10) else 0)'
	$(PYTHON) -m venv $(VENV) || { rm -rf $(VENV); exit 1; }

clean:
	rm -rf $(VENV) demo
