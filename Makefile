# Three commands: `make install` sets up; `make demo` sets up, trains and shows; `make test` tests.
PYTHON ?= python3
VENV ?= $(if $(filter python3,$(PYTHON)),.venv,.venv-$(notdir $(PYTHON)))
SEEDS ?= 0 1 2
RUN = $(VENV)/bin/python
PYTEST = $(RUN) -m pytest -rs -n 2 --dist loadfile --no-loadscope-reorder --durations=10

.PHONY: install demo demo-cost pretrained seeds seeds-plain results speed speed-before scale slices words sentences reliability test test-slow browser-test browser-installed fuzz faults mutants docs architecture screenshots lock gpu-check extract-env beam-env tfds-env peer-env signed-peer-env xpk-env lint clean

# what README.md begins with: the package and its trained model
install: $(VENV)/demo-installed
	@echo "now: source $(VENV)/bin/activate"

demo: $(VENV)/demo-installed
	$(RUN) launch/train.py --config=configs/mlsf.py --workdir=runs/mlsf

# the README's sentence about what the demo takes, on a machine that does nothing else
demo-cost: demo
	$(RUN) launch/results.py --workdirs=runs/mlsf --cost --readme=README.md --block=demo

# the demo over several seeds, and the table of docs/results.md from their reports
seeds: $(VENV)/demo-installed
	for seed in $(SEEDS); do \
	  $(RUN) launch/train.py --config=configs/mlsf.py --config.train.seed=$$seed \
	    --workdir=runs/mlsf-seed-$$seed || exit; \
	done
	$(MAKE) results

FIRST = runs/mlsf-seed-$(firstword $(SEEDS))

results: $(VENV)/demo-installed
	$(RUN) launch/results.py --workdirs=$(shell echo $(SEEDS:%=runs/mlsf-seed-%) | tr ' ' ,) \
	  --readme=docs/results.md
	mkdir -p docs
	cp $(FIRST)/samples/asl-*.gif docs/demo.gif
	for code in asl gsl dsgs tsl; do cp $(FIRST)/samples/$$code-*.png docs/$$code.png; done
	cp $(FIRST)/report/training.png docs/training.png

# the model that comes with the package: the demo's first seed in a quarter of its bytes, and its card
PRETRAINED = signllm_jax/artifacts/pretrained
pretrained: $(VENV)/demo-installed
	$(RUN) launch/train.py --config=configs/mlsf.py --config.train.seed=$(firstword $(SEEDS)) --workdir=$(FIRST)
	rm -rf $(PRETRAINED)
	$(RUN) launch/export.py --workdir=$(FIRST) --output=$(PRETRAINED) --stored=int8 --evaluate \
	  --command="make pretrained"

# docs/words.md: the demo's seeds by length, and a run on many signers for each of them
words: $(VENV)/demo-installed
	for seed in $(SEEDS); do \
	  $(RUN) launch/train.py --config=configs/mlsf.py:fingerspelling_signers \
	    --config.train.seed=$$seed --config.eval.report=False --workdir=runs/signers-seed-$$seed || exit; \
	done
	$(RUN) launch/words.py --demos=$(shell echo $(SEEDS:%=runs/mlsf-seed-%) | tr ' ' ,) \
	  --signers=$(shell echo $(SEEDS:%=runs/signers-seed-%) | tr ' ' ,)

# docs/sentences.md and its picture; needs the corpora of takes beside the checkout
sentences: $(VENV)/demo-installed
	for seed in $(SEEDS); do \
	  $(RUN) launch/study.py sentences --corpora=order,tsl,names --seed=$$seed \
	    --output=docs/sentences/seed-$$seed.json || exit; \
	done
	$(RUN) launch/study.py sentences
	cp runs/studies/sentences/order-$(firstword $(SEEDS))/strips/1-produced.png docs/sentences/order.png

# the demo's seeds without reinforcement learning, and their table in docs/results.md
seeds-plain: $(VENV)/demo-installed
	for seed in $(SEEDS); do \
	  $(RUN) launch/train.py --config=configs/mlsf.py:plain --config.train.seed=$$seed \
	    --workdir=runs/plain-seed-$$seed || exit; \
	done
	$(RUN) launch/results.py --workdirs=$(shell echo $(SEEDS:%=runs/plain-seed-%) | tr ' ' ,) \
	  --readme=docs/results.md --block=plain

