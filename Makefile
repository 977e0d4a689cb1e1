# The same commands everywhere: people and continuous integration run these.
BIN := .venv/bin

.PHONY: help fmt check test test-unit test-real gen requirements

help:  ## list these targets
	@sed -n 's/^\([a-z-]*\):.*##  */\1\t/p' $(MAKEFILE_LIST) | sort | expand -t 16

fmt:  ## lay the code out and mend what can be mended
	$(BIN)/ruff format
	$(BIN)/ruff check --fix --quiet

check:  ## the house rules: style, types, imports, sizes, words, generated files
	./pileus test rules

test:  ## the house rules and all tests
	./pileus test

test-unit:  ## tests that need nothing but Python
	./pileus test unit

test-real:  ## tests with the real programs and the clients people use
	./pileus test real

gen:  ## write what is derived from the declarations
	$(BIN)/python tools/generate.py

requirements:  ## pin requirements/*.in with hashes (needs uv)
	cd requirements && for name in core federation test conformance; do \
	    uv pip compile --quiet --universal --python-version 3.11 --generate-hashes --no-header --no-emit-index-url \
	        --output-file $$name.txt $$name.in || exit 1; done
