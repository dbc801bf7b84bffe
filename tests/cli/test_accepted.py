"""The command line knows what was accepted before a worker has begun it, from another process."""

import subprocess
import sys
from pathlib import Path

import anyio

from dagger import Dagger, Status, signal, template

MODULE = """
import os
from dagger import Dagger, signal, template

engine = Dagger(os.environ["DAGGER_TEST_URL"])
asks = engine.register(template("Asks", signal("go", bool), key=lambda id: id, takes=str))
"""

asks = template("Asks", signal("go", bool), key=lambda id: id, takes=str)


def dagger(folder: Path, url: str, *arguments: str) -> subprocess.CompletedProcess[str]:
    return subprocess.run(
        [sys.executable, "-m", "dagger", *arguments],
        cwd=folder,
        env={"DAGGER_TEST_URL": url, "PYTHONPATH": str(folder)},
        capture_output=True,
        text=True,
        check=False,
    )


def test_show_signal_stop_and_instances_know_what_is_not_begun(tmp_path: Path) -> None:
    url = f"sqlite:///{tmp_path / 'x.db'}"
    (tmp_path / "workflows.py").write_text(MODULE)

    async def submit() -> None:
        async with Dagger(url).client() as client:
            await client.start_all(asks, ["o-1", "o-2", "o-3"])

    async def work() -> dict[str, Status]:
        async with Dagger(url) as engine:
            engine.register(asks)
            for id in ("o-1", "o-2"):
                await engine.wait(id)
            return {one.id: one.status for one in await engine.instances()}

    anyio.run(submit)
    shown = dagger(tmp_path, url, "show", "workflows:engine", "o-1")
    assert shown.returncode == 0, shown.stderr
    assert "SUBMITTED" in shown.stdout
    listed = dagger(tmp_path, url, "instances", "workflows:engine", "--status", "SUBMITTED")
    assert [line.split()[0] for line in listed.stdout.splitlines() if line.startswith("o-")] == ["o-1", "o-2", "o-3"]
    assert dagger(tmp_path, url, "signal", "workflows:engine", "o-1", "go", "true").returncode == 0
    assert dagger(tmp_path, url, "stop", "workflows:engine", "o-2").returncode == 0
    unknown = dagger(tmp_path, url, "show", "workflows:engine", "o-4")
    assert unknown.returncode != 0
    assert "no instance has the id 'o-4'" in unknown.stderr
    found = anyio.run(work)
    assert found["o-1"] is Status.COMPLETED
    assert found["o-2"] is Status.STOPPED
