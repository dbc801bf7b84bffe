"""From URLs to a backend: `scheme://...`. Built-in backends, and those that packages offer by entry point."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Callable, Iterable
from pathlib import Path
from typing import TYPE_CHECKING, Any, Final
from urllib.parse import quote, unquote

from dagger.engine.ports import Backend
from dagger.errors import BackendError

if TYPE_CHECKING:
    from importlib.metadata import EntryPoints

BACKENDS: Final = "dagger.backends"
"""The entry point group: a name is a URL scheme, its object is called with the broker's URL and the store's."""
STORES: Final = "dagger.stores"
"""The same for stores that go with a log of another kind; called with the URL and the name of the application."""
_BUILT_IN: Final = {BACKENDS: ("connect", ("kafka", "memory", "sqlite")), STORES: ("store", ("aerospike", "sqlite"))}
"""By group: what a built-in module calls it, and which modules have it."""

_NEEDS: Final = {"kafka": "aiokafka", "aerospike": "aerospike"}
"""Which package a built-in scheme needs; the extra that brings it has the name of the scheme."""

_FILE: Final = "sqlite:///"
_SUFFIXES: Final = (".db", ".db3", ".sqlite", ".sqlite3")
RECORDS: Final = "records.db"
"""What a file of records beside Kafka is called, where only its directory is given."""

Connect = Callable[[str, str | None], Backend]


def connect(broker: str, store: str | None, datadir: str | Path | None = None) -> Backend:
    """The backend for a broker's URL. Nothing is connected yet.

    Raises BackendError for an unknown scheme, and for one whose package is not installed.

    `datadir` is what files of the URLs are relative to; beside Kafka it stands for a file of records in it, where no
    store is given.
    """
    check_installed(broker, store)
    found: Connect = connector_of(BACKENDS, "broker", broker, "memory://")
    if datadir is not None:
        if store is None and str(broker).startswith("kafka://"):
            store = f"{_FILE}{RECORDS}"
        broker, store = _placed(broker, Path(datadir)), None if store is None else _placed(store, Path(datadir))
    return found(broker, store)


def _placed(url: str, datadir: Path) -> str:
    """The URL of a file with its path made absolute; any other as it is."""
    if not url.startswith(_FILE):
        return url
    path, question, query = url.removeprefix(_FILE).partition("?")
    return f"{_FILE}{quote(str(datadir.absolute() / unquote(path)))}{question}{query}"


def connector_of(group: str, what: str, url: object, example: str) -> Any:
    """What is called for a URL."""
    scheme, separator, _ = str(url).partition("://")
    if not separator or not scheme:
        given = str(url) if isinstance(url, Path) else url
        shown = "" if "@" in str(url) else f" {given!r}"  # there may be a password in it
        raise BackendError(f"{what}{shown} is not a URL; write for example {_url_for(url, group) or example}")
    found = _offered(group, scheme) or _built_in(group, scheme)
    if found is None:
        noun = "backend" if group == BACKENDS else "store"
        raise BackendError(f"no {noun} is installed for {scheme}:// (there are: {', '.join(_known(group))})")
    return found


def _url_for(given: object, group: str) -> str | None:
    """What to write for what seems to be the path of a file; None for any other."""
    path = str(given).removeprefix("sqlite:")
    if "@" in path or not (isinstance(given, Path) or path.endswith(_SUFFIXES)):
        return None
    other = ", or memory:// which loses everything at the end" if group == BACKENDS else ""
    return f"{_FILE}{quote(path)}{other}"


def _offered(group: str, scheme: str) -> Any:
    return next((entry.load() for entry in _entry_points(group) if entry.name == scheme), None)


def _entry_points(group: str) -> EntryPoints:
    from importlib.metadata import entry_points  # with the parser of e-mails that it needs, 5 ms

    return entry_points(group=group)


def _built_in(group: str, scheme: str) -> Any:
    called, known = _BUILT_IN[group]
    if scheme not in known:
        return None
    try:
        return getattr(importlib.import_module(f"dagger.backends.{scheme}"), called)
    except ImportError as error:  # the package is there, but in a release that will not do, or broken
        raise BackendError(f"{scheme}:// cannot be loaded ({error}); {_install([scheme])}") from error


def check_installed(*urls: object) -> None:
    """Raises BackendError for URLs whose schemes need a package that is not installed."""
    schemes = dict.fromkeys(str(url).partition("://")[0] for url in urls)
    missing = [scheme for scheme in schemes if scheme in _NEEDS and importlib.util.find_spec(_NEEDS[scheme]) is None]
    if missing:
        needs = " and ".join(f"{scheme}:// needs the package {_NEEDS[scheme]}" for scheme in missing)
        none = "which is not" if len(missing) == 1 else "neither of which is"
        raise BackendError(f"{needs}, {none} installed here; {_install(missing)}")


def _install(extras: Iterable[str]) -> str:
    return f"pip install 'dagger-workflow[{','.join(extras)}]'"


def _known(group: str) -> list[str]:
    offered = {entry.name for entry in _entry_points(group)}
    return sorted(offered | set(_BUILT_IN[group][1]))
