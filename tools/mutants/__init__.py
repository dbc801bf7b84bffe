"""Mutation testing of the pure layers: small faults are planted one at a time, and the tests should find each.

* `changes.py` lists the mutants of a module.
* `patching.py` puts a mutant, or a probe that records what runs, into the functions of a module that is imported.
* `running.py` collects the tests once and forks for each mutant.
* `report.py` compares what survived with `survivors.toml`, which gives the reason for each known survivor.

Why this is not mutmut or cosmic-ray: docs/decisions/0039-mutants.md
"""
