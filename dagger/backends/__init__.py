"""Backends: a log and a store each, behind the ports of the engine."""
