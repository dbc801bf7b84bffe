"""What a package says about the URLs of its backend: found by entry point, used by the engine and the command line."""

from __future__ import annotations

from pathlib import Path

import pytest

from dagger import BackendError, Dagger
from dagger.cli.commands import main
from dagger.engine.connect import connect
from dagger.engine.ports import FileBased

FOREIGN = '''
from pathlib import Path

from dagger.backends.memory import MemoryBackend
from dagger.engine.ports import Scheme


class Paper(MemoryBackend):
    """A backend that says that it is in a file."""

    shared = True

    def __init__(self, broker, store):
        super().__init__()
        self.urls = broker, store
        self.data_file = Path(broker.removeprefix("paper://"))


async def copy(url, target):
    target.write_text(url)


paper = Scheme(
    connect=Paper,
    example="paper://desk",
    store_beside="sqlite:///drawer.db",
    resolve=lambda url, folder: f"paper://{folder}/{url.removeprefix('paper://')}",
    suggest=lambda given: f"paper://{given}" if str(given).endswith(".paper") else None,
    backup=copy,
)
plain = Scheme(connect=Paper, example="plain://")
needy = Scheme(connect=Paper, example="needy://", requires="a_module_that_nobody_has")
nothing = Paper
'''
NAMES = ("paper", "plain", "needy", "nothing")


@pytest.fixture(autouse=True)
def foreign(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """A package that is installed beside this one."""
    site = tmp_path / "site"
    about = site / "foreign_paper-1.0.dist-info"
    about.mkdir(parents=True)
    (site / "foreign_paper.py").write_text(FOREIGN)
    (about / "METADATA").write_text("Metadata-Version: 2.1\nName: foreign-paper\nVersion: 1.0\n")
    offers = "".join(f"{name} = foreign_paper:{name}\n" for name in NAMES)
    (about / "entry_points.txt").write_text(f"[dagger.backends]\n{offers}lost = module_that_is_not_there:lost\n")
    monkeypatch.syspath_prepend(site)
    monkeypatch.chdir(tmp_path)


def urls_of(backend: object) -> object:
    return getattr(backend, "urls", None)


def test_a_scheme_of_another_package_is_used() -> None:
    assert urls_of(Dagger("paper://desk", store="shelf").backend) == ("paper://desk", "shelf")


def test_a_datadir_places_the_files_of_the_broker_and_of_the_store_beside_it(tmp_path: Path) -> None:
    backend = connect("paper://desk", None, tmp_path)
    assert urls_of(backend) == (f"paper://{tmp_path}/desk", f"sqlite:///{tmp_path}/drawer.db")
    assert urls_of(connect("plain://desk", None, tmp_path)) == ("plain://desk", None)


def test_a_path_is_answered_by_the_scheme_that_knows_it() -> None:
    with pytest.raises(BackendError, match=r"broker 'a.paper' is not a URL; write for example paper://a.paper, or"):
        Dagger("a.paper")
    with pytest.raises(BackendError, match=r"write for example memory://$"):
        Dagger("desk")


def test_a_missing_module_is_named_with_the_package_that_needs_it() -> None:
    with pytest.raises(BackendError, match=r"needy:// needs the package a_module_that_nobody_has, .*'foreign-paper'$"):
        Dagger("needy://")
    with pytest.raises(BackendError, match=r"lost:// needs the package module_that_is_not_there, .*'foreign-paper'$"):
        Dagger("lost://")


def test_what_is_not_a_scheme_is_refused() -> None:
    with pytest.raises(BackendError, match=r"nothing:// cannot be used: its entry point .* must name a Scheme"):
        Dagger("nothing://")


def test_an_unknown_scheme_is_answered_with_those_that_are_installed() -> None:
    with pytest.raises(BackendError, match="there are: kafka, lost, memory, needy, nothing, paper, plain, sqlite"):
        Dagger("redis://")


def test_a_file_is_asked_for_before_it_would_be_made(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    backend = connect("plain://here", None)
    assert isinstance(backend, FileBased)
    assert not isinstance(connect("memory://", None), FileBased)
    assert main(["publish", f"paper://{tmp_path}/none", "T", "1", "--key", "k", "--store", "s"]) == 1
    assert f"there is no file '{tmp_path}/none'" in capsys.readouterr().err


def test_the_command_asks_for_the_store_of_a_log(capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["publish", "paper://desk", "T", "1", "--key", "k"]) == 2
    assert "paper:// is only a log; give its store with --store" in capsys.readouterr().err


def test_the_command_copies_by_the_scheme(tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    assert main(["backup", "paper://desk", "copy"]) == 0
    assert (tmp_path / "copy").read_text() == "paper://desk"
    assert main(["backup", "plain://desk", "copy"]) == 2
    assert "dagger can't copy the data of plain://" in capsys.readouterr().err
