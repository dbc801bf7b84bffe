"""The engine on SQLite does what the reference does, though its file is closed and opened again after every action."""

from __future__ import annotations

import asyncio
import tempfile
from pathlib import Path
from typing import Any

import pytest
from hypothesis import given, note
from typing_extensions import override

from dagger import Run
from tests.model import MARKS
from tests.model.durable import DurableEngine
from tests.model.pieces import Sent
from tests.model.reference import View
from tests.model.schedule import Action, Case
from tests.model.strategies import cases
from tests.model.test_engine_model import Engine, Gates, compare
from tests.model.trees import told
from tests.model.words import PUBLISHED

pytestmark = [*MARKS, pytest.mark.usefixtures("silent")]


class Durable(Engine):
    """An engine on a file, to which a schedule happens."""

    reopens = True

    def __init__(self, case: Case, path: Path) -> None:
        self.case = case
        self.gates = Gates()
        self.durable = DurableEngine(path, lifespan=self.gates.lifespan, early_limit=case.early_limit)
        self.engine = self.durable
        self.engine.register(case.template)
        self.run: Run[Any] | None = None
        self.sent = dict[str, list[Sent]]()

    @override
    async def carry_out(self, action: Action) -> None:
        await super().carry_out(action)
        await self.durable.reopen()
        await asyncio.sleep(0)
        for topic in PUBLISHED:
            self.sent[topic.name] = [Sent(message, "") for message in await self.durable.published(topic)]

    @property
    @override
    def view(self) -> View:
        view = super().view
        return View(view.status, view.result, view.error, self.sent, view.steps)


@given(cases(engine=True))
def test_the_engine_on_sqlite_does_what_the_reference_does(case: Case) -> None:
    note(told(case.template))
    with tempfile.TemporaryDirectory() as folder:

        async def run() -> None:
            await compare(case, Durable(case, Path(folder, "model.db")))

        asyncio.run(run())
