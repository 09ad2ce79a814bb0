# The study, from images to figures. `make help` lists what there is.

PROFILE      ?= mini
JOBS         ?= $(shell getconf _NPROCESSORS_ONLN)
PROCESSES    ?= $(JOBS)
SEED         ?=
SCHEDULER    ?=
DATA_ROOT    ?=
WEIGHTS_ROOT ?=
PYTHON       ?= python3
export DATA_ROOT WEIGHTS_ROOT

BUILD     := build/$(PROFILE)
FIGURES   := figures/$(PROFILE)
BIN       := .venv/bin
ENV       := .venv/.installed
NOTEBOOKS := $(basename $(notdir $(sort $(wildcard notebooks/[0-9][0-9]_*.ipynb))))
NUMBERS   := $(foreach name,$(NOTEBOOKS),$(firstword $(subst _, ,$(name))))
EXECUTED  := $(NOTEBOOKS:%=$(BUILD)/%.ipynb)
CLEARED   := $(NOTEBOOKS:%=$(BUILD)/.%.cleared)
PACKAGE   := $(shell find zsc_utils -name '*.py' -o -name '*.csv')
SETTINGS  := SEED=$(SEED) DATA_ROOT=$(DATA_ROOT) WEIGHTS_ROOT=$(WEIGHTS_ROOT)
# These compute more than the sweep did, in half as many processes each: they begin first, and those
# that only read results fill up the processors. The last reads what they computed.
COMPUTING := $(foreach n,06 10 09,$(filter $(BUILD)/$(n)_%,$(EXECUTED)))
LAST      := $(filter $(BUILD)/11_%,$(EXECUTED))
HALF      := $(shell expr \( $(JOBS) + 1 \) / 2)
BAR       := --progress-bar
number     = $(firstword $(subst _, ,$*))

# Where the clock was set back, stamps of a time to come would hide what is edited from now on.
$(shell cd $(BUILD) 2>/dev/null && touch .now && \
	find . -maxdepth 1 -type f -name '.*' -newer .now -exec touch -t 200001010000 {} +)

.DEFAULT_GOAL := help
.DELETE_ON_ERROR:
.PHONY: help env all compare reference book browser pretrain finetune sheets test bench lab data status lint format lock clean FORCE $(NUMBERS)

help: ## say what can be made
	@grep -hE '^[a-z]+:.*## ' $(MAKEFILE_LIST) | awk -F ':.*## ' '{printf "  make %-9s %s\n", $$1, $$2}'
	@printf '  make %-9s execute one notebook\n' $(NUMBERS)
	@echo 'variables: PROFILE=$(PROFILE) (of $(basename $(notdir $(wildcard profiles/*.yaml)))), JOBS=$(JOBS),'
	@echo '           SEED= (in place of the profile'"'"'s), DATA_ROOT= (datasets that were downloaded),'
	@echo '           WEIGHTS_ROOT= (weights of the study'"'"'s encoders),'
	@echo '           SCHEDULER= (of Dask, whose workers sweep: docs/cluster.md)'

env: $(ENV) ## make .venv with the locked versions

# Two notebooks at once have half of the threads each: together more would wait for each other.
all: $(BUILD)/.sweep ## compute what is missing and execute every notebook
	@OMP_NUM_THREADS=$(HALF) $(MAKE) --silent --no-print-directory --jobs=$(JOBS) \
		BAR=--no-progress-bar PROCESSES=$(HALF) \
		$(COMPUTING) $(filter-out $(COMPUTING) $(LAST),$(EXECUTED))
	@$(MAKE) --silent --no-print-directory --jobs=1 $(EXECUTED)
	@echo 'up to date: $(BUILD)/*.ipynb, $(FIGURES)/'

compare: $(ENV) ## say how far what make all gave is from the reference run; fail where verdicts differ
	@$(BIN)/zsc compare --profile $(PROFILE) $(if $(SEED),--seed $(SEED))

reference: $(ENV) ## keep what make all gave as the reference run, in docs/reference/
	@$(BIN)/zsc reference --profile $(PROFILE)

book: $(BUILD)/book/index.html ## make a site of the executed notebooks, to be read without running
	@echo 'open $<'

pretrain: $(ENV) ## train the encoders of weights/mini that are not there yet (hours; resumes)
	$(BIN)/zsc pretrain $(if $(OVERWRITE),--overwrite)

finetune: $(ENV) ## fine-tune ENCODER= on DATA_ROOT/imagenet into WEIGHTS_ROOT, on GPUS= GPUs (resumes)
	@test -n '$(ENCODER)' -a -n '$(DATA_ROOT)' -a -n '$(WEIGHTS_ROOT)' || { \
		echo 'make finetune needs ENCODER (such as dino_vitb16), DATA_ROOT and WEIGHTS_ROOT'; exit 1; }
	$(if $(GPUS),$(BIN)/torchrun --standalone --nproc-per-node $(GPUS) --no-python )$(BIN)/zsc finetune \
		--encoder $(ENCODER) --data $(DATA_ROOT)/imagenet --out $(WEIGHTS_ROOT)/$(ENCODER)_ft.safetensors

