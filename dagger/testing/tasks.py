"""Tasks that run in turn, so that a run repeats exactly."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from threading import Thread
from typing import Any

from typing_extensions import override

from dagger.engine.tasks import Tasks


class TasksInTurn(Tasks):
    """Sync tasks run in a thread each, to their end before anything else happens."""

    @override
    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        answer = Future[Any]()
        Thread(target=_settle, args=(answer, copy_context(), call), daemon=True).start()
        return answer.result()


def _settle(answer: Future[Any], inside: Context, call: Callable[[], Any]) -> None:
    try:
        answer.set_result(inside.run(call))
    except BaseException as error:
        answer.set_exception(error)
