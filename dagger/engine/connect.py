"""Finds the backend for a URL, `scheme://...`: built-in backends, and those that packages register as entry points.

The `Scheme` of a URL knows its details. This module only finds the scheme.
"""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final

from dagger.engine.ports import Backend, Scheme
from dagger.errors import BackendError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoint

BACKENDS: Final = "dagger.backends"
"""The entry point group of backends: the name is that of a URL scheme, the object a `Scheme`. Its `connect` is called
with the broker's URL and the store's."""
STORES: Final = "dagger.stores"
"""The same for standalone stores. `connect` is called with the URL and the name of the application."""
DEFAULT: Final = "memory://"
"""The default broker of an engine."""

_BUILT_IN: Final = {
    BACKENDS: ("BACKEND", ("kafka", "memory", "sqlite")),
    STORES: ("STORE", ("aerospike", "sqlite")),
}
"""By group: the name of the `Scheme` in a built-in module, and the modules that have one."""

Connect = Callable[[str, str | None], Backend]


class _NotInstalled(Exception):
    """A scheme needs a package that is not installed."""

    def __init__(self, scheme: str, package: str, install: str) -> None:
        super().__init__(f"{scheme}:// needs the package {package}")
        self.install = install
        """What to install: a package, or an extra of ours."""


def connect(broker: str, store: str | None, datadir: str | Path | None = None) -> Backend:
    """The backend for a broker's URL. It does not connect yet.

    Raises BackendError for an unknown scheme, and for one whose package is not installed.

    Relative paths of files in the URLs are below `datadir`. If the broker is only a log and no store is given, the
    default store of the broker's scheme is also in `datadir`.
    """
    found, beside = _both(broker, store)
    if datadir is not None:
        folder = Path(datadir)
        if store is None and found.store_beside is not None:
            store = found.store_beside
            beside = scheme_of(STORES, "store", store)
        broker = found.resolve(broker, folder)
        store = store if store is None or beside is None else beside.resolve(store, folder)
    return found.connect(broker, store)


def _both(broker: str, store: str | None) -> tuple[Scheme[Connect], Scheme[Any] | None]:
    """The schemes of two URLs; of a store only if it is known. One error names all missing packages."""
    missing, found, beside = list[_NotInstalled](), None, None
    try:
        found = _find(BACKENDS, "broker", broker, DEFAULT)
    except _NotInstalled as error:
        missing.append(error)
    if store is not None:
        try:
            beside = _load(STORES, str(store).partition("://")[0])
        except _NotInstalled as error:
            missing.append(error)
    if found is None or missing:
        raise _refusal(missing)
    return found, beside


def scheme_of(group: str, noun: str, url: object, example: str = DEFAULT) -> Scheme[Any]:
    """The scheme of a URL; `noun` says what the URL is of, and `example` what else to write.

    Raises BackendError for what is not a URL, for an unknown scheme, and for one whose package is not installed.
    """
    try:
        return _find(group, noun, url, example)
    except _NotInstalled as error:
        raise _refusal([error]) from error


def suggestion_for(given: str | Path, group: str = BACKENDS) -> str | None:
    """A suggestion for a path or a text that is not a URL; None if there is none."""
    if "@" in str(given):  # there may be a password in it
        return None
    found = (scheme.suggest(given) for scheme in _all(group))
    return next((url for url in found if url is not None), None)


def _find(group: str, noun: str, url: object, example: str) -> Scheme[Any]:
    name, separator, _ = str(url).partition("://")
    if not separator or not name:
        given = str(url) if isinstance(url, Path) else url
        shown = "" if "@" in str(url) else f" {given!r}"  # there may be a password in it
        meant = suggestion_for(url if isinstance(url, Path) else str(url), group)
        if meant is not None and noun == "broker":
            meant = f"{meant}, or {DEFAULT}, which keeps nothing at the end"
        raise BackendError(f"{noun}{shown} is not a URL; write for example {meant or example}")
    found = _load(group, name)
    if found is None:
        kind = "backend" if group == BACKENDS else "store"
        raise BackendError(f"no {kind} is installed for {name}:// (there are: {', '.join(_names(group))})")
    return found


def _load(group: str, name: str) -> Scheme[Any] | None:
    """The scheme with a name; None if there is none. Raises _NotInstalled."""
    entry = next((entry for entry in _entry_points(group) if entry.name == name), None)
    attribute, built_in = _BUILT_IN[group]
    if entry is None and name not in built_in:
        return None
    install = f"dagger-workflow[{name}]" if entry is None or entry.dist is None else entry.dist.name
    try:
        if entry is None:
            found = getattr(importlib.import_module(f"dagger.backends.{name}"), attribute)
        else:
            found = entry.load()
    except ModuleNotFoundError as error:
        if error.name and "." not in error.name:
            raise _NotInstalled(name, error.name, install) from error
        raise BackendError(f"{name}:// cannot be loaded ({error}); pip install '{install}'") from error
    except ImportError as error:  # the package is there, but in an unsupported release, or broken
        raise BackendError(f"{name}:// cannot be loaded ({error}); pip install '{install}'") from error
    if not isinstance(found, Scheme):
        raise BackendError(f"{name}:// cannot be used: its entry point in {group} must name a Scheme, not {found!r}")
    if found.requires is not None and importlib.util.find_spec(found.requires) is None:
        raise _NotInstalled(name, found.requires, install)
    return found  # pyright: ignore[reportUnknownVariableType]  # narrowed from Any


def _refusal(missing: list[_NotInstalled]) -> BackendError:
    needs = " and ".join(map(str, missing))
    none = "which is not" if len(missing) == 1 else "neither of which is"
    return BackendError(f"{needs}, {none} installed here; pip install '{_joined([one.install for one in missing])}'")


def _joined(wanted: list[str]) -> str:
    """What to install, as pip takes it: extras of one package together."""
    extras = [one.removeprefix("dagger-workflow[").removesuffix("]") for one in wanted]
    if all(one.startswith("dagger-workflow[") for one in wanted):
        return f"dagger-workflow[{','.join(extras)}]"
    return "' '".join(wanted)


def _entry_points(group: str) -> list[EntryPoint]:
    from importlib.metadata import entry_points  # with the parser of e-mails that it needs, 5 ms

    return list(entry_points(group=group))


def _all(group: str) -> Iterator[Scheme[Any]]:
    """The schemes that can be loaded."""
    for name in _names(group):
        try:
            found = _load(group, name)
        except (BackendError, _NotInstalled):
            continue
        if found is not None:
            yield found


def _names(group: str) -> list[str]:
    return sorted({*_BUILT_IN[group][1], *(entry.name for entry in _entry_points(group))})
