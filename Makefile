# Everything a newcomer types. The first target called makes .venv from requirements.lock, once.
PYTHON ?= python3
VENV := .venv
BIN := $(VENV)/bin
READY := $(VENV)/ready
INSTALL := DEBIAN_FRONTEND=noninteractive apt-get install -y -q

# Where Python is told not to keep what it compiled (many containers), each of a batch's many processes would take twice as long to start.
unexport PYTHONDONTWRITEBYTECODE

.PHONY: help reproduce study test check quick lint browser cluster lab explore bench lock clean
.DEFAULT_GOAL := help

help:  ## show this list
	@grep -hE '^[a-z]+:.*##' $(MAKEFILE_LIST) | sed -E 's/:[^#]*## */\t/' | expand -t 12

reproduce: ARGS = --no-mixing
reproduce: $(READY)  ## make the data, train, score, execute the lessons, write report/index.html
	$(BIN)/sedlib reproduce $(ARGS)

study: ARGS = --seeds 5
study: $(READY)  ## the same with every row and five trainings of each system, over a day or more; it can be stopped
	$(BIN)/sedlib reproduce $(ARGS)

test: $(READY)  ## run all tests; those of a browser or a cluster are skipped where there is none
	$(BIN)/python -m pytest $(ARGS)

check: $(READY)  ## lint, and the tests that need no training, browser, cluster or kernel, with fewer examples
	@$(MAKE) --no-print-directory -j2 lint quick

quick: $(READY)
	$(BIN)/python -m pytest -m "not slow" $(ARGS)

lint: $(READY)  ## style, types, and which package may import which
	$(BIN)/ruff check
	$(BIN)/ruff format --check
	$(BIN)/basedpyright --pythonpath $(BIN)/python
	PYTHONPATH=. $(BIN)/lint-imports --no-logo

browser: PACKAGE = chromium
browser: PROGRAMS = "$$CHROME" chromium chromium-browser google-chrome google-chrome-stable
browser:  ## install what the browser's tests need: Chromium (Debian, as root)
cluster: PACKAGE = slurm-wlm --no-install-recommends
cluster: PROGRAMS = slurmctld
cluster:  ## install what the cluster's tests need: SLURM (Debian, as root)
browser cluster:
	@for name in $(PROGRAMS); do \
	  if [ -n "$$name" ] && command -v "$$name" >/dev/null; then exit 0; fi; \
	done; \
	if [ "$$(id -u)" = 0 ] && command -v apt-get >/dev/null; then \
	  echo "installing $(firstword $(PACKAGE)) for the $@ tests"; \
	  { $(INSTALL) $(PACKAGE) || { apt-get update -q && $(INSTALL) $(PACKAGE); }; } >/dev/null; \
	else \
	  echo "$(firstword $(PACKAGE)) is missing; Debian, as root: apt install $(PACKAGE)"; exit 1; \
	fi

lab: $(READY)  ## open the lessons in JupyterLab, exercises to be solved (ARGS=--solved: as they are)
	$(BIN)/python -m sedcourse.lab $(ARGS)

.PHONY: slides site grade
slides: $(READY)  ## write slides of every lesson, with pictures of those that were executed
	$(BIN)/python -m sedcourse.slides $(ARGS)

site: $(READY)  ## build the static site, of the lessons that were executed and all pages
	$(BIN)/python -m sedcourse.site $(ARGS)

grade: $(READY)  ## points for the notebooks in FOLDER, from checks and quizzes
	$(BIN)/python -m sedcourse.grade $(FOLDER)

explore: $(READY)  ## write the PCEN explorer as one HTML file and open it
	$(BIN)/python -m sedcourse.page $(ARGS)

bench: $(READY)  ## measure speed, beside a peer where there is one
	$(BIN)/python -m bench $(ARGS)

lock: $(READY)  ## pin pyproject.toml's dependencies anew in requirements.lock (needs uv)
	uv pip compile -q --universal --python-version 3.11 --no-emit-index-url --no-annotate --extra test \
	  --custom-compile-command "make lock" pyproject.toml -o requirements.lock

clean:  ## remove .venv; data, runs and report stay
	rm -rf $(VENV)

# --no-compile: Python compiles what is imported when it is imported; compiling all 5 GB first takes minutes.
$(READY): requirements.lock pyproject.toml
	@$(PYTHON) -c 'import sys; sys.exit(sys.version_info < (3, 11))' \
	  || { echo "Python 3.11 or newer is needed; $(PYTHON) is older. Call: make PYTHON=python3.12 ..."; exit 1; }
	@command -v "$${CC:-cc}" >/dev/null || command -v gcc >/dev/null \
	  || { echo "A C compiler is needed: sed_scores_eval and pesq (asteroid's) come as source only. Debian: apt install gcc python3-dev"; exit 1; }
	@if command -v uv >/dev/null; then \
	  { [ -x $(BIN)/python ] || uv venv -q --python $(PYTHON) $(VENV); } \
	  && uv pip install -q --python $(BIN)/python --no-deps -r requirements.lock \
	  && uv pip install -q --python $(BIN)/python --no-deps --no-build-isolation -e .; \
	else \
	  { [ -x $(BIN)/pip ] || $(PYTHON) -m venv $(VENV); } \
	  && echo "setting up $(VENV): several GB, a few minutes the first time (faster where uv is installed)" \
	  && $(BIN)/python -m pip install -q --disable-pip-version-check --no-compile --no-deps -r requirements.lock \
	  && $(BIN)/python -m pip install -q --disable-pip-version-check --no-deps --no-build-isolation -e .; \
	fi
	@touch $(READY)
