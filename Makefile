VENV ?= .venv
PY = $(VENV)/bin/python
PYTHON ?= python3
PIP = $(PY) -m pip install --quiet --disable-pip-version-check

FUZZ_SECONDS ?= 60

.PHONY: up install test test-train check fuzz soak clean bench-gateway bench-start starter bench-data bench-data-minhash
up: $(VENV)/.embedded            ## a gateway with a model that answers, on :8080
	$(VENV)/bin/steward up

install: $(VENV)/.all            ## every extra but train

test: $(VENV)/.test              ## the whole suite
	$(PY) -m pytest

test-train: $(VENV)/.test $(VENV)/.train  ## the tests that need torch: the tutorial that fine-tunes
	$(PY) -m pytest tests/functional/test_tutorials.py

check: $(VENV)/.test             ## style, types, architecture
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy && $(VENV)/bin/lint-imports

fuzz: $(VENV)/.test              ## the request parser and the stream reader, with atheris where it installs
	-$(PIP) --only-binary :all: atheris
	$(PY) tests/fuzz.py --seconds $(FUZZ_SECONDS)

soak: $(VENV)/.test              ## kill workers and keeper 200 times under load, then balance the ledger: 10 minutes
	$(PY) tests/soak.py

bench-gateway: $(VENV)/.test
	$(PY) benchmarks/bench_gateway.py

bench-data: $(VENV)/.test         ## the data stages beside datatrove, in an environment of its own
	$(PY) benchmarks/bench_data.py

starter: $(VENV)/.starter        ## train the shipped model anew: about 20 minutes on two cores
	$(PY) scripts/starter/generate.py build/starter
	$(PY) scripts/starter/train.py build/starter && $(PY) scripts/starter/export.py build/starter
	$(PY) scripts/starter/score.py && $(PY) scripts/starter/parity.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[embedded]' && touch $@

$(VENV)/.all: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[all]' && touch $@

$(VENV)/.starter: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[embedded,train]' torch==2.13.0 && touch $@

$(VENV)/.train: pyproject.toml | $(VENV)/bin/python  ## a gigabyte
	$(PIP) -e '.[train]' torch==2.13.0 && touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[all,test]' && touch $@

PEER_DATATROVE ?= build/datatrove
bench-data-minhash: $(VENV)/.test  ## near-duplicates beside datatrove's, which gets an environment of its own
	test -x $(PEER_DATATROVE)/bin/python || $(PYTHON) -m venv $(PEER_DATATROVE)
	$(PEER_DATATROVE)/bin/pip install --quiet datatrove==0.10.1 spacy orjson nltk regex tokenizers fasteners xxhash==3.5.0
	$(PY) benchmarks/bench_data_minhash.py --peer $(PEER_DATATROVE)/bin/python
	$(PY) benchmarks/bench_data_minhash.py --scale
	$(PY) benchmarks/bench_data_minhash.py --rows 1400000

bench-start: $(VENV)/.test
	$(PY) benchmarks/bench_start.py
