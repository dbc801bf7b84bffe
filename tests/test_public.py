"""The public names. A change of these lists is a change that users see: it wants a line in the changelog."""

from __future__ import annotations

import types

import pytest

import dagger
import dagger.testing

DAGGER = """
PLACEHOLDER
"""
