"""From URLs to a backend: `scheme://...`. Built-in backends, and those that packages offer by entry point."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any, Final

from dagger.engine.ports import Backend, StandaloneStore
from dagger.errors import BackendError

BACKENDS: Final = "dagger.backends"
"""The entry point group: a name is a URL scheme, its object is called with the broker's URL and the store's."""
STORES: Final = "dagger.stores"
"""The same for stores that go with a log of another kind; called with the URL and the name of the application."""
_BUILT_IN: Final = {BACKENDS: ("connect", ("kafka", "memory", "sqlite")), STORES: ("store", ("aerospike", "sqlite"))}
"""By group: what a built-in module calls it, and which modules have it."""

Connect = Callable[[str, str | None], Backend]


def connect(broker: str, store: str | None) -> Backend:
    """The backend for a broker's URL. Nothing is connected yet. Raises BackendError for an unknown scheme."""
    found: Connect = _named(BACKENDS, "broker", broker, "memory://")
    return found(broker, store)


def store_for(url: str, application: str) -> StandaloneStore:
    """The store for a URL, for a log of another kind. Raises BackendError for an unknown scheme."""
    found: Callable[[str, str], StandaloneStore] = _named(STORES, "store", url, "aerospike://localhost:3000/test")
    return found(url, application)


def _named(group: str, what: str, url: str, example: str) -> Any:
    """What is called for a URL."""
    scheme, separator, _ = str(url).partition("://")
    if not separator or not scheme:
        raise BackendError(f"{what} {url!r} is no URL; write for example {example}")
    found = _offered(group, scheme) or _built_in(group, scheme)
    if found is None:
        noun = "backend" if group == BACKENDS else "store"
        raise BackendError(f"no {noun} is installed for {scheme}:// (there are: {', '.join(_known(group))})")
    return found


def _offered(group: str, scheme: str) -> Any:
    for entry in importlib.metadata.entry_points(group=group, name=scheme):
        return entry.load()
    return None


def _built_in(group: str, scheme: str) -> Any:
    called, known = _BUILT_IN[group]
    if scheme not in known:
        return None
    module = f"dagger.backends.{scheme}"
    return getattr(importlib.import_module(module), called) if importlib.util.find_spec(module) else None


def _known(group: str) -> list[str]:
    offered = {entry.name for entry in importlib.metadata.entry_points(group=group)}
    return sorted(offered | set(_BUILT_IN[group][1]))
