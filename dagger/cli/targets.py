"""The target of a command: an engine in a module, or the URL of a backend."""

from __future__ import annotations

import importlib
import sys
from pathlib import Path
from traceback import extract_tb

from dagger.engine import Dagger
from dagger.engine.connect import suggestion_for
from dagger.engine.ports import Backend, FileBased
from dagger.engine.process.signals import ShutdownRequested
from dagger.errors import DaggerError, RequestError


class UsageError(RequestError):
    """A wrong call of a command."""


def is_url(target: str) -> bool:
    """Whether a target is the URL of a backend."""
    return "://" in target


def engine_of(target: str) -> Dagger:
    """The engine that `module:name` names. The module may be in the working directory.

    Raises UsageError if there is no such engine, and RequestError with the line at fault if the module itself raises
    a DaggerError.
    """
    if is_url(target):
        raise UsageError(f"'{target}' is a URL, which has no templates; name the engine, as shop.orders:engine")
    module, separator, name = target.partition(":")
    if not separator or not name or "" in module.split("."):
        hint = _meant(module, name) or "; write MODULE:NAME, as shop.orders:engine"
        raise UsageError(f"'{target}' names no engine{hint}")
    here = str(Path.cwd())
    if here not in sys.path:
        sys.path.insert(0, here)
    try:
        found: object = importlib.import_module(module)
    except ModuleNotFoundError as error:
        if error.name and (module == error.name or module.startswith(f"{error.name}.")):
            raise UsageError(
                f"there is no module '{module}', neither in the working directory nor installed{_meant(module, name)}"
            ) from None
        raise
    except ShutdownRequested:
        raise
    except SystemExit as error:
        raise RequestError(f"module '{module}' calls sys.exit({error.code!r}) where it is imported") from error
    except DaggerError as error:
        raise RequestError(f"{_origin(error)}: {error}") from error
    for part in name.split("."):
        if not hasattr(found, part):
            raise UsageError(f"module '{module}' has no '{name}'")
        found = getattr(found, part)
    if not isinstance(found, Dagger):
        raise UsageError(f"'{target}' is of type {type(found).__name__}, and not a Dagger; name an engine")
    return found


def _meant(module: str, name: str) -> str:
    """A suggestion for a likely mistake: a module or a backend that is given by its file."""
    if module.endswith(".py"):
        return f"; write {module.removesuffix('.py').strip('./').replace('/', '.')}:{name}"
    url = suggestion_for(f"{module}:{name}")
    return "" if url is None else f"; write {url}"


def _origin(error: DaggerError) -> str:
    """The line of a user's module that caused an error."""
    ours = str(Path(__file__).parents[1])
    places = [
        f"{frame.filename}:{frame.lineno}"
        for frame in extract_tb(error.__traceback__)
        if not frame.filename.startswith((ours, "<frozen", importlib.__file__))
    ]
    return places[-1]


def checked_shared(backend: Backend, target: str) -> None:
    """Raises UsageError for a backend in memory, which other processes can't see."""
    if not backend.shared:
        raise UsageError(f"'{target}' keeps everything in the memory of one process, and no other process can see it")


def checked_there(backend: Backend) -> None:
    """Raises RequestError if the file does not exist: a client would find nothing in a new one."""
    for one in (backend, backend.store):
        if isinstance(one, FileBased) and not one.data_file.exists():
            raise RequestError(
                f"there is no file '{one.data_file}', and none was created; go to the directory of the "
                "engine's URL, or start a worker there, which creates the file"
            )
