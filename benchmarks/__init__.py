"""Benchmarks: each a ratio inside one run, with its result asserted to be right."""
