"""Every error that Dagger raises, as one tree.

    DaggerError
    ├── TemplateError            an invalid workflow, refused where it is composed
    │   └── UnsupportedType      a type that no codec can store
    ├── RequestError             an invalid call, refused before anything is accepted
    │   ├── WrongInput           a value that the template, topic or signal does not accept
    │   ├── UnknownTemplate      no template with that name (or version) is registered
    │   ├── UnknownInstance      no instance with that id
    │   ├── UnknownStep          no step with that path in the template
    │   ├── TemplateConflict     the same name and version with another workflow
    │   ├── InstanceConflict     the same id with another template or input
    │   └── WorkflowFailed       the result of an instance that ended without one was requested
    ├── CodecError               a value or bytes that do not fit their type
    │   ├── EncodeError
    │   └── DecodeError
    ├── BackendError             the log or the store could not do what was requested
    │   ├── BackendUnavailable   locked, full or unreachable now, perhaps not later; nothing was changed
    │   └── Fenced               another worker owns the partition now
    ├── EngineClosed             the engine was closed, or its worker ended, during a wait
    ├── BusinessError            the failure of a step fail(...), as .recover(on=) and Retry(on=) name it
    ├── TooManyRounds            the failure of a repeat that has run as often as its at_most= says
    └── TaskHangs                (test kit) a task still runs after the real-time limit

Each message says what is wrong, where, and what to do.
"""

from __future__ import annotations

import os.path
import traceback
from types import TracebackType
from typing import Any, Final

_INSIDE: Final = os.path.join(os.path.dirname(__file__), "")  # file names are compared as text


class DaggerError(Exception):
    """The root of every error that Dagger raises."""


class TemplateError(DaggerError):
    """An invalid workflow; the message names the step and the remedy."""


class UnsupportedType(TemplateError):
    """A type whose values no codec can store; the message names the type and the member at fault."""


class RequestError(DaggerError):
    """An invalid call; nothing of it was accepted."""


class WrongInput(RequestError):
    """A value that the template, topic or signal does not accept."""


class UnknownTemplate(RequestError):
    """No template with that name and version is registered with the engine."""


class UnknownInstance(RequestError):
    """No instance has that id."""


class UnknownStep(RequestError):
    """The template has no step with that path."""


class TemplateConflict(RequestError):
    """Another workflow is registered under the name and version, or a running instance began with other steps."""


class InstanceConflict(RequestError):
    """An instance with the same id was started from another template or with another input."""


class WorkflowFailed(RequestError):
    """The instance ended without a result; the message is its error."""


class CodecError(DaggerError):
    """A value or bytes that do not fit their declared type."""


class EncodeError(CodecError):
    """The declared type does not allow the value."""


class DecodeError(CodecError):
    """The bytes are not a value of the declared type."""


class BackendError(DaggerError):
    """The log or the store could not do what was requested."""


class BackendUnavailable(BackendError):
    """The log or the store is unavailable now; nothing was changed. A worker retries by itself."""


class Fenced(BackendError):
    """Another worker owns the partition now; the pending write or commit was discarded."""


class EngineClosed(DaggerError):
    """The engine was closed during the call, or its worker ended with an error, which is then the cause."""


class BusinessError(DaggerError):
    """A workflow has failed by decision: the error of a step `fail(...)`, with the text that its function returned."""


class TooManyRounds(DaggerError):
    """A repeat has run as many rounds as its `at_most=` says, and is not done."""


class TaskHangs(DaggerError):
    """A task still runs after the test kit's limit of real time; the message names its path."""


MESSAGE_MAX: Final = 16_384
"""How much of an error's message is kept, in characters."""


_NAME: Final = type.__dict__["__name__"]
_QUALNAME: Final = type.__dict__["__qualname__"]
_MODULE: Final = type.__dict__["__module__"]
_MRO: Final = type.__dict__["__mro__"]
"""Python's own information about a class: a metaclass of the user's may override attributes, or raise."""


def name_of(value: object) -> str:
    """The name of a value's class, without running code of that class."""
    name: str = _NAME.__get__(type(value))
    return writable(name)


def kinds_of(kind: type[BaseException]) -> tuple[str, ...]:
    """Qualified names of an exception class and its bases, without running their code."""
    bases: tuple[type[Any], ...] = _MRO.__get__(kind)
    return tuple([writable(f"{_module_of(base)}.{_QUALNAME.__get__(base)}") for base in bases[:-1]])


def _module_of(kind: type[Any]) -> str:
    found: object = _MODULE.__get__(kind)
    return found if type(found) is str else "?"


def reason_of(error: BaseException) -> str:
    """The class and the message of an error, for diagnosis."""
    return f"{name_of(error)}: {message_of(error)}"


def message_of(error: BaseException) -> str:
    """The message of an error, as text that can be stored: users' errors may raise, or contain lone surrogates."""
    try:
        text = str(error)
    except BaseException as worse:
        return f"its text cannot be read: {name_of(worse)}"
    return writable(text if len(text) <= MESSAGE_MAX else f"{text[:MESSAGE_MAX]}... ({len(text):,} characters)")


def writable(text: str) -> str:
    """Text that can be stored: lone surrogates are escaped."""
    return text.encode(errors="backslashreplace").decode()


FRAMES_MAX: Final = 32
"""How many calls of a traceback are kept: the innermost ones."""
TRACEBACK_MAX: Final = 4096
"""How much of a traceback is kept, in bytes: the end, which has the innermost calls and the message."""


def traceback_of(error: BaseException) -> str:
    """The traceback of an error of a user's function, from that function on; its end, if it is long."""
    try:
        found = _users_part(error.__traceback__)
        text = "".join(traceback.format_exception(type(error), error, found, limit=-FRAMES_MAX))
    except BaseException as worse:  # users' exceptions may raise anything when they are formatted
        text = f"its traceback cannot be read: {name_of(worse)}"
    data = text.rstrip().encode(errors="backslashreplace")
    if len(data) > TRACEBACK_MAX:
        last = data[-TRACEBACK_MAX:]
        data = b"...\n" + (last.partition(b"\n")[2] or last)
    return data.decode(errors="ignore")


def _users_part(found: TracebackType | None) -> TracebackType | None:
    """The frames after those of Dagger and its libraries that have called the function."""
    part = found
    while part is not None and _is_inside(part.tb_frame.f_code.co_filename):
        part = part.tb_next
    return part or found


def _is_inside(filename: str) -> bool:
    return filename.startswith(_INSIDE)


def in_line(text: str) -> str:
    """Text from outside that can be printed on one line: characters that are not printable are escaped."""
    if text.isprintable():
        return text
    return "".join(sign if sign.isprintable() else sign.encode("unicode_escape").decode() for sign in text)


SHOWN_MAX: Final = 1024
"""How much of a value an error shows, in characters."""


def shown(value: object) -> str:
    """A value as an error shows it: the `repr` of users' values may raise, or be long."""
    try:
        text = repr(value)
        return writable(text if len(text) <= SHOWN_MAX else f"{text[:SHOWN_MAX]}... ({len(text):,} characters)")
    except BaseException:
        return f"a {name_of(value)} that cannot be shown"
