"""Workflows to read and to run. `python -m examples.demo` runs one of them for 1,000 orders."""
