"""The command `dagger`, in this process and as one of its own."""

from __future__ import annotations

import errno
import importlib.metadata
import io
import os
import signal
import sqlite3
import subprocess
import sys
from pathlib import Path
from uuid import uuid4

import anyio
import pytest

from dagger import Dagger, Status
from dagger.cli import main
from dagger.engine.headers import texts_of
from dagger.testing.contract.driver import messages_of
from tests.cli import shop
from tests.servers.kafka import KafkaCluster
from tests.sqlite.shop import file_of

ROOT = Path(__file__).resolve().parents[2]
ENGINE = "tests.cli.shop:engine"
HALF = os.fsdecode(b"\xff")
"""What an argument is that is no text."""
PAID = '{"order_id": "o-1", "receipt": "r-7"}'


@pytest.fixture(autouse=True)
def engine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dagger:
    """The engine of the module, on a file of the test's own."""
    monkeypatch.chdir(tmp_path)
    fresh = Dagger("sqlite:///cli.db", lifespan=shop.lifespan)
    fresh.register(shop.order)
    monkeypatch.setattr(shop, "engine", fresh)
    shop.LIFESPANS.clear()
    return fresh


def started(engine: Dagger, *ids: str) -> None:
    async def run() -> None:
        async with engine.client():
            await file_of(engine).database.transact(lambda connection: None)  # so that there is a file
            await engine.start_all(shop.order, [shop.Order(id) for id in ids])

    anyio.run(run)


def worked(engine: Dagger, *ids: str) -> None:
    """Work until these instances have ended, or wait for a signal."""

    async def run() -> None:
        async with engine:
            for id in ids:
                found = await engine.get_instance(id) if await engine.count(key=id) else None
                while found is None or not (found.status.is_end or found.waiting_for):
                    await anyio.sleep(0.01)
                    found = await engine.get_instance(id) if await engine.count(key=id) else None

    anyio.run(run)


def test_a_message_of_an_engines_topic(engine: Dagger, capsys: pytest.CaptureFixture[str]) -> None:
    started(engine, "o-1")
    assert main(["publish", ENGINE, "PAYMENTS", PAID]) == 0
    assert capsys.readouterr().out == "1 message published on PAYMENTS\n"
    assert shop.LIFESPANS == []


def test_messages_reach_their_instance_and_a_signal_ends_it(engine: Dagger, capsys: pytest.CaptureFixture[str]) -> None:
    started(engine, "o-1", "o-2")
    assert main(["publish", ENGINE, "PAYMENTS", PAID, "--id", "p-1"]) == 0
    worked(engine, "o-1", "o-2")
    assert main(["signal", ENGINE, "o-1", "say", '{"text": "hello", "loud": true}']) == 0
    assert main(["stop", ENGINE, "o-2"]) == 0
    worked(engine, "o-1", "o-2")
    capsys.readouterr()
    assert main(["instances", ENGINE]) == 0
    head, first, second = capsys.readouterr().out.splitlines()
    assert head.split() == ["ID", "TEMPLATE", "STATUS", "CREATED", "WAITING", "FOR"]
    assert first.split()[:3] == ["o-1", "Order", "COMPLETED"]
    assert second.split()[:3] == ["o-2", "Order", "STOPPED"]
    assert main(["instances", ENGINE, "--status", "STOPPED"]) == 0
    assert "o-1" not in capsys.readouterr().out
    assert main(["show", ENGINE, "o-1"]) == 0
    tree = capsys.readouterr().out
    assert "✔ Order o-1  COMPLETED" in tree
    assert "said" in tree


def test_a_failed_instance_is_shown_with_its_traceback(engine: Dagger, capsys: pytest.CaptureFixture[str]) -> None:
    async def work() -> None:
        async with engine.client():
            await engine.start(shop.failing, shop.Order("f-1"))
            await engine.signal("f-1", "fail", shop.Word("odd\x1b[2J"))
        async with engine:
            await engine.wait("f-1")

    anyio.run(work)
    assert main(["show", ENGINE, "f-1"]) == 0
    tree, _, traceback = capsys.readouterr().out.partition("\n\n")
    assert "✘ failed  FAILURE" in tree
    assert traceback.startswith("Traceback (most recent call last):\n")
    assert "in failed" in traceback
    assert traceback.endswith("ValueError: odd\\x1b[2J\n")