# docs/speed.md: about half an hour, on a machine that does nothing else
MEASURE = $(RUN) launch/benchmark.py
PEER = --like=progressive_transformers
AGAINST = --against=progressive_transformers
speed: $(VENV)/demo-installed .venv-peer/installed .venv-beam/installed
	mkdir -p docs/speed
	$(MEASURE) train $(AGAINST) --steps=1 > docs/speed/ratio-train.jsonl
	$(MEASURE) decode $(AGAINST) --frames=300 > docs/speed/ratio-decode.jsonl
	$(MEASURE) start > docs/speed/start.jsonl
	$(MEASURE) serve > docs/speed/serve.jsonl
	for rows in 5 16; do \
	  $(MEASURE) train $(PEER) --rows=$$rows > docs/speed/train-$$rows.jsonl || exit; \
	done
	$(MEASURE) decode $(PEER) --variants=cached > docs/speed/decode.jsonl
	$(MEASURE) input --corpora=fingerspelling --rounds=3 > docs/speed/input-demo.jsonl
	$(MEASURE) input $(PEER) --rounds=3 > docs/speed/input-peer.jsonl
	$(MEASURE) work $(PEER) --rounds=3 > docs/speed/work.jsonl
	$(MEASURE) prepare --beam_python=.venv-beam/bin/python > docs/speed/prepare.jsonl
	$(MEASURE) speed --document=docs/speed.md

# docs/speed.md's rows beside an earlier version: more than an hour, of which the demos take half
EARLIER = 1c9e04f
HALF = --config=configs/mlsf.py:plain --config.model.decoder=parallel \
  --config.train.shared_start=1000 --config.train.steps=1000
BESIDE = $(MEASURE) before --checkout=build/before
speed-before: $(VENV)/demo-installed
	rm -rf build/before runs/before docs/speed/before-*.jsonl
	mkdir -p build/before docs/speed
	git archive $(EARLIER) | tar -x -C build/before
	$(BESIDE) --compared=demo --demo_flags="$(HALF)" > docs/speed/before-demo.jsonl
	for part in decode prepare serve; do \
	  $(BESIDE) --compared=$$part --prepared=5000 > docs/speed/before-$$part.jsonl || exit; \
	done
	$(MEASURE) speed --document=docs/speed.md

# docs/scale.md: some minutes, most of them for the list of two million made clips
scale: $(VENV)/demo-installed
	mkdir -p docs/scale
	$(MEASURE) plan --clips=1e4,1e5,1e6,2e6 --document=docs/scale.md > docs/scale/plan.jsonl

# docs/slices.md: about an hour of one core
LANGUAGES = ('asl', 'gsl', 'dsgs', 'lsf_ch', 'lis_ch', 'lsa', 'ksl', 'tsl')
EIGHT = --config.data.languages="$(LANGUAGES)" --config.data.row_tokens=128 --config.rl.capacity=4096 \
  --config.rl.clip_frames=0 --config.rl.clip_tokens=0
