# Two commands: `make demo` sets up, trains and shows; `make test` sets up and tests.
PYTHON ?= python3.11
VENV ?= .venv
BIN = $(VENV)/bin
