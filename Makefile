# make quickstart   generated street scenes -> train -> export -> verify -> benchmark -> table
# make test         every test
# make test-long    whole ways from data to files and tables, and the kit on the other backend; minutes
# make test-clients the app in a browser, the web page and the Kotlin library; needs Chromium, Node.js and a JDK
# make test-arm     shipped bundles on emulated 64-bit Arm; needs QEMU (qemu-user-static) and apt-get
# make docs         measured figures into the pages, model cards, and the reference in build/docs
# make demo         the app in the browser
# make lint         style, format and types
# make lock         write requirements.lock anew, with today's versions
# make clean        take away caches and builds; the virtual environment and runs/ stay
#
# The first of them makes the virtual environment. VENV=... puts it elsewhere, PYTHON=... chooses the Python.

PYTHON ?= python3
VENV ?= .venv
OUT ?= runs/quickstart
WORKERS ?= auto
PYTEST_ARGS ?=

BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
LOCKED := $(VENV)/.tierseg-locked
READY := $(VENV)/.tierseg-ready
CLIENTS := mobile_export/clients

export KERAS_BACKEND ?= tensorflow
export TF_CPP_MIN_LOG_LEVEL ?= 3

.PHONY: quickstart test test-long test-clients test-arm docs demo lint lock clean

quickstart: $(READY)
	$(BIN)/tierseg quickstart --out $(OUT)

# One worker a core, a file to a worker; more threads than that would only wait for each other. In the files' own order:
# by their number of tests, those of one long test would come last, when the other worker has nothing left to do.
test: $(READY)
	OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 $(BIN)/python -m pytest \
		--numprocesses=$(WORKERS) --maxprocesses=4 --dist=loadfile --no-loadscope-reorder --durations=15 $(PYTEST_ARGS)

test-long: $(READY)
	OMP_NUM_THREADS=1 TF_NUM_INTRAOP_THREADS=1 TF_NUM_INTEROP_THREADS=1 $(BIN)/python -m pytest -m long \
		--numprocesses=$(WORKERS) --maxprocesses=4 --dist=loadfile --durations=5 $(PYTEST_ARGS)

test-clients: $(READY) $(CLIENTS)/web/node_modules $(CLIENTS)/android/node_modules
	$(BIN)/python -m pytest -m clients --durations=10 $(PYTEST_ARGS)

# Fetches Debian's Python and the wheels for Arm into build/arm, once; minutes, for an emulator is slow.
test-arm: $(READY)
	$(BIN)/python -m pytest -m arm --durations=10 $(PYTEST_ARGS)

# What the clients are built and tested with, as their lock files say.
%/node_modules: %/package.json %/package-lock.json
	npm ci --prefix $* --no-audit --no-fund
	@touch $@

# Figures into the pages of docs/, the cards of the shipped bundles, then the reference from docstrings.
docs: $(READY)
	$(BIN)/python -m docs.builder

demo: $(READY)
	$(BIN)/tierseg demo

lint: $(READY)
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy

# Everything with its hash, then the project itself, for which nothing is left to fetch.
$(READY): pyproject.toml $(LOCKED)
	$(PIP) install --quiet --no-deps --no-build-isolation --editable .
	@touch $@

$(LOCKED): requirements.lock
	@$(PYTHON) -c 'import sys; sys.exit(not (3, 11) <= sys.version_info[:2] <= (3, 13))' || \
		{ echo 'make: `PYTHON` must be Python 3.11, 3.12 or 3.13, got $(shell $(PYTHON) -V 2>&1); name one: make PYTHON=python3.12' >&2; exit 2; }
	@test -x $(BIN)/python || $(PYTHON) -m venv $(VENV)
	@echo 'Installing what requirements.lock names into $(VENV): some minutes, once.'
	$(PIP) install --no-deps --only-binary=:all: --require-hashes --requirement requirements.lock
	@touch $@

# uv resolves for Python 3.11 to 3.13 on Linux and macOS at once; the markers that say only that are left out.
lock:
	$(PYTHON) -m venv $(VENV)/lock
	$(VENV)/lock/bin/python -m pip install --quiet --disable-pip-version-check 'uv>=0.13,<0.14'
	$(VENV)/lock/bin/uv pip compile pyproject.toml --quiet --universal --fork-strategy=fewest \
		--extra=train --extra=demo --extra=jax --extra=dev \
		--generate-hashes --no-emit-index-url --no-header --no-annotate > requirements.lock.partial
	sed -i.partial -e '1i\
	# Versions and hashes of all that `make` installs. Written by `make lock`.' \
		-e "s/python_full_version < '3.14' and //" \
		-e "s/ and (sys_platform == 'darwin' or sys_platform == 'linux')//" \
		-e "s/ ; (sys_platform == 'darwin' or sys_platform == 'linux')//" requirements.lock.partial
	rm requirements.lock.partial.partial
	mv requirements.lock.partial requirements.lock

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache *.egg-info
	find kit mobile_export demo_app tests -name __pycache__ -type d -prune -exec rm -rf {} +
