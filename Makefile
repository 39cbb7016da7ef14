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
	$(MAKE) --no-print-directory benchmarks-smoke wheel-check

# each benchmark once, on its smallest size: that it still runs, not how fast
benchmarks-smoke: .venv/installed-dev
	$(BIN)/python benchmarks/start_up.py --repeats 1
	$(BIN)/python benchmarks/oulad_intakes.py --trials 1
	$(BIN)/python benchmarks/recovery.py --smoke
	$(BIN)/python benchmarks/treatment.py --smoke
	$(BIN)/python benchmarks/small_cohorts.py --smoke
	$(BIN)/python benchmarks/large_fit.py --smoke --cache build/learners
	$(BIN)/python benchmarks/leaks.py --smoke
	$(BIN)/python benchmarks/decisions.py --smoke
	$(BIN)/python benchmarks/history.py --smoke
	$(BIN)/python benchmarks/queue_weeks.py --smoke
	$(BIN)/python benchmarks/store.py --smoke
	$(BIN)/python benchmarks/scoring.py --smoke
	$(BIN)/python benchmarks/learners/run.py --smoke --cache build/learners

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