COMPILE = PYTHONPATH=$(VENV)/tpu $(RUN) launch/compile.py
BASE = $(COMPILE) --config=configs/mlsf.py:fingerspelling,base $(EIGHT)
SUPER = $(COMPILE) --config=configs/mlsf.py:fingerspelling,super $(EIGHT) --config.model.remat=products
LARGE = $(COMPILE) --config=configs/mlsf.py:fingerspelling,large $(EIGHT)
TWO = --mesh=language:8,fsdp:2 --config.train.batch_size=32 --config.rl.strata=2
ONE = --config.data.languages="('asl',)" --config.train.batch_size=32 --config.rl.strata=1
slices: $(VENV)/tpu
	$(COMPILE) --config=configs/mlsf.py --config.data.languages="('asl', 'gsl', 'dsgs', 'tsl')" \
	  --topology=v5e:2x2 --output=docs/slices/tiny-v5e-2x2.json
	for slice in v5e:4x4 v6e:4x4 v5p:2x2x4 v4:2x2x4; do \
	  $(BASE) $(TWO) --topology=$$slice --output=docs/slices/base-$$(echo $$slice | tr : -).json || exit; \
	done
	$(BASE) $(TWO) --config.train.batch_size=128 --topology=v5e:4x4 \
	  --output=docs/slices/base-v5e-4x4-128rows.json
	$(BASE) $(TWO) --topology=tpu7x:2x2x2 --output=docs/slices/base-tpu7x-2x2x2.json
	for slice in v5e:1x1 v6e:1x1; do \
	  $(BASE) $(ONE) --topology=$$slice --output=docs/slices/base-$$(echo $$slice | tr : -).json || exit; \
	done
	for decoder in autoregressive parallel; do \
	  $(BASE) --topology=v5e:4x4 --mesh=language:8,fsdp:2 --decode --config.eval.batch_size=8 \
	    --config.eval.max_frames=300 --config.model.decoder=$$decoder \
	    --output=docs/slices/generation-$$decoder-v5e-4x4.json || exit; \
	done
	$(SUPER) --topology=v5e:4x4 --mesh=language:8,fsdp:2 --config.train.batch_size=16 \
	  --config.rl.strata=2 --output=docs/slices/super-v5e-4x4.json
	$(BASE) --topology=v5e:8x8 --mesh=language:8,data:4,fsdp:2 --config.train.batch_size=128 \
	  --config.rl.strata=8 --output=docs/slices/base-v5e-8x8.json
	$(BASE) --topology=v5e:16x16 --mesh=language:8,data:16,fsdp:2 --config.train.batch_size=512 \
	  --config.rl.strata=32 --output=docs/slices/base-v5e-16x16.json
	$(SUPER) --topology=v5e:16x16 --mesh=language:8,data:16,fsdp:2 --config.train.batch_size=256 \
	  --config.rl.strata=32 --output=docs/slices/super-v5e-16x16.json
	$(SUPER) --topology=v5e:16x16 --mesh=language:8,fsdp:32 --config.train.batch_size=256 \
	  --config.rl.strata=32 --output=docs/slices/super-v5e-16x16-fsdp.json
	$(LARGE) --topology=v5e:16x16 --mesh=language:8,data:16,fsdp:2 --config.train.batch_size=256 \
	  --config.rl.strata=32 --output=docs/slices/large-v5e-16x16.json
	for rows in "1024 8" "2048 4"; do for attention in xla splash; do set -- $$rows; \
	  $(BASE) --topology=v5e:4x4 --mesh=language:8,fsdp:2 --config.data.row_frames=$$1 \
	    --config.train.batch_size=$$2 --config.rl.strata=2 --config.rl.capacity=512 \
	    --config.model.attention=$$attention \
	    --output=docs/slices/long/base-$$1-$$attention.json || exit; \
	done; done
	$(RUN) launch/compile.py --table=docs/slices.md

test: $(VENV)/test-installed
	$(PYTEST) --junitxml=build/test.xml -m "not slow and not gpu" tests

# without chromium or npm the tests of the page say so and are skipped
test-slow: $(VENV)/test-installed $(VENV)/tpu .venv-tfds/installed .venv-beam/installed \
    .venv-xpk/installed browser-installed
	$(PYTEST) --junitxml=build/test-slow.xml -m "slow and not gpu and not repeated" tests

# writes docs/reliability.md: kills, stops and other mishaps of tiny runs; takes an hour on two cores.
# After `make test test-slow` their reports have it with fewer tries: python docs/reliability.py build/test*.xml
MISHAPS = twice or nothing_is_lost or sigterm_on or swapped_texts or other_data or damaged_clips or \
  without_its_check or full_disk or is_gone or killed_process or lost_host or no_progress
reliability: $(VENV)/test-installed
	$(PYTEST) --junitxml=build/reliability.xml -m "slow or not slow" -k "$(MISHAPS)" \
	  $(addprefix tests/test_,$(addsuffix .py,kills hosts resuming bad_clips workdir damage workers)); \
	$(RUN) docs/reliability.py build/reliability.xml

# the page in a browser, with Debian's chromium and chromium-driver
browser-test: $(VENV)/test-installed browser-installed
	$(RUN) -m pytest -m slow tests/test_browser.py tests/test_formats.py

# damages the files of every reader and schema, and writes the counts into docs/security.md
MINUTES ?= 20
fuzz: $(VENV)/test-installed
	PYTHONPATH=. $(RUN) tests/fuzz.py --minutes=$(MINUTES)

# prepares corpora of every form with every known fault in them, and writes the counts into docs/prepare.md
CLIPS ?= 5000
faults: $(VENV)/test-installed
	PYTHONPATH=. $(RUN) tests/faults.py --clips=$(CLIPS)

# changes the pure core and counts what the tests notice, into docs/mutants.md; takes an hour on two cores
mutants: $(VENV)/test-installed .venv-mutants/installed
	PYTHONPATH=. .venv-mutants/bin/python tests/mutants.py --python=$(RUN)

.venv-mutants/installed: requirements/mutants.txt
	$(call APART,.venv-mutants,mutants)
	$(APART_DONE)

# the documentation's site, in build/site, by what its pages need alone
docs: .venv-docs/installed
	REPOSITORY=$$(git config --get remote.origin.url | grep ^https) NO_MKDOCS_2_WARNING=1 \
	  .venv-docs/bin/python -m mkdocs build --strict

