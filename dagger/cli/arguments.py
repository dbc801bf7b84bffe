"""The arguments of the command `dagger`."""

from __future__ import annotations

import argparse
import importlib.metadata
from collections.abc import Callable
from typing import Final, TypeAlias

from dagger.core import Status

_TARGET: Final = "an engine, as MODULE:NAME"
_EXAMPLES: Final = """\
examples:
  dagger worker shop:engine              run a worker with the engine in shop.py
  dagger instances shop:engine           list instances
  dagger show shop:engine o-1            show an instance with its steps
  dagger backup sqlite:///orders.db c.db

The exit status is 0 on success, 1 on an error, and 2 if the call was wrong.
"dagger COMMAND --help" describes a command.
"""
Add: TypeAlias = Callable[..., argparse.ArgumentParser]
"""Adds a command."""

_LEVELS: Final = ("debug", "info", "warning", "error")


def parser() -> argparse.ArgumentParser:
    """The parser of all commands."""
    top = argparse.ArgumentParser(
        prog="dagger",
        description="Durable workflows: workers, messages and instances.",
        epilog=_EXAMPLES,
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )
    top.add_argument("--version", action="version", version=f"dagger {_version()}", help="print the version, and exit")
    commands = top.add_subparsers(dest="command", required=True, metavar="COMMAND").add_parser
    _worker(commands)
    _publish(commands)
    _instances(commands)
    for name, text in (
        ("show", "show an instance as a tree of its steps, and where a failed one was raised"),
        ("stop", "end an instance: what executes is stopped"),
    ):
        one = _command(commands, name, text, f"dagger {name} shop:engine o-1")
        one.add_argument("engine", metavar="ENGINE", help=_TARGET)
        one.add_argument("id", metavar="ID", help="the id of the instance")
    _signal(commands)
    _backup(commands)
    return top


def _version() -> str:
    try:
        return importlib.metadata.version("dagger-workflow")
    except importlib.metadata.PackageNotFoundError:  # used from a directory without being installed
        return "(not installed)"


def _command(commands: Add, name: str, text: str, example: str) -> argparse.ArgumentParser:
    return commands(
        name,
        help=text,
        description=f"{text[0].upper()}{text[1:]}.",
        epilog=f"example:\n  {example}",
        formatter_class=argparse.RawDescriptionHelpFormatter,
    )


def _worker(commands: Add) -> None:
    one = _command(
        commands, "worker", "run a worker until SIGTERM, which lets running tasks end", "dagger worker shop:engine"
    )
    one.add_argument("engine", metavar="ENGINE", help=_TARGET)
    one.add_argument(
        "--log-level",
        choices=_LEVELS,
        default="info",
        help="the lowest level that is logged to standard error (info)",
    )


def _publish(commands: Add) -> None:
    example = (
        'dagger publish shop:engine PAYMENT_LISTENER \'{"order_id": "o-1", "receipt": "r-7"}\'\n'
        "  dagger publish sqlite:///orders.db PAYMENT_LISTENER --key o-1 - < messages.jsonl\n"
        "  dagger publish kafka://kafka-1/orders --store aerospike://db-1/orders PAYMENT_LISTENER --key o-1 -"
    )
    one = _command(commands, "publish", "publish messages to a topic", example)
    one.add_argument(
        "target",
        metavar="TARGET",
        help="an engine, as MODULE:NAME, which knows the topic; or the URL of a backend, which needs --key and "
        "publishes messages unchanged",
    )
    one.add_argument("topic", metavar="TOPIC", help="the name of the topic")
    one.add_argument(
        "messages", metavar="MESSAGE", nargs="+", help="JSON; - reads one message from each line of standard input"
    )
    one.add_argument("--key", help="the key of the messages, if TARGET is a URL")
    one.add_argument("--store", metavar="URL", help="the store, if TARGET is only a log, such as kafka://...")
    one.add_argument("--header", metavar="NAME=VALUE", action="append", default=[], help="a header; may be repeated")
    one.add_argument("--id", help="the id of the message, by which a duplicate is recognised")


def _instances(commands: Add) -> None:
    one = _command(
        commands, "instances", "list instances, ordered by id", "dagger instances shop:engine --status FAILURE"
    )
    one.add_argument("engine", metavar="ENGINE", help=_TARGET)
    one.add_argument("--template", help="of this template only")
    one.add_argument(
        "--status", choices=[status.value for status in Status], metavar="STATUS", help="with this status only"
    )
    one.add_argument("--key", help="with this business key only")
    one.add_argument("--parent", metavar="ID", help="started by a step of this instance only")
    one.add_argument("--limit", type=int, default=100, metavar="N", help="at most this many (100)")
    one.add_argument("--after", metavar="ID", help="continue after this id, the last one of the previous page")


def _signal(commands: Add) -> None:
    one = _command(commands, "signal", "send a signal to an instance", "dagger signal shop:engine o-1 approve true")
    one.add_argument("engine", metavar="ENGINE", help=_TARGET)
    one.add_argument("id", metavar="ID", help="the id of the instance")
    one.add_argument("name", metavar="NAME", help="the name of the signal")
    one.add_argument("value", metavar="VALUE", help="its value, as JSON")


def _backup(commands: Add) -> None:
    one = _command(
        commands,
        "backup",
        "copy a SQLite file while it is in use, as it is at one instant",
        "dagger backup sqlite:///orders.db orders-backup.db",
    )
    one.add_argument("url", metavar="URL", help="the file, as sqlite:///orders.db")
    one.add_argument("copy", metavar="COPY", help="the path of the copy, which must not exist yet")
