"""The conditions of writes, as the client is given them."""

from __future__ import annotations

from typing import Any

import pytest

from dagger.backends.aerospike.client import Expressions
from dagger.backends.aerospike.cluster import Absent, AbsentOrTombstone, DataIs, VersionIs

exp: Any = pytest.importorskip("aerospike_helpers.expressions.base")


def test_a_condition_is_what_compiling_it_anew_gives() -> None:
    version, data = exp.IntBin("v"), exp.BinExists("d")
    conditions = Expressions()
    for number in (1, 7, 1 << 60):
        assert conditions.of(VersionIs(number)) == exp.And(exp.Eq(version, exp.Val(number)), data).compile()
        assert (
            conditions.of(AbsentOrTombstone(number))
            == exp.And(exp.Not(data), exp.LT(version, exp.Val(number))).compile()
        )
    assert conditions.of(DataIs(b"note")) == exp.Eq(exp.BlobBin("d"), exp.Val(b"note")).compile()
    assert conditions.of(Absent()) is None


def test_conditions_share_nothing() -> None:
    conditions = Expressions()
    first, second = conditions.of(VersionIs(1)), conditions.of(VersionIs(2))
    assert first != second
    assert first == Expressions().of(VersionIs(1))
