# `make demo` installs churnfit and runs the demo; `make check` runs every check. CI runs these two, nothing else.
PYTHON ?= python3
BIN := .venv/bin

.PHONY: demo check lock install-dev wheel-check benchmarks-smoke

.venv/installed: pyproject.toml requirements.lock
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet -c requirements.lock -e .
	touch .venv/installed

.venv/installed-dev: .venv/installed
	$(BIN)/pip install --quiet -c requirements.lock -e '.[dev]'
	touch .venv/installed-dev

install-dev: .venv/installed-dev

demo: .venv/installed
	$(BIN)/churnfit demo

check: .venv/installed-dev
	$(BIN)/ruff format --check .
	$(BIN)/ruff check .
	$(BIN)/mypy
	$(BIN)/lint-imports
	$(BIN)/pytest --numprocesses 2 --dist loadfile
	$(BIN)/pytest --nbmake notebooks --numprocesses 0
	$(MAKE) --no-print-directory --jobs 2 benchmarks-smoke wheel-check

# each benchmark once, on its smallest size: that it still runs, not how fast
SMOKES := start_up oulad_intakes recovery treatment small_cohorts large_fit leaks decisions history queue_weeks store \
	scoring missed_pairs learners/run

.PHONY: $(SMOKES:%=smoke-%)
benchmarks-smoke: $(SMOKES:%=smoke-%)

$(SMOKES:%=smoke-%): smoke-%: .venv/installed-dev
	$(BIN)/python benchmarks/$*.py $(SMALLEST)

smoke-%: SMALLEST = --smoke
smoke-oulad_intakes: SMALLEST = --trials 1
smoke-large_fit smoke-learners/run: SMALLEST = --smoke --cache build/learners

# the built wheel, alone: its package data and its command, from a folder that is not the repository
wheel-check: .venv/installed-dev
	rm -rf build/wheel build/wheel-demo
	$(BIN)/python -m build --wheel --no-isolation --outdir build/wheel .
	$(BIN)/pip install --quiet --no-deps --target build/wheel/site build/wheel/*.whl
	cd build/wheel && PYTHONPATH=site ../../$(BIN)/python -c "import churnfit; assert 'build/wheel/site' in churnfit.__file__"
	cd build/wheel && PYTHONPATH=site ../../$(BIN)/python -m churnfit demo ../wheel-demo > /dev/null

# brings requirements.lock up to date with pyproject.toml; needs the package index
lock: .venv/installed-dev
	$(BIN)/uv pip compile --universal --upgrade --no-header --no-annotate --python-version 3.11 --extra dev \
		pyproject.toml --output-file requirements.lock