def test_messages_of_a_url_go_as_they_are(engine: Dagger, capsys: pytest.CaptureFixture[str]) -> None:
    started(engine)
    given = ["publish", "sqlite:///cli.db", "ANY", "--key", "k", "--header", "a=b=c", "one", "two"]
    assert main(given) == 0
    assert capsys.readouterr().out == "2 messages published on ANY\n"

    async def read() -> list[tuple[bytes | None, dict[str, str]]]:
        async with engine.client():
            return [(one.payload, texts_of(one.headers)) for one in await messages_of(engine.backend, "ANY", {"k"})]

    assert anyio.run(read) == [(b"one", {"a": "b=c"}), (b"two", {"a": "b=c"})]


@pytest.mark.slow
@pytest.mark.kafka
def test_messages_of_kafka(kafka: KafkaCluster, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    url, store = f"kafka://{kafka.bootstrap}/cli?prefix={uuid4().hex}.", f"sqlite:///{tmp_path}/records.db"
    given = ["publish", url, "--store", store, "ANY", "--key", "k", "one", "two"]
    assert main(given) == 1
    assert f"there is no file '{tmp_path}/records.db', and none was created" in capsys.readouterr().err

    async def connect() -> None:
        async with Dagger(url, store).client():
            pass

    anyio.run(connect)
    assert main(given) == 0
    assert capsys.readouterr().out == "2 messages published on ANY\n"

    async def read() -> list[bytes | None]:
        engine = Dagger(url, store)
        async with engine.client():
            return [one.payload for one in await messages_of(engine.backend, "ANY", {"k"})]

    assert anyio.run(read) == [b"one", b"two"]


def test_messages_are_read_from_the_standard_input(
    engine: Dagger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started(engine)
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f"{PAID}\n\n{PAID}\n".encode())))
    assert main(["publish", ENGINE, "PAYMENTS", "-"]) == 0
    assert capsys.readouterr().out == "2 messages published on PAYMENTS\n"


