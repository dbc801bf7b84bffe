"""Tokens are driven through the operations of the plan, until each has come to a frame or the template has ended.

Tokens that wait to be driven are on a stack, so that branches run in the order written, each as far as it goes before
the next. A token whose frame is gone, or was left and waits for what undoes, is dropped: its branch was never begun.
"""

from __future__ import annotations

from typing import Final

from dagger.core.children import told_to_parent
from dagger.core.early import unmatched
from dagger.core.effects import Failed, Send
from dagger.core.events import Unsubscribed
from dagger.core.failing import fail
from dagger.core.functions import StepFailed
from dagger.core.rules import OPERATIONS
from dagger.core.state import EXECUTING, Ending
from dagger.core.transition import Token, Transition
from dagger.plan import ops

_LEFT: Final = frozenset[type]({Ending, type(None)})
"""What is at the number of a frame that was left."""


def run(tr: Transition, token: Token | None) -> None:
    """Drive a token, and then those on the stack; end the instance if it has ended."""
    stack, table, operations = tr.stack, tr.ops, OPERATIONS
    while True:
        while token is not None:
            index, stored, parent = token
            op = table[index]
            while op.scope:  # the two most common operations, and not worth a call
                if op.scope == ops.BEGINS:
                    tr.begin(op.slot)
                else:
                    tr.finish(op.slot)
                op = table[op.next]
            try:
                token = operations[type(op)](tr, op, stored, parent)
            except StepFailed as failure:
                fail(tr, op, parent, failure.error)
                break
        if not stack or tr.status != EXECUTING:
            break
        token = stack.pop()
        if token[2] and type(tr.frames.get(token[2])) in _LEFT:
            token = None
    if tr.status != EXECUTING:
        _conclude(tr)


def _conclude(tr: Transition) -> None:
    """The instance has ended: nothing is kept for it any more."""
    if tr.error is not None:
        tr.effects.append(Failed(tr.error))
    head = tr.state.head
    if head.parent is not None:
        tr.effects.append(told_to_parent(head, head.parent, tr.status, tr.result, tr.error))
    tr.effects += [unmatched(held, "ended") for held in tr.held]
    tr.held = ()
    if head.id != head.key and tr.plan.open_channels:
        channels = tuple(sorted(tr.plan.open_channels))
        tr.effects.append(Send(head.key, Unsubscribed(head.id, channels)))
