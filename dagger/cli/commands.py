"""The commands. Our own errors are printed in one line; exit status 2 says that the call itself was wrong."""

from __future__ import annotations

import argparse
import logging
import os
import sys
from collections.abc import Awaitable, Callable, Sequence
from pathlib import Path
from typing import Final

import anyio

from dagger.cli.arguments import parser
from dagger.cli.messages import publish
from dagger.cli.targets import UsageError, checked_shared, checked_there, engine_of
from dagger.engine import Dagger, Instance
from dagger.engine.client.validation import ANY_PARENT
from dagger.engine.connect import BACKENDS, scheme_of
from dagger.engine.ports import HasNoisyLoggers
from dagger.engine.process.signals import SignalHandler
from dagger.errors import DaggerError, DecodeError, RequestError, WrongInput, in_line

Arguments = argparse.Namespace


def main(given: Sequence[str] | None = None) -> int:
    """Run a command; returns 0 on success, 1 on an error, 2 if the call was wrong."""
    arguments = parser().parse_args(given)
    try:
        _COMMANDS[arguments.command](arguments)
    except UsageError as error:
        return _refused(error, 2)
    except DaggerError as error:
        return _refused(error, 1)
    except BrokenPipeError:  # the reader of the output has closed it
        _write_no_more()
    except KeyboardInterrupt:
        return 130
    return 0


def _refused(error: DaggerError, status: int) -> int:
    print(f"dagger: {in_line(str(error))}", file=sys.stderr)
    return status


def _say(text: str) -> None:
    """Print text, escaped as far as the output needs it. Raises RequestError if it can't be written to."""
    encoding = sys.stdout.encoding or "utf-8"
    try:
        print(text.encode(encoding, errors="backslashreplace").decode(encoding), flush=True)
    except BrokenPipeError:
        raise
    except OSError as error:
        _write_no_more()
        raise RequestError(f"the output cannot be written: {error.strerror}; send it elsewhere") from error


def _write_no_more() -> None:
    """Discard buffered output: Python would try to write it again at exit."""
    os.dup2(os.open(os.devnull, os.O_WRONLY), sys.stdout.fileno())


def _worker(arguments: Arguments) -> None:
    logging.basicConfig(
        level=arguments.log_level.upper(), stream=sys.stderr, format="%(asctime)s %(levelname)-7s %(message)s"
    )
    SignalHandler()  # from here on, because importing a module may take long
    engine = engine_of(arguments.engine)
    if arguments.log_level.upper() != "DEBUG" and isinstance(engine.backend, HasNoisyLoggers):
        for name in engine.backend.noisy_loggers:
            logging.getLogger(name).setLevel(logging.ERROR)
    engine.main()


def _with_engine(work: Callable[[Dagger, Arguments], Awaitable[None]]) -> Callable[[Arguments], None]:
    """A command that uses an engine as a client."""

    def command(arguments: Arguments) -> None:
        engine = engine_of(arguments.engine)
        checked_shared(engine.backend, arguments.engine)
        checked_there(engine.backend)

        async def run() -> None:
            async with engine.client():
                await work(engine, arguments)

        anyio.run(run)

    return command


async def _instances(engine: Dagger, arguments: Arguments) -> None:
    if arguments.template is not None:
        engine.get_template(arguments.template)  # raises for a name with a typing error, which would match no instance
    found = await engine.instances(
        template=arguments.template,
        status=arguments.status,
        key=arguments.key,
        limit=arguments.limit,
        after=arguments.after,
        parent=ANY_PARENT if arguments.parent is None else arguments.parent,
    )
    rows = [("ID", "TEMPLATE", "STATUS", "CREATED", "WAITING FOR"), *map(_row, found)]
    widths = [max(len(row[at]) for row in rows) for at in range(len(rows[0]))]
    for row in rows:
        _say("  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=True)).rstrip())


def _row(one: Instance[object]) -> tuple[str, ...]:
    created = one.created.isoformat(sep=" ", timespec="seconds")
    return in_line(one.id), one.template, one.status.value, created, ", ".join(one.waiting_for)


async def _show(engine: Dagger, arguments: Arguments) -> None:
    found = await engine.get_instance(arguments.id)
    _say(found.tree())
    if found.error is not None and found.error.traceback:
        _say("\n".join(["", *map(in_line, found.error.traceback.splitlines())]))


async def _stop(engine: Dagger, arguments: Arguments) -> None:
    await engine.stop(arguments.id)
    _say(f"{in_line(arguments.id)}: stop requested")


async def _signal(engine: Dagger, arguments: Arguments) -> None:
    try:
        await engine.signal_json(arguments.id, arguments.name, arguments.value.encode(errors="surrogateescape"))
    except DecodeError as error:
        raise WrongInput(f"signal '{arguments.name}': VALUE must be JSON of the signal's type: {error}") from None
    _say(f"{in_line(arguments.id)}: signal '{arguments.name}' sent")


def _publish(arguments: Arguments) -> None:
    count = anyio.run(publish, arguments)
    _say(f"{count:,} message{'s' if count != 1 else ''} published on {arguments.topic}")


def _backup(arguments: Arguments) -> None:
    backup = scheme_of(BACKENDS, "URL", arguments.url, "sqlite:///orders.db").backup
    if backup is None:
        name = arguments.url.partition("://")[0]
        raise UsageError(f"dagger can't copy the data of {name}://; use the tools of its server")
    anyio.run(backup, arguments.url, Path(arguments.copy))
    _say(f"copied to {arguments.copy}")


_COMMANDS: Final[dict[str, Callable[[Arguments], None]]] = {
    "worker": _worker,
    "publish": _publish,
    "instances": _with_engine(_instances),
    "show": _with_engine(_show),
    "stop": _with_engine(_stop),
    "signal": _with_engine(_signal),
    "backup": _backup,
}
