"""The demo: what it prints, what it returns, and the file of orders that it runs."""

from __future__ import annotations

import io
import os
import signal
import subprocess
import sys
from collections.abc import Iterator
from datetime import timedelta
from pathlib import Path

import anyio
import pytest
from typing_extensions import override

from dagger import Dagger, Instance, sleep, template
from examples import demo
from examples.data.make_orders import ORDERS, orders
from examples.terminal import Terminal

ROOT = Path(__file__).resolve().parents[2]


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_demo_completes_every_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--limit", "20"]) == 0
    out = capsys.readouterr().out
    assert "✔ 20 orders: 20 completed, 0 lost, 0 duplicated" in out
    assert "└─ ✔ SHIPPING" in out
    assert "s until the next order was completed\n" in out
    assert "build/order-workflow.svg" in out
    assert demo.DRAWING.read_text().startswith("<svg")


@pytest.mark.slow
def test_a_lost_order_fails_the_demo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    services = (("tests.examples.forgetful",), demo.SERVICES[1])
    monkeypatch.setattr(demo, "SERVICES", services)
    monkeypatch.setattr(demo, "PATIENCE_S", 3)
    assert demo.main(["--limit", "5"]) == 1
    out = capsys.readouterr().out
    assert "✘ 5 orders: 4 completed, 1 lost, 1 duplicated" in out


@pytest.fixture
def started(tmp_path: Path) -> Iterator[subprocess.Popen[str]]:
    """The demo in a process, some orders of which are done."""
    process = subprocess.Popen(
        [sys.executable, "-m", "examples.demo"],
        stdout=subprocess.PIPE,
        stderr=subprocess.PIPE,
        text=True,
        env={**os.environ, "PYTHONPATH": str(ROOT)},
    )
    assert process.stdout is not None
    while not process.stdout.readline().startswith("orders: "):
        assert process.poll() is None
    yield process
    process.kill()
    process.communicate()


def processes_of(path: Path) -> list[str]:
    """The programs that were given a file below a path."""
    found = [file.read_bytes() for file in Path("/proc").glob("[0-9]*/cmdline") if is_readable(file)]
    return [command.replace(b"\0", b" ").decode() for command in found if os.fsencode(path) in command]


def is_readable(file: Path) -> bool:
    try:
        return bool(file.read_bytes())
    except OSError:  # it has ended meanwhile
        return False


with_proc = pytest.mark.skipif(not Path("/proc/self/cmdline").exists(), reason="there is no /proc to look into")


SIGNALS = [
    pytest.param(signal.SIGINT, id="SIGINT"),
    pytest.param(signal.SIGTERM, id="SIGTERM", marks=pytest.mark.slow),
    pytest.param(signal.SIGHUP, id="SIGHUP", marks=pytest.mark.slow),
]


@with_proc
@pytest.mark.parametrize("number", SIGNALS)
def test_a_demo_that_is_ended_leaves_no_process_behind(
    started: subprocess.Popen[str], number: signal.Signals, tmp_path: Path
) -> None:
    assert len(processes_of(tmp_path)) == 3
    started.send_signal(number)
    out, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (130, "")
    assert out.endswith("\nstopped\n")
    assert processes_of(tmp_path) == []


@pytest.mark.slow
@with_proc
def test_a_demo_that_nobody_reads_any_more_ends_well(started: subprocess.Popen[str], tmp_path: Path) -> None:
    """As behind `| head`."""
    assert started.stdout is not None
    started.stdout.close()
    started.stdout = None
    _, errors = started.communicate(timeout=60)
    assert (started.returncode, errors) == (0, "")
    assert processes_of(tmp_path) == []


def test_what_was_completed_before_the_kill_does_not_make_the_pause_shorter() -> None:
    """It may be seen after it."""

    naps = template("Naps", sleep(timedelta(milliseconds=1)), key=lambda word: word, takes=str)

    async def run() -> list[Instance]:
        async with Dagger() as engine:
            return [await engine.wait(await engine.start(naps, word)) for word in ("a", "b", "c")]

    first, second, third = anyio.run(run)
    report = demo.Report(3, killed=first.ended)
    for seen in (first, third, second):
        report.count(seen)
    assert report.resumed == second.ended


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "orders.jsonl is empty"),
        ('{"order_id": 7}\n', "orders.jsonl, line 1: Order: "),
        pytest.param(ORDERS.read_text().splitlines()[0] + "\n", None, marks=pytest.mark.slow),
        (2 * (ORDERS.read_text().splitlines()[0] + "\n"), "line 2: order 'o-00001' is in the file already"),
    ],
)
def test_a_file_of_orders_is_read_line_by_line(
    text: str, why: str | None, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    file = tmp_path / "orders.jsonl"
    file.write_text(text)
    assert demo.main(["--orders", str(file)]) == (2 if why else 0)
    assert (why or "") in capsys.readouterr().err


def test_a_file_that_is_not_there_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--orders", "nowhere.jsonl"]) == 2
    assert "nowhere.jsonl" in capsys.readouterr().err


def test_a_limit_is_a_number_from_one_on(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit):
        demo.main(["--limit", "0"])
    assert "no number from 1 on" in capsys.readouterr().err


def test_the_orders_are_what_the_script_makes() -> None:
    assert demo.load(ORDERS, None) == orders()


class Screen(io.TextIOWrapper):
    """A terminal with colours."""

    @override
    def isatty(self) -> bool:
        return True


def drawn(monkeypatch: pytest.MonkeyPatch, **environment: str) -> str:
    monkeypatch.setenv("COLUMNS", "80")
    monkeypatch.delenv("NO_COLOR", raising=False)
    monkeypatch.setenv("TERM", "xterm")
    for name, value in environment.items():
        monkeypatch.setenv(name, value)
    written = io.BytesIO()
    screen = Screen(written, encoding="utf-8")
    anyio.run(Terminal(screen).follow, "orders", lambda: 1_000, 1_000)
    return written.getvalue().decode()


def test_a_terminal_has_a_bar_of_one_line(monkeypatch: pytest.MonkeyPatch) -> None:
    line = drawn(monkeypatch, NO_COLOR="1")
    assert line.startswith("\rorders  ━")
    assert len(line.strip("\r\n")) < 80


def test_a_terminal_that_draws_nothing_over_gets_lines(monkeypatch: pytest.MonkeyPatch) -> None:
    assert drawn(monkeypatch, TERM="dumb") == "orders: 1,000 of 1,000\n"
