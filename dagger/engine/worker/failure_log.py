"""Logs failures after the commit of the step that handled them."""

from __future__ import annotations

import logging
from collections.abc import Mapping, Sequence
from typing import Final

from dagger.core.effects import Answered, Failed, Notice, TryFailed
from dagger.engine.clock import to_datetime
from dagger.errors import in_line

logger: Final = logging.getLogger("dagger")


def log_failure(id: str, notice: Notice) -> None:
    """Log a failure: at ERROR if it ends the instance, otherwise with what happens next."""
    id, path, text = in_line(id), in_line(notice.error.path), in_line(notice.error.text)
    match notice:
        case TryFailed():
            tries = f"attempt {notice.attempt} of {notice.attempts}"
            next_at = to_datetime(notice.due).isoformat()
            logger.warning("%s: %s has failed in %s: %s; the next begins at %s", id, path, tries, text, next_at)
        case Answered():
            logger.info("%s: %s has failed: %s; it is answered by %s", id, path, text, in_line(notice.by))
        case Failed():
            error, traceback = in_line(str(notice.error)), indented(notice.error.traceback)
            logger.error("%s has ended as FAILURE: %s%s", id, error, traceback)


def indented(traceback: str) -> str:
    """A traceback as lines that follow a log line."""
    return "".join(f"\n{in_line(line)}" for line in traceback.splitlines())


def log_unread(unread: Mapping[str, str]) -> None:
    """Log which records of instances under way cannot be read, with the reason."""
    for key, why in unread.items():
        logger.error("%s: its record stays as it is, since it cannot be read: %s", in_line(key), in_line(why))


def log_parked(parked: Mapping[str, Sequence[str]]) -> None:
    """Log what a batch has parked: one line for each reason."""
    for reason, ids in parked.items():
        first = ids[0] if len(ids) == 1 else f"{ids[0]} and {len(ids) - 1:,} others"
        logger.error("%s: a record is parked until a worker can apply it: %s", in_line(first), in_line(reason))
