"""The demo: what it prints, what it returns, and the file of orders that it runs."""

from __future__ import annotations

import io
from pathlib import Path

import anyio
import pytest
from typing_extensions import override

from examples import demo
from examples.data.make_orders import ORDERS, orders
from examples.terminal import Terminal


@pytest.fixture(autouse=True)
def in_a_folder_of_its_own(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.chdir(tmp_path)


def test_the_demo_completes_every_order(capsys: pytest.CaptureFixture[str]) -> None:
    assert demo.main(["--limit", "20"]) == 0
    out = capsys.readouterr().out
    assert "✔ 20 orders: 20 completed, 0 lost, 0 duplicated" in out
    assert "└─ ✔ SHIPPING" in out
    assert "the worker was killed half way: " in out
    assert "build/order-workflow.svg" in out
    assert demo.DRAWING.read_text().startswith("<svg")


def test_a_lost_order_fails_the_demo(monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]) -> None:
    services = (("tests.examples.forgetful",), demo.SERVICES[1])
    monkeypatch.setattr(demo, "SERVICES", services)
    monkeypatch.setattr(demo, "PATIENCE_S", 3)
    assert demo.main(["--limit", "5"]) == 1
    out = capsys.readouterr().out
    assert "✘ 5 orders: 4 completed, 1 lost, 1 duplicated" in out


@pytest.mark.parametrize(
    ("text", "why"),
    [
        ("", "orders.jsonl is empty"),
        ('{"order_id": 7}\n', "orders.jsonl, line 1: Order: "),
        (ORDERS.read_text().splitlines()[0] + "\n", None),
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
