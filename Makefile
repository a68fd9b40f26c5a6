VENV ?= .venv
PY = $(VENV)/bin/python
PYTHON ?= python3
PIP = $(PY) -m pip install --quiet --disable-pip-version-check
TORCH = torch==2.13.0

FUZZ_SECONDS ?= 60

# hundreds of processes of ours start in the tests; compiled once, each is ready sooner
unexport PYTHONDONTWRITEBYTECODE

# tests in parallel: many functional tests wait for processes, so six workers on two cores; four leave a tenth of them idle
JOBS ?= 6
# what they write lies in memory where 4 GB of it are free: a store that syncs waits milliseconds on a disk
TEMPROOT ?= $(shell df -Pk /dev/shm 2>/dev/null | awk 'NR == 2 && $$4 > 4000000 {print "/dev/shm"}')
PYTEST = $(if $(TEMPROOT),PYTEST_DEBUG_TEMPROOT=$(TEMPROOT) )$(PY) -m pytest -n $(JOBS) --dist loadgroup --no-loadscope-reorder

.PHONY: sbom audit-packages up install install-locked test test-quick test-train test-compiled unpack-compiled wheel-compiled check fuzz soak clean bench-gateway bench-speed bench-scale bench-start starter bench-data bench-data-minhash bench-data-stages bench-eval harness lock mutants bench-planner bench-monitoring bench-loadtest bench-security bench-release bench-console bench-governance screenshots sslyze model-signing oscal
up: $(VENV)/.embedded            ## a gateway with a model that answers, on :8080
	$(VENV)/bin/steward up

install: $(VENV)/.all            ## every extra but train

test: $(VENV)/.test              ## the whole suite: ten minutes on two cores
	$(if $(wildcard tests/__pycache__/conftest.*-pytest-*.pyc),,$(PY) -m pytest --collect-only >/dev/null)  # compile the tests once, not once in each worker
	$(PYTEST)

test-train: $(VENV)/.test        ## real training of the shipped model: two minutes
	$(PY) -m pytest tests/functional/test_train.py tests/functional/test_experiment.py tests/contract/test_trainers.py

wheel-compiled: | $(VENV)/bin/python  ## dist/: a wheel whose hot modules are compiled, for this platform and Python; needs a C compiler
	rm -f dist/llm_steward-*-cp*.whl
	STEWARD_COMPILE=1 $(PY) -m pip wheel --disable-pip-version-check --no-deps --wheel-dir dist .

COMPILED = build/compiled
# of docstrings compiled functions have none, so that their examples run in `make test` only
COMPILED_TESTS = tests/unit/privacy tests/unit/text tests/security/test_streamed_pseudonyms.py tests/security/test_streamed_pseudonyms_of_dialects.py
unpack-compiled: wheel-compiled
	rm -rf $(COMPILED) && $(PIP) --no-deps --target $(COMPILED) dist/llm_steward-*-$$($(PY) -c 'import sys; print("cp%d%d" % sys.version_info[:2])')-*.whl

test-compiled: $(VENV)/.test unpack-compiled  ## that the compiled wheel gives the same answers: a minute after it is built
	$(PY) scripts/compare_builds.py $(COMPILED)
	PYTHONPATH=$(COMPILED) $(PYTEST) $(COMPILED_TESTS) --ignore=tests/unit/privacy/test_docstrings.py --ignore=tests/unit/text/test_docstrings.py

# `make check` runs it too
BANDIT = tests/architecture/test_supply_chain.py::test_bandit_finds_nothing_grave_that_nobody_has_looked_at
test-quick: $(VENV)/.test        ## the unit tests: under a minute
	$(PYTEST) tests/unit tests/architecture --deselect $(BANDIT)

MUTANTS ?= --count 100
RELEASE_SIMULATIONS ?= 200
mutants: $(VENV)/.test           ## small faults that the unit tests must notice; MUTANTS="--count 20 --seed 3 gateway"
	$(PY) scripts/mutants.py $(MUTANTS)

check: $(VENV)/.test             ## style, types of source and tests, layers
	$(VENV)/bin/ruff check . && $(VENV)/bin/ruff format --check .
	$(VENV)/bin/mypy && $(VENV)/bin/lint-imports
	$(PY) scripts/check_bandit.py

sbom: $(VENV)/.test              ## write the bill of materials anew, after `make lock`
	$(PY) scripts/sbom.py

AUDIT ?= build/audit
audit-packages:                  ## ask an advisory service about every locked package; needs one that answers
	test -x $(AUDIT)/bin/python || $(PYTHON) -m venv $(AUDIT)
	$(AUDIT)/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/audit.txt
	-$(AUDIT)/bin/pip-audit --require-hashes --disable-pip -r requirements/ci.txt --format json --output $(AUDIT)/report.json
	$(PYTHON) scripts/audit_packages.py $(AUDIT)/report.json

fuzz: $(VENV)/.test              ## the request parser and the stream reader, with atheris where it installs
	-$(PIP) --only-binary :all: atheris
	$(PY) tests/fuzz.py --seconds $(FUZZ_SECONDS)

