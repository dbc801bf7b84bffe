"""Tasks that run one after the other, so that a run repeats exactly."""

from __future__ import annotations

from collections.abc import Callable
from concurrent.futures import Future
from contextvars import Context, copy_context
from threading import Thread
from typing import Any, Final

from typing_extensions import override

from dagger.engine.worker.tasks import Tasks

PATIENCE_S: Final = 10
"""How long, in real time, a task is waited for: sync tasks that wait for each other would never end."""


class SequentialTasks(Tasks):
    """Each sync task runs in a thread, to its end before anything else happens."""

    @override
    async def _in_thread(self, call: Callable[[], Any]) -> Any:
        answer = Future[Any]()
        Thread(target=_resolve, args=(answer, copy_context(), call), daemon=True).start()
        return answer.result(PATIENCE_S)


def _resolve(answer: Future[Any], inside: Context, call: Callable[[], Any]) -> None:
    try:
        answer.set_result(inside.run(call))
    except BaseException as error:
        answer.set_exception(error)
