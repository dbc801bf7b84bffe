"""Which trace context goes on from a step."""

from __future__ import annotations

from dagger.core.envelope import trace_of
from dagger.core.transition import NONE, Transition


def trace_context(tr: Transition) -> dict[str, str]:
    """That of what has caused the step, if it has one, and else that of the instance."""
    return trace_of(tr.cause) or trace_of(tr.state.head.headers)


def kept_trace(tr: Transition) -> dict[str, str]:
    """The same for a frame, from which it goes on later: nothing where it is that of the instance."""
    return trace_of(tr.cause) if tr.cause else NONE
