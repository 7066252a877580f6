# `make demo` sets up and runs the main job; `make test` sets up and passes the tests. Nothing else is needed first.
PYTHON ?= python3
BIN := .venv/bin
# uv does not read pip's find-links: hand the folder over, where there is one.
FIND_LINKS = $(shell $(PYTHON) -m pip config get global.find-links 2>/dev/null || $(PYTHON) -m pip config get :env:.find-links 2>/dev/null)
INSTALL = UV_FIND_LINKS="$(FIND_LINKS)" $(BIN)/uv pip install --quiet --compile-bytecode --python $(BIN)/python -c constraints.txt
export OMP_WAIT_POLICY = passive
# What reads real data sets looks at OUTGROW_DATA alone; by default they lie beside the checkout.
bench figures: export OUTGROW_DATA ?= $(abspath ../shared/data)

.PHONY: demo test slow mutants check bench figures docs clean

demo: .venv/core
	$(BIN)/outgrow run examples/chess.toml --report report.html

test: .venv/dev
	$(BIN)/pytest -n 2 --dist loadfile

slow: .venv/dev  ## the slower tier: kills, browser, the larger examples shrunk
	$(BIN)/pytest -m slow -n 2 --dist loadfile

mutants: .venv/dev  ## changes to the code that no test notices: ONLY="measures losses", SAMPLE=0 for all of them
	nice $(BIN)/python -m bench.mutants $(ONLY) --sample $(or $(SAMPLE),100)

check: .venv/dev
	$(BIN)/ruff check .
	$(BIN)/ruff format --check .
	$(BIN)/mypy
	$(BIN)/lint-imports

bench: .venv/dev  ## how fast, beside plain scripts, 15 minutes: ONLY="training growth" for parts by name, PEER_OPENAI=FOLDER for a peer (bench/work.py)
	$(BIN)/python -m bench $(ONLY)
	$(BIN)/python -m docs.refresh docs/performance.md

figures: .venv/dev  ## every figure of the documentation, made anew
	$(BIN)/outgrow run examples/chess.toml --report report.html
	$(BIN)/python -m docs.refresh

docs: .venv/dev  ## the site, in site/; a broken link is an error
	$(BIN)/mkdocs build --strict

clean:
	rm -rf site .venv mutants runs build dist *.egg-info .pytest_cache .mypy_cache .ruff_cache .hypothesis .import_linter_cache
	find . -name __pycache__ -prune -exec rm -rf {} +

.venv/bin/uv:
	$(PYTHON) -m venv .venv
	$(BIN)/pip install --quiet uv

.venv/core: .venv/bin/uv pyproject.toml constraints.txt
	@start=$$(date +%s); $(INSTALL) -e . && echo "set up in $$(($$(date +%s) - start)) s"
	@touch $@

.venv/dev: .venv/bin/uv pyproject.toml constraints.txt
	@start=$$(date +%s); $(INSTALL) -e '.[dev]' && echo "set up in $$(($$(date +%s) - start)) s"
	@touch $@ .venv/core