soak: $(VENV)/.test              ## kill workers and keeper 200 times under load, then balance the ledger: 10 minutes
	$(PY) tests/soak.py

RENSA ?= build/rensa
STEWARD_DATA ?= build/steward-data

bench-gateway: $(VENV)/.test      ## the gateway beside other gateways and bare proxies, and what its layers cost: a quarter of an hour
	$(PY) benchmarks/bench_gateway.py
	$(PY) benchmarks/bench_gateway_peers.py

bench-speed: $(VENV)/.test unpack-compiled $(RENSA)/.installed $(STEWARD_DATA)/.installed  ## beside compiled peers: the first table of docs/explanation/performance.md, half an hour
	$(PY) benchmarks/bench_gateway_peers.py --compiled $(COMPILED)
	$(PY) benchmarks/bench_gateway.py --only memory --minutes 10
	$(PY) benchmarks/bench_data_minhash.py --rensa $(RENSA)/bin/python --steward $(STEWARD_DATA)/bin/python --documents 6000

bench-scale: $(VENV)/.test        ## 1,024 streams, 10,000 idle connections, 100,000 keys, a ledger of 10^7 rows: half an hour, 10 GB of disk
	$(PY) benchmarks/bench_scale.py

DATATROVE ?= build/datatrove
# of the whole run; `make bench-data MEGABYTES="1000 10000"` for the 10 GB row: an hour, 40 GB of disk
MEGABYTES ?= 100 1000
bench-data: $(VENV)/.test $(DATATROVE)/.installed  ## the data stages beside datatrove: half an hour, 4 GB of disk
	$(PY) benchmarks/bench_data.py --peer $(DATATROVE)/bin/python --megabytes $(MEGABYTES)

bench-data-minhash: $(VENV)/.test $(DATATROVE)/.installed $(RENSA)/.installed $(STEWARD_DATA)/.installed  ## near-duplicates only: a quarter of an hour
	$(PY) benchmarks/bench_data.py --peer $(DATATROVE)/bin/python --only minhash scale
	$(PY) benchmarks/bench_data_minhash.py --rows 1400000
	$(PY) benchmarks/bench_data_minhash.py --rensa $(RENSA)/bin/python --steward $(STEWARD_DATA)/bin/python --documents 6000
	$(STEWARD_DATA)/bin/python benchmarks/bench_data_minhash.py --parts --documents 6000

BEFORE ?= build/before
bench-data-stages: $(VENV)/.test  ## each stage beside a checkout of an earlier commit, BEFORE=DIR: five minutes
	$(PY) benchmarks/bench_data_stages.py --before $(BEFORE)

$(DATATROVE)/.installed: benchmarks/datatrove.txt
$(RENSA)/.installed: benchmarks/rensa.txt
$(DATATROVE)/.installed $(RENSA)/.installed:
	test -x $(@D)/bin/python || $(PYTHON) -m venv $(@D)
	$(@D)/bin/python -m pip install --quiet --disable-pip-version-check -r $< && touch $@

$(STEWARD_DATA)/.installed: pyproject.toml  ## what users of `steward data` install, and no more
	test -x $(STEWARD_DATA)/bin/python || $(PYTHON) -m venv $(STEWARD_DATA)
	$(STEWARD_DATA)/bin/python -m pip install --quiet --disable-pip-version-check -e '.[data]' && touch $@

bench-governance: $(VENV)/.test   ## an evidence pack of 10^5 records: two minutes
	$(PY) benchmarks/bench_governance.py

bench-release: $(VENV)/.test      ## how often a release decides wrongly, by simulation; RELEASE_SIMULATIONS=2000: a quarter of an hour of a core
	$(PY) benchmarks/bench_release.py --simulations $(RELEASE_SIMULATIONS)
	$(PY) benchmarks/bench_release_cost.py

bench-console: $(VENV)/.test       ## the console's pages over 90 days at 10 requests a second, and 20 viewers: three minutes
	$(PY) benchmarks/bench_console.py

SCREENSHOTS ?= build/screenshots
screenshots: $(VENV)/.embedded     ## pictures of every page, from a demonstration; needs Chromium: two minutes
	$(PY) scripts/screenshots.py --out $(SCREENSHOTS)

bench-security: $(VENV)/.test     ## permission decisions, an audit log of 10^6 entries, the gateway with TLS: four minutes
	$(PY) benchmarks/bench_security.py

sslyze:                            ## the TLS scanner, for tests/functional/test_tls.py: it needs an environment of its own
	test -x build/sslyze/bin/python || $(PYTHON) -m venv build/sslyze
	build/sslyze/bin/pip install --quiet 'sslyze>=6.3,<7'

model-signing:                     ## OpenSSF's signer and verifier of models, for tests/unit/workflows/test_model_signing.py
	test -x build/model-signing/bin/python || $(PYTHON) -m venv build/model-signing
	build/model-signing/bin/pip install --quiet 'model-signing>=1.1,<2' pyopenssl