def test_one_wrong_message_keeps_all_back(
    engine: Dagger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    monkeypatch.setattr(sys, "stdin", io.TextIOWrapper(io.BytesIO(f'{PAID}\n{{"order_id": 7}}\n'.encode())))
    assert main(["publish", ENGINE, "PAYMENTS", "-"]) == 1
    assert capsys.readouterr().err.startswith("dagger: line 2: Paid: ")

    async def count() -> int:
        async with engine.client():
            return len(await messages_of(engine.backend, "PAYMENTS", {"o-1"}))

    assert anyio.run(count) == 0


@pytest.mark.parametrize(
    ("given", "status", "told"),
    [
        (["worker", "nowhere:engine"], 2, "there is no module 'nowhere'"),
        (
            ["instances", "tests/cli/shop.py:engine"],
            2,
            "neither in the working directory nor installed; write tests.cli.shop:engine",
        ),
        (["instances", "./tests/cli/shop.py:engine"], 2, "names no engine; write tests.cli.shop:engine"),
        (["publish", "sqlite:o.db", "PAYMENTS", PAID, "--key", "k"], 2, "; write sqlite:///o.db"),
        (["worker", "tests.cli.shop"], 2, "write MODULE:NAME"),
        (["worker", ".shop:engine"], 2, "write MODULE:NAME"),
        (["worker", "tests..shop:engine"], 2, "write MODULE:NAME"),
        (["worker", "tests.cli.shop:nothing"], 2, "has no 'nothing'"),
        (["worker", "tests.cli.shop:NO_ENGINE"], 2, "is of type int, and not a Dagger"),
        (["worker", "sqlite:///cli.db"], 2, "is a URL, which has no templates; name the engine"),
        (["show", "sqlite:///cli.db", "o-1"], 2, "is a URL, which has no templates; name the engine"),
        (["show", "tests.cli.shop:in_memory", "o-1"], 2, "keeps everything in the memory of one process"),
        (["publish", "tests.cli.shop:in_memory", "PAYMENTS", PAID], 2, "in the memory of one process"),
        (["publish", "memory://", "PAYMENTS", PAID, "--key", "k"], 2, "in the memory of one process"),
        (["publish", ENGINE, "NOWHERE", PAID], 2, "has no topic 'NOWHERE'; it has: PAYMENTS"),
        (["publish", ENGINE, "PAYMENTS", PAID, "--key", "k"], 2, "--key goes with a URL"),
        (["publish", ENGINE, "PAYMENTS", PAID, "--store", "sqlite:///r.db"], 2, "--store goes with a URL"),
        (["publish", "kafka://a:p@h/o", "PAYMENTS", PAID, "--key", "k"], 2, "give its store with --store"),
        (["publish", ENGINE, "PAYMENTS", PAID, PAID, "--id", "p"], 2, "--id is for a single message"),
        (["publish", ENGINE, "PAYMENTS", PAID, "--header", "a"], 2, "write NAME=VALUE"),
        (["publish", "sqlite:///cli.db", "PAYMENTS", PAID], 2, "with --key"),
        (["publish", "sqlite:///cli.db", "", PAID, "--key", "k"], 2, "topic: its name is ''"),
        (["publish", "sqlite:///cli.db", HALF, PAID, "--key", "k"], 2, r"topic '\udcff': a topic's name holds no"),
        (["publish", "sqlite:///cli.db", "PAYMENTS", PAID, "--key", HALF], 2, "with --key"),
        (["publish", ENGINE, "PAYMENTS", PAID, "--header", f"{HALF}=a"], 1, r"header '\udcff' is 'a'"),
        (["publish", ENGINE, "PAYMENTS", HALF], 1, "message 1: Paid: "),
        (["publish", "nothing://there", "PAYMENTS", PAID, "--key", "k"], 1, "no backend is installed for nothing://"),
        (["publish", ENGINE, "PAYMENTS", "no json"], 1, "message 1: Paid: "),
        (["show", ENGINE, "o-9"], 1, "no instance has the id 'o-9'"),
        (["stop", ENGINE, "o-9"], 1, "no instance has the id 'o-9'"),
        (["instances", ENGINE, "--limit", "0"], 1, "limit is 0"),
        (["instances", ENGINE, "--after", HALF], 1, r"after is '\udcff'; give text"),
        (
            ["instances", ENGINE, "--template", "Oders"],
            1,
            "template 'Oders' is not registered; call engine.register(...) ",
        ),
        (["instances", ENGINE, "--template", "Oders"], 1, "(registered: Order)"),
        (["publish", ENGINE, "PAYMENTS", PAID, "--id", ""], 2, "--id is empty"),
        (["show", ENGINE, HALF], 1, r"got '\udcff'"),
        (["backup", "sqlite:///nowhere.db", "copy.db"], 1, "'nowhere.db' does not exist"),
    ],
)
def test_what_is_wrong_is_told(
    engine: Dagger, given: list[str], status: int, told: str, capsys: pytest.CaptureFixture[str]
) -> None:
    started(engine)
    assert main(given) == status
    error = capsys.readouterr().err
    assert error.startswith("dagger: ")
    assert told in error
    assert error.count("\n") == 1


def test_a_signal_of_another_type_is_refused(engine: Dagger, capsys: pytest.CaptureFixture[str]) -> None:
    started(engine, "o-1")
    worked(engine, "o-1")
    assert main(["signal", ENGINE, "o-1", "say", '{"text": 7}']) == 1
    assert " - at `$.text`" in capsys.readouterr().err
    assert main(["signal", ENGINE, "o-1", "say", "hello"]) == 1
    told = capsys.readouterr().err
    assert told.startswith("dagger: signal 'say': VALUE must be JSON of the signal's type: Word: ")
    assert main(["signal", ENGINE, "o-1", "shout", "7"]) == 1
    assert "waits for no signal 'shout'; it waits for: say" in capsys.readouterr().err
    assert main(["signal", ENGINE, "o-1", "say", f'"{HALF}"']) == 1
    assert capsys.readouterr().err.startswith("dagger: ")


ODD = "ö\n\x1b[31mred"
"""An id that would change the terminal: messages bring ids from outside."""


@pytest.mark.parametrize("encoding", ["utf-8", "ascii"])
def test_what_is_told_stands_in_its_line(
    engine: Dagger, encoding: str, tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    started(engine, ODD)
    worked(engine, ODD)
    shown = "ö\\n\\x1b[31mred" if encoding == "utf-8" else "\\xf6\\n\\x1b[31mred"
    for given in (["instances", ENGINE], ["show", ENGINE, ODD], ["stop", ENGINE, ODD]):
        environment = {**os.environ, "PYTHONIOENCODING": encoding}
        done = subprocess.run(program(*given), cwd=tmp_path, capture_output=True, timeout=60, env=environment)
        assert (done.returncode, done.stderr) == (0, b"")
        assert shown in done.stdout.decode(encoding)
        assert b"\x1b" not in done.stdout
    assert main(["show", ENGINE, f"no {ODD}"]) == 1
    assert capsys.readouterr().err == "dagger: no instance has the id 'no ö\\n\\x1b[31mred'\n"


def test_a_module_whose_template_is_wrong_is_told_with_the_line(
    tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "wrong_shop.py").write_text("from dagger import Topic\n\norders = Topic('', str, key=len)\n")
    monkeypatch.syspath_prepend(tmp_path)
    assert main(["worker", "wrong_shop:engine"]) == 1
    assert capsys.readouterr().err.startswith(f"dagger: {tmp_path}/wrong_shop.py:3: topic: its name is ''")


def test_a_file_is_copied(engine: Dagger, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    started(engine, "o-1")
    assert main(["backup", "sqlite:///cli.db", "copy.db"]) == 0
    assert main(["backup", "sqlite:///cli.db", "copy.db"]) == 1
    assert "'copy.db' exists already" in capsys.readouterr().err


@pytest.mark.parametrize("command", ["", "worker", "publish", "instances", "show", "stop", "signal", "backup"])
def test_every_command_has_help(command: str, capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as found:
        main([*command.split(), "--help"])
    assert found.value.code == 0
    assert ("example:" if command else "examples:") in capsys.readouterr().out


def test_what_is_too_large_is_refused(
    engine: Dagger, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    started(engine)
    monkeypatch.setattr(type(engine.backend), "size_max", 60)
    large = f'{{"order_id": "o-1", "receipt": "{"r" * 60}"}}'
    assert main(["publish", ENGINE, "PAYMENTS", PAID, large]) == 1
    assert "message 2 has 91 bytes, and may have 60; nothing was published" in capsys.readouterr().err
    assert main(["publish", "sqlite:///cli.db", "PAYMENTS", "--key", "o-1", large]) == 1
    assert "message 1 has 94 bytes" in capsys.readouterr().err


@pytest.mark.parametrize(
    "command", ["instances", "show o-1", "stop o-1", "signal o-1 say 7", f"publish PAYMENTS {PAID.replace(' ', '')}"]
)
@pytest.mark.parametrize("store", [None, "sqlite:///records.db"])
def test_who_asks_makes_no_file(
    command: str, store: str | None, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    if store is not None:
        beside = Dagger("kafka://localhost:1/orders", store)
        beside.register(shop.order)
        monkeypatch.setattr(shop, "engine", beside)
    name, *rest = command.split()
    assert main([name, ENGINE, *rest]) == 1
    path = tmp_path / ("cli.db" if store is None else "records.db")
    assert capsys.readouterr().err.startswith(
        f"dagger: there is no file '{path}', and none was created; go to the directory"
    )
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("command", [["worker", ENGINE], ["instances", ENGINE], ["show", ENGINE, "o-1"]])
def test_a_file_that_cannot_be_used_is_told(
    command: list[str], tmp_path: Path, capsys: pytest.CaptureFixture[str]
) -> None:
    (tmp_path / "cli.db").write_text("a letter" * 1_000)
    assert main(command) == 1
    assert capsys.readouterr().err.splitlines()[-1].startswith("dagger: the file 'cli.db' is not an SQLite file")


def test_a_worker_whose_file_is_damaged_on_the_way_says_so(engine: Dagger, tmp_path: Path) -> None:
    started(engine, "o-1")
    connection = sqlite3.connect(tmp_path / "cli.db")
    connection.execute("DROP TABLE lease")
    connection.close()
    done = subprocess.run(program("worker", ENGINE), cwd=tmp_path, capture_output=True, text=True, timeout=60)
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1].startswith("dagger: the file 'cli.db' cannot be used")
    assert "Traceback" not in done.stderr


def test_the_version_is_told(capsys: pytest.CaptureFixture[str]) -> None:
    with pytest.raises(SystemExit) as found:
        main(["--version"])
    assert found.value.code == 0
    assert capsys.readouterr().out == f"dagger {importlib.metadata.version('dagger-workflow')}\n"


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="there is no /dev/full here")
def test_an_output_that_takes_nothing_is_told(engine: Dagger, tmp_path: Path) -> None:
    started(engine, "o-1")
    with Path("/dev/full").open("w") as full:
        done = subprocess.run(
            program("instances", ENGINE), cwd=tmp_path, stdout=full, stderr=subprocess.PIPE, text=True, timeout=60
        )
    assert done.returncode == 1
    assert done.stderr == f"dagger: the output cannot be written: {os.strerror(errno.ENOSPC)}; send it elsewhere\n"


def test_the_package_is_the_command() -> None:
    command = [sys.executable, "-m", "dagger", "--help"]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=60, check=True)
    assert "dagger" in done.stdout
    assert "backup" in done.stdout


def program(*given: str) -> list[str]:
    """The command as a process; the module is found from the root of this checkout."""
    begin = f"import sys; sys.path.insert(0, {str(ROOT)!r}); from dagger.cli import main; "
    return [sys.executable, "-c", f"{begin} sys.exit(main({list(given)!r}))"]


def test_a_worker_gets_what_another_process_publishes(engine: Dagger, tmp_path: Path) -> None:
    started(engine, "o-1")
    worker = subprocess.Popen(program("worker", ENGINE), cwd=tmp_path, stderr=subprocess.PIPE, text=True)
    try:
        subprocess.run(program("publish", ENGINE, "PAYMENTS", PAID), cwd=tmp_path, check=True, timeout=60)

        async def end() -> Status:
            async with engine.client():
                while not await engine.count(status=Status.EXECUTING):  # noqa: ASYNC110  # no event tells it
                    await anyio.sleep(0.01)
                await engine.signal("o-1", "say", shop.Word("bye"))  # kept until the message has come
                return (await engine.wait("o-1")).status

        assert anyio.run(end) is Status.COMPLETED
    finally:
        worker.send_signal(signal.SIGTERM)
        _, told = worker.communicate(timeout=60)
    assert worker.returncode == 0
    assert "working on Order" in told
    assert "received SIGTERM: leaving" in told


@pytest.mark.parametrize("number", [signal.SIGTERM, signal.SIGINT], ids=["SIGTERM", "SIGINT"])
@pytest.mark.parametrize("caught", ["Exception", "BaseException"])
def test_a_worker_whose_module_is_being_imported_leaves(tmp_path: Path, number: signal.Signals, caught: str) -> None:
    """Also where the module swallows what it is told by: to import it takes an hour."""
    (tmp_path / "slow.py").write_text(
        "import time\nprint('importing', flush=True)\n"
        f"try:\n    time.sleep(3600)\nexcept {caught}:\n    time.sleep(3600)\n"
    )
    worker = subprocess.Popen(
        program("worker", "slow:engine"), cwd=tmp_path, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True
    )
    try:
        assert worker.stdout is not None
        assert worker.stdout.readline() == "importing\n"
        worker.send_signal(number)
        _, errors = worker.communicate(timeout=60)
    finally:
        worker.kill()
        worker.communicate()
    assert worker.returncode == 0, errors


def test_a_module_that_ends_the_program_is_no_worker_that_ended_well(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text("import sys\nsys.exit()\n")
    done = subprocess.run(
        program("worker", "ends:engine"), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr == "dagger: module 'ends' calls sys.exit(None) where it is imported\n"


def test_a_worker_that_code_in_its_process_ends_says_so_in_a_line(tmp_path: Path) -> None:
    (tmp_path / "ends.py").write_text(
        "import sys\nfrom contextlib import asynccontextmanager\nfrom dagger import Dagger\n"
        "@asynccontextmanager\nasync def lifespan(engine):\n    sys.exit(0)\n    yield\n"
        "engine = Dagger('sqlite:///ends.db', lifespan=lifespan)\n"
    )
    done = subprocess.run(
        program("worker", "ends:engine"), cwd=tmp_path, capture_output=True, text=True, check=False, timeout=60
    )
    assert done.returncode == 1
    assert done.stderr.splitlines()[-1] == (
        "dagger: the worker was not stopped by a signal: code in its event loop has called sys.exit(0)"
    )