# docs/architecture.svg, from the imports of the code
architecture: $(VENV)/test-installed
	$(RUN) docs/architecture.py

# pictures of the page for docs/, with the model of the package, and the time to a word's first frame
screenshots: $(VENV)/test-installed
	$(RUN) tests/browser/screenshots.py $(PRETRAINED) docs

BROWSER = $(VENV)/browser/node_modules/.package-lock.json

browser-installed:
	@test $(BROWSER) -nt tests/browser/package.json || { \
	  mkdir -p $(VENV)/browser && cp tests/browser/package.json $(VENV)/browser && \
	  npm install --prefix $(VENV)/browser --no-fund --no-audit --loglevel=error && \
	  touch $(BROWSER); } || echo "npm: nothing installed, tests that need it are skipped"

# on a machine with a GPU, after `pip install -e '.[cuda]'`
SEES_GPU = import sys, jax; seen = jax.devices(); sys.exit(None if seen[0].platform == "gpu" else \
  f"jax sees no GPU, but {seen}: is the extra cuda installed in $(VENV)? pip install -e .[cuda] in the checkout")
gpu-check: $(VENV)/test-installed
	@$(RUN) -c '$(SEES_GPU)'
	$(RUN) -m pytest -m gpu tests

# An environment of its own: $(call APART,FOLDER,LIST). What a kill left half made is made anew.
define APART
	@test ! -e $(1)/unfinished || rm -rf $(1)
	@test -e $(1) || { mkdir $(1) && touch $(1)/unfinished; }
	$(PYTHON) -m venv $(1)
	$(1)/bin/python -m pip install --quiet --require-hashes -r requirements/build.txt
	$(1)/bin/python -m pip install --quiet --require-hashes --no-deps --no-build-isolation -r requirements/$(2).txt
endef
APART_DONE = @rm -f $(@D)/unfinished; touch $@

# the extra `docs`, and numpy, which the settings' types name
DOCS = "mkdocs-material>=9.5,<10" "mkdocstrings[python]>=0.26,<2" numpy
.venv-docs/installed: requirements/docs.txt
	$(call APART,.venv-docs,docs)
	$(APART_DONE)

# what launch/extract.py needs: MediaPipe 0.10.21 wants numpy < 2, so it lives apart
EXTRACT = "mediapipe==0.10.21" "numpy<2" "pose-format>=0.15,<0.16"
extract-env: .venv-extract/installed

.venv-extract/installed: requirements/extract.txt
	$(call APART,.venv-extract,extract)
	$(APART_DONE)

# TensorFlow, for TFDS's own tests and commands: it moves protobuf, so it lives apart (2.2 GB)
TFDS = tensorflow-cpu tensorflow-datasets array_record "etils[epath]" importlib_resources orjson \
  apache-beam mlcroissant dill pytest
tfds-env: .venv-tfds/installed

.venv-tfds/installed: requirements/tfds.txt
	$(call APART,.venv-tfds,tfds)
	$(APART_DONE)

# PyTorch on CPU, for the ratios of docs/speed.md alone (1 GB; more where only a build for GPUs is had)
peer-env: .venv-peer/installed

.venv-peer/installed: requirements/peer.txt
	$(PYTHON) -m venv .venv-peer
	.venv-peer/bin/python -m pip install --quiet torch numpy --constraint requirements/peer.txt
	touch $@

# spoken-to-signed as a peer of launch/evaluate.py --peer
SIGNED_PEER = "spoken-to-signed>=0.4,<0.5" "pose-format>=0.15,<0.16"
signed-peer-env: .venv-signed-peer/installed

.venv-signed-peer/installed: requirements/signed-peer.txt
	$(call APART,.venv-signed-peer,signed-peer)
	$(APART_DONE)

# xpk as docs/pods.md uses it: it pins other versions, so it lives apart
xpk-env: .venv-xpk/installed

.venv-xpk/installed: requirements/xpk.txt
	$(call APART,.venv-xpk,xpk)
	$(APART_DONE)

# style, and the floors of docs/architecture.md
lint: $(VENV)/test-installed
	$(VENV)/bin/ruff check .
	$(VENV)/bin/ruff format --check .
	$(VENV)/bin/lint-imports
	$(VENV)/bin/pyright