oscal:                             ## OSCAL's models, for tests/functional/test_check.py: they pin what steward does not
	test -x build/oscal/bin/python || $(PYTHON) -m venv build/oscal
	build/oscal/bin/pip install --quiet 'compliance-trestle>=5.2,<6'

PEER_PRESIDIO ?= build/presidio
bench-privacy: $(VENV)/.test unpack-compiled  ## detectors of personal data beside Presidio's, and the gateway with them, from source and compiled: six minutes
	test -x $(PEER_PRESIDIO)/bin/python || ($(PYTHON) -m venv $(PEER_PRESIDIO) && $(PEER_PRESIDIO)/bin/pip install --quiet presidio-analyzer==2.2.366 presidio-evaluator==0.3.2)
	$(PY) benchmarks/bench_privacy.py --peer $(PEER_PRESIDIO)/bin/python
	$(PY) benchmarks/bench_gateway_ab.py . --privacy gdpr --rounds 6 --seconds 1.5
	mkdir -p build/wheel && ln -sfn ../compiled build/wheel/src
	@echo "The same with the compiled wheel:"
	PYTHONPATH=$(COMPILED) $(PY) benchmarks/bench_privacy.py --peer $(PEER_PRESIDIO)/bin/python
	$(PY) benchmarks/bench_gateway_ab.py build/wheel --privacy gdpr --rounds 6 --seconds 1.5

bench-planner: $(VENV)/.test      ## how far capacity plans are off: about 4 minutes
	$(PY) benchmarks/bench_planner.py

bench-monitoring: $(VENV)/.test   ## false alarms, time to detect, and the store's series: an hour or two; --only drift queries is short
	$(PY) benchmarks/bench_monitoring.py

starter: $(VENV)/.starter        ## train the shipped model anew: about 20 minutes on two cores
	$(PY) scripts/starter/generate.py build/starter
	$(PY) scripts/starter/train.py build/starter && $(PY) scripts/starter/export.py build/starter
	$(PY) scripts/starter/score.py && $(PY) scripts/starter/parity.py

clean:
	rm -rf $(VENV) .pytest_cache .mypy_cache .ruff_cache

$(VENV)/bin/python:
	@echo "Creating the virtual environment $(VENV)."
	@$(PYTHON) -m venv $(VENV)

$(VENV)/.embedded: pyproject.toml | $(VENV)/bin/python
	@echo "Installing steward and its model server into $(VENV). This happens once and takes about a minute."
	@$(PY) -m pip install --disable-pip-version-check --progress-bar on -e '.[embedded]' && touch $@

$(VENV)/.all: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[all]' && touch $@

$(VENV)/.starter: pyproject.toml | $(VENV)/bin/python
	$(PIP) -e '.[embedded,train]' $(TORCH) && touch $@

$(VENV)/.test: pyproject.toml | $(VENV)/bin/python  ## every extra: the suite fine-tunes a model and starts a Ray cluster
	$(PIP) -e '.[all,ray,train,test]' $(TORCH) && touch $@

install-locked: | $(VENV)/bin/python  ## the same from requirements/ci.txt, to the exact file, as CI does
	$(PIP) --require-hashes --no-deps -r requirements/ci.txt
	$(PIP) --no-deps $(TORCH) && $(PIP) --no-deps -e . && touch $(VENV)/.test

LOCKER ?= build/lock
lock:                            ## resolve requirements/ci.txt anew, with uv in an environment of its own: half a minute
	test -x $(LOCKER)/bin/python || $(PYTHON) -m venv $(LOCKER)
	$(LOCKER)/bin/python -m pip install --quiet --require-hashes --no-deps -r requirements/lock.txt
	$(LOCKER)/bin/python scripts/lock.py

bench-start: $(VENV)/.test
	$(PY) benchmarks/bench_start.py

bench-eval: $(VENV)/.test         ## what an evaluation costs beside the model, and the paired bootstrap
	$(PY) benchmarks/bench_eval.py

HARNESS ?= build/harness
harness:                          ## record lm-evaluation-harness's perplexities of the shipped model, for the tests
	test -x $(HARNESS)/bin/python || $(PYTHON) -m venv $(HARNESS)
	$(HARNESS)/bin/pip install --quiet lm_eval==0.4.13 $(TORCH) 'transformers>=5,<6' accelerate gguf
	$(HARNESS)/bin/python scripts/harness_perplexity.py > $(HARNESS)/harness.json
	cp $(HARNESS)/harness.json tests/unit/evaluation/harness.json
PEER_AIPERF ?= build/aiperf
bench-loadtest: $(VENV)/.test     ## the load-testing client beside AIPerf, in an environment of its own; GUIDELLM=DIR adds GuideLLM
	test -x $(PEER_AIPERF)/bin/aiperf || ($(PYTHON) -m venv $(PEER_AIPERF) && $(PEER_AIPERF)/bin/pip install --quiet aiperf==0.13.0)
	$(PY) benchmarks/bench_loadtest.py --aiperf $(PEER_AIPERF) $(if $(GUIDELLM),--guidellm $(GUIDELLM))
