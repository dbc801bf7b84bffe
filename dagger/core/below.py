"""What is inside of a frame, at any depth."""

from __future__ import annotations

from collections.abc import Iterable

from dagger.core.frames import ManyFrames
from dagger.core.transition import UNDISTURBED, Transition


def below(tr: Transition, number: int) -> tuple[list[int], list[int]]:
    """The frames below a frame (0: all), which are to be removed: each before those around it.

    What undoes is not disturbed, and the end of a child is waited for: they are given apart, without what is below.
    """
    found, undoing = list[int](), list[int]()
    look_into = [number]
    while look_into:
        for child in _directly_inside(tr, look_into.pop()):
            inner = tr.frames.get(child)
            if type(inner) in UNDISTURBED:
                undoing.append(child)
            elif inner is not None:
                found.append(child)
                look_into.append(child)
    found.sort(reverse=True)
    return found, undoing


def _directly_inside(tr: Transition, number: int) -> Iterable[int]:
    """The frames directly inside of a frame (0: of none), and some that are gone, if they were not asked before."""
    children = tr.children
    if children is None:
        if type(tr.frames) is ManyFrames and number and tr.may_look():
            return tr.frames.inside(number)
        children = tr.children = {}
        for child, frame in tr.frames.items():
            children.setdefault(frame.parent, []).append(child)
    return children.pop(number, ())
