"""`datadir=` is where the files of URLs are."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

from dagger import BackendError, Dagger
from dagger.backends.kafka import KafkaBackend
from dagger.backends.sqlite import SqliteBackend, SqliteRecordStore
from dagger.engine.connect import connect


@pytest.mark.parametrize("name", ["orders.db", "two words.db", "50%25 more.db", "deep/orders.db"])
def test_a_file_is_in_its_directory(tmp_path: Path, name: str) -> None:
    backend = Dagger(f"sqlite:///{name}?lease=3s", datadir=tmp_path).backend
    assert isinstance(backend, SqliteBackend)
    assert backend.file.options.place == tmp_path / name.replace("%25", "%")
    assert backend.file.options.lease == 3.0


def test_a_path_that_is_absolute_stays(tmp_path: Path) -> None:
    backend = Dagger("sqlite:////var/lib/orders.db", datadir=tmp_path).backend
    assert isinstance(backend, SqliteBackend)
    assert backend.file.options.place == Path("/var/lib/orders.db")


def test_beside_kafka_it_stands_for_a_file_of_records(tmp_path: Path) -> None:
    backend = connect("kafka://localhost/orders", None, str(tmp_path))
    assert isinstance(backend, KafkaBackend)
    assert isinstance(backend.store, SqliteRecordStore)
    assert backend.store.file.options.place == tmp_path / "records.db"


@pytest.mark.parametrize(
    ("given", "url"),
    [
        ("orders.db", "sqlite:///orders.db"),
        (Path("data/two words.sqlite"), "sqlite:///data/two%20words.sqlite"),
        (Path("orders"), "sqlite:///orders"),
        ("/var/lib/orders.db", "sqlite:////var/lib/orders.db"),
        ("sqlite:orders.db", "sqlite:///orders.db"),
    ],
)
def test_a_path_is_told_the_url_of_its_file(given: Any, url: str) -> None:
    with pytest.raises(BackendError) as found:
        Dagger(given)
    told = f"broker '{given}' is not a URL; write for example {url}, or memory://, which keeps nothing at the end"
    assert str(found.value) == told
    with pytest.raises(BackendError, match=rf"store '.*' is not a URL; write for example {url}$"):
        Dagger("kafka://localhost/orders", given)


def test_what_is_no_file_stays(tmp_path: Path) -> None:
    Dagger("memory://", datadir=tmp_path)
    with pytest.raises(BackendError, match="no store is installed for redis://"):
        connect("kafka://localhost/orders", "redis://localhost", tmp_path)