sheets: $(ENV) ## draw the contact sheets of docs/miniature.md anew
	@for sheet in docs/miniature/*.jpg; do \
		$(BIN)/zsc sheet "$$(basename "$$sheet" .jpg)" --out "$$sheet" --rows 2 --no-titles; done

# One thread a test: two processes of two threads each would wait for each other.
test: $(ENV) ## run the tests
	OMP_NUM_THREADS=1 $(BIN)/python -m pytest -n $(JOBS) --dist worksteal

browser: $(ENV) ## run notebooks and a report by a browser (Chromium, where it is installed)
	$(BIN)/python -m pytest -rs tests/browser/in_jupyterlab.py tests/browser/report.py

bench: $(ENV) ## time this package against the plain way
	$(BIN)/python benchmarks/bench.py --whole

lab: $(ENV) ## open the notebooks in JupyterLab
	$(BIN)/jupyter lab --notebook-dir=notebooks

data: $(ENV) ## say which of the profile's datasets are there; with DOWNLOAD=1 fetch what may be
	@$(BIN)/zsc data --profile $(PROFILE) $(if $(DOWNLOAD),--download)

status: $(ENV) ## say how far the profile's results are
	@$(BIN)/zsc status --profile $(PROFILE) $(if $(SEED),--seed $(SEED))

lint: $(ENV) ## check style
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .

format: $(ENV) ## mend style, and clear notebooks of their outputs
	$(BIN)/ruff check --fix-only .
	$(BIN)/ruff format .
	$(BIN)/jupyter nbconvert --clear-output --inplace notebooks/*.ipynb

lock: $(ENV) ## pin the newest versions that pyproject.toml allows
	$(BIN)/uv pip compile --universal --generate-hashes --no-emit-index-url --extra dev \
		--python-version 3.11 --upgrade --quiet pyproject.toml -o requirements.lock

clean: ## remove all that can be computed again but figures (.venv stays)
	rm -rf build

$(ENV): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
		|| { echo 'Python 3.11 or newer is needed: make PYTHON=python3.12 …'; exit 1; }
	@echo 'installing the locked versions into .venv'
	@test -x $(BIN)/python || $(PYTHON) -m venv .venv
	@$(BIN)/python -m pip install --quiet --disable-pip-version-check uv
	@# Bytecode now, for all processors: read-only installations and PYTHONDONTWRITEBYTECODE never get it.
	@$(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python --require-hashes \
		-r requirements.lock
	@$(BIN)/uv pip install --quiet --python $(BIN)/python --no-deps --editable .
	@touch $@

# Only for a profile that is not there: the command line names the near matches.
profiles/%.yaml: | $(ENV)
	@$(BIN)/zsc status --profile $*

# Other settings make other numbers: the file changes when they do, and only then.
$(BUILD)/.settings: FORCE
	@mkdir -p $(@D)
	@echo '$(SETTINGS)' | cmp -s - $@ || echo '$(SETTINGS)' > $@

# What is out of date goes before anything is made anew, so that nothing stale looks current if a
# later step fails.
$(BUILD)/.%.cleared: notebooks/%.ipynb profiles/$(PROFILE).yaml $(PACKAGE) $(ENV) $(BUILD)/.settings
	@rm -f $(BUILD)/$*.ipynb $(BUILD)/$*.partial.ipynb $(FIGURES)/$(number)_*
	@touch $@

$(BUILD)/.sweep: profiles/$(PROFILE).yaml $(PACKAGE) $(ENV) $(BUILD)/.settings | $(CLEARED)
	@$(BIN)/zsc sweep --profile $(PROFILE) --jobs $(JOBS) $(if $(SEED),--seed $(SEED)) \
		$(if $(SCHEDULER),--scheduler $(SCHEDULER))
	@touch $@

$(BUILD)/%.ipynb: $(BUILD)/.%.cleared $(BUILD)/.sweep | $(CLEARED)
	@echo 'executing notebooks/$*.ipynb'
	@$(BIN)/papermill notebooks/$*.ipynb $(BUILD)/$*.partial.ipynb --kernel python3 $(BAR) \
		--engine sockets \
		-p profile $(PROFILE) $(if $(SEED),-p seed $(SEED)) \
		$$(grep -q '"jobs = ' notebooks/$*.ipynb && echo -p jobs $(PROCESSES)) \
		|| { rm -f $(FIGURES)/$(number)_*; \
		     echo 'failed; executed so far: $(BUILD)/$*.partial.ipynb'; exit 1; }
	@mv $(BUILD)/$*.partial.ipynb $@

$(BUILD)/book/index.html: $(EXECUTED) $(wildcard book/* docs/*.md)
	@$(BIN)/zsc book --profile $(PROFILE) > /dev/null
	@touch $@

$(foreach name,$(NOTEBOOKS),$(eval $(firstword $(subst _, ,$(name))): $(BUILD)/$(name).ipynb))
