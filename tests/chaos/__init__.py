"""Killing things: real worker processes, ended without warning or stopped past their lease, while orders go on."""
