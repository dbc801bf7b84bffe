"""Policies in numbers, as the tables of a plan hold them."""

from __future__ import annotations

from datetime import timedelta

from dagger.dsl.values import Retry
from dagger.plan import ops

MICROSECOND = timedelta(microseconds=1)


def retry_rule(policy: Retry) -> ops.RetryRule:
    """A retry policy in numbers."""
    return ops.RetryRule(
        attempts=policy.attempts,
        first=policy.first // MICROSECOND,
        factor=policy.factor,
        longest=policy.longest // MICROSECOND,
        jitter=policy.jitter,
        on=tuple(qualified(kind) for kind in policy.kinds),
    )


def qualified(kind: type) -> str:
    """The name of a class as errors record it: module and qualified name."""
    return f"{kind.__module__}.{kind.__qualname__}"
