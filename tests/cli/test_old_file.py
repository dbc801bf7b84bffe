"""Every command refuses a file of a build before the first release with what to do, and leaves it as it is."""

from __future__ import annotations

import sqlite3
import subprocess
import sys
from contextlib import closing
from pathlib import Path

import pytest

from dagger import Dagger
from dagger.cli import main
from tests.cli import shop
from tests.stored import UNRELEASED_FILE

ROOT = Path(__file__).resolve().parents[2]
ENGINE = "tests.cli.shop:engine"
COMMANDS = {
    "publish": ["publish", ENGINE, "PAYMENTS", '{"order_id": "o-1", "receipt": "r-7"}'],
    "publish to a URL": ["publish", "sqlite:///cli.db", "PAYMENTS", "{}", "--key", "k"],
    "instances": ["instances", ENGINE],
    "show": ["show", ENGINE, "o-1"],
    "stop": ["stop", ENGINE, "o-1"],
    "signal": ["signal", ENGINE, "o-1", "say", '{"text": "hello"}'],
    "backup": ["backup", "sqlite:///cli.db", "copy.db"],
}


@pytest.fixture
def old(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The old file, where the engine of the module has its own."""
    monkeypatch.chdir(tmp_path)
    path = tmp_path / "cli.db"
    with closing(sqlite3.connect(path)) as connection:
        connection.executescript(UNRELEASED_FILE.read_text(encoding="utf-8"))
    fresh = Dagger("sqlite:///cli.db")
    fresh.register(shop.order)
    monkeypatch.setattr(shop, "engine", fresh)
    return path


def refused(said: str) -> bool:
    return said.count("\n") == 1 and "before its first release" in said and "let its instances end under" in said


@pytest.mark.parametrize("command", COMMANDS)
def test_a_command_refuses_it(command: str, old: Path, capsys: pytest.CaptureFixture[str]) -> None:
    before = {path.name: path.read_bytes() for path in old.parent.iterdir()}
    assert main(COMMANDS[command]) == 1
    out, said = capsys.readouterr()
    assert (out, refused(said)) == ("", True), said
    assert {path.name: path.read_bytes() for path in old.parent.iterdir()} == before


def test_a_worker_refuses_it(old: Path) -> None:
    before = old.read_bytes()
    code = (
        "import os; from dagger import Dagger; from dagger.cli import main; from tests.cli import shop; "
        f"os.chdir({str(old.parent)!r}); shop.engine = Dagger('sqlite:///cli.db'); shop.engine.register(shop.order); "
        f"raise SystemExit(main(['worker', {ENGINE!r}]))"
    )
    ended = subprocess.run([sys.executable, "-c", code], cwd=ROOT, capture_output=True, text=True, check=False)
    assert ended.returncode == 1
    assert "Traceback" not in ended.stderr
    assert "let its instances end under" in ended.stderr.splitlines()[-1]
    assert old.read_bytes() == before
