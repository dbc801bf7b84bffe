"""From URLs to a backend: `scheme://...`. Built-in backends, and those that packages offer by entry point."""

from __future__ import annotations

import importlib.metadata
import importlib.util
from collections.abc import Callable
from typing import Any, Final

from dagger.engine.ports import Backend
from dagger.errors import BackendError

GROUP: Final = "dagger.backends"
"""The entry point group: a name is a URL scheme, its object is called with the broker's URL and the store's."""

Connect = Callable[[str, str | None], Backend]


def connect(broker: str, store: str | None) -> Backend:
    """The backend for a broker's URL. Nothing is connected yet. Raises BackendError for an unknown scheme."""
    scheme, separator, _ = str(broker).partition("://")
    if not separator or not scheme:
        raise BackendError(f"broker {broker!r} is no URL; write for example memory://")
    found = _offered(scheme) or _built_in(scheme)
    if found is None:
        raise BackendError(f"no backend is installed for {scheme}:// (there are: {', '.join(_known())})")
    return found(broker, store)


def _offered(scheme: str) -> Connect | None:
    for entry in importlib.metadata.entry_points(group=GROUP, name=scheme):
        loaded: Any = entry.load()
        return loaded  # type: ignore[no-any-return]  # what an entry point gives has no static type
    return None


def _built_in(scheme: str) -> Connect | None:
    if not scheme.isidentifier() or importlib.util.find_spec(f"{GROUP}.{scheme}") is None:
        return None
    module: Any = importlib.import_module(f"{GROUP}.{scheme}")
    return module.connect  # type: ignore[no-any-return]  # as above


def _known() -> list[str]:
    offered = {entry.name for entry in importlib.metadata.entry_points(group=GROUP)}
    return sorted(offered | {"memory", "sqlite"})