# What a kill left half made is made anew: pip takes a package that it was killed in for a whole one.
# A folder that somebody else has made stays.
UNFINISHED = $(VENV)/unfinished
BEGIN = test -s $(VENV)/made || mv $(VENV)/made $(UNFINISHED)
END = code=$$?; test ! -e $(UNFINISHED) || mv $(UNFINISHED) $(VENV)/made; exit $$code
INSTALL = $(RUN) -m pip install --quiet --require-hashes --no-build-isolation

OLD = "Python %d.%d is too old: make install PYTHON=python3.12, whose environment is .venv-python3.12"
$(VENV)/made:
	@$(PYTHON) -c 'import sys; v = sys.version_info; sys.exit(None if v >= (3, 11) else $(OLD) % v[:2])'
	@test ! -e $(UNFINISHED) || rm -rf $(VENV)
	@test -e $(VENV) || { mkdir -p $(VENV) && touch $(UNFINISHED); }
	$(PYTHON) -m venv $(VENV)
	@if test -e $(UNFINISHED); then mv $(UNFINISHED) $@; else echo kept > $@; fi

# one after the other, also under `make -j`: two pips in one environment break each other's work
$(VENV)/demo-installed: setup.cfg pyproject.toml requirements/build.txt requirements/demo.txt | $(VENV)/made
	@echo "installing the package and its libraries into $(VENV): a minute or more"
	@$(BEGIN)
	$(INSTALL) -r requirements/build.txt && $(INSTALL) -r requirements/demo.txt && \
	  $(RUN) -m pip install --quiet --no-deps --no-build-isolation --editable .; $(END)
	@touch $@

$(VENV)/test-installed: $(VENV)/demo-installed requirements/test.txt
	@$(BEGIN)
	$(INSTALL) -r requirements/test.txt; $(END)
	@touch $@

# the TPU compiler that jax asks for, aside: installed as a plugin it would look for a TPU
$(VENV)/tpu: requirements/pods.txt | $(VENV)/test-installed
	sed -n '/^libtpu==/,/[^\\]$$/p' requirements/pods.txt > $(VENV)/libtpu.txt
	$(INSTALL) --upgrade --no-deps --target $@ -r $(VENV)/libtpu.txt

# requirements/: versions and digests of every file for Python 3.11 to 3.13, from setup.cfg; versions
# that are there stay, but with UPGRADE=--upgrade
LOCK = .venv-lock/bin/uv pip compile --quiet --generate-hashes --no-header --no-annotate $(UPGRADE)
lock: .venv-lock/installed
	$(LOCK) --universal --python-version 3.11 --extra demo --extra docs --extra eval --extra serve \
	  --extra test setup.cfg -o requirements/test.txt
	$(LOCK) --universal --python-version 3.11 -c requirements/test.txt --extra demo --extra eval --extra serve \
	  setup.cfg -o requirements/demo.txt
	$(LOCK) --universal --python-version 3.11 -c requirements/test.txt --extra demo --extra eval \
	  --extra gcs --extra tpu setup.cfg -o requirements/pods.txt
	echo setuptools wheel | tr ' ' '\n' | $(LOCK) --universal --python-version 3.11 - -o requirements/build.txt
	echo $(DOCS) | tr ' ' '\n' | $(LOCK) --universal --python-version 3.11 -c requirements/test.txt - -o requirements/docs.txt
	echo $(EXTRACT) | tr ' ' '\n' | $(LOCK) --python-version 3.11 - -o requirements/extract.txt
	$(LOCK) --universal --python-version 3.11 --extra beam --extra demo setup.cfg -o requirements/beam.txt
	echo $(SIGNED_PEER) | tr ' ' '\n' | $(LOCK) --universal --python-version 3.11 - -o requirements/signed-peer.txt
	echo "cosmic-ray>=8.4,<9" | $(LOCK) --universal --python-version 3.11 - -o requirements/mutants.txt
	echo xpk==1.16.0 | $(LOCK) --python-version 3.11 - -o requirements/xpk.txt
	echo $(TFDS) | tr ' ' '\n' | $(LOCK) --universal --python-version 3.11 - -o requirements/tfds.txt

.venv-lock/installed:
	$(PYTHON) -m venv .venv-lock
	.venv-lock/bin/python -m pip install --quiet uv==0.13.9
	touch $@

# Apache Beam asks for other versions of protobuf and pyarrow: an environment of its own
beam-env: .venv-beam/installed

.venv-beam/installed: setup.cfg requirements/beam.txt
	$(call APART,.venv-beam,beam)
	.venv-beam/bin/python -m pip install --quiet --no-deps --no-build-isolation --editable .
	$(APART_DONE)

clean:
	rm -rf .venv .venv-* build *.egg-info
