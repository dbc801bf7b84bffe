"""SIGTERM at any moment of a start ends a worker at once, with the status 0, also where no broker answers any more."""

from __future__ import annotations

import socket
import subprocess
import sys
from pathlib import Path

import pytest

from tests.kafka import starting
from tests.kafka.stage import OnKafka

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

LEAVES_S_MAX = 4.0
"""A failure limit, twice what is promised: processors may have something else to do. It took 25 s and more."""

MOMENTS = (
    "ApiVersionRequest",
    "MetadataRequest",
    "_Metadata",
    "CreateTopicsRequest",
    "FindCoordinatorRequest",
    "JoinGroupRequest",
    "SyncGroupRequest",
    "InitProducerIdRequest",
    "OffsetFetchStable",
    "OffsetRequest",
    "AddOffsetsToTxnRequest",
    "TxnOffsetCommitAs",
    "EndTxnRequest",
    "FetchRequest",
    "ProduceRequest",
)
"""What a start asks for: connecting, topics, joining, lanes, offsets, recovering."""


@pytest.mark.parametrize("mode", ["goes", "hangs"])
@pytest.mark.parametrize("moment", MOMENTS)
def test_a_worker_leaves_at_once(moment: str, mode: str, storage: OnKafka) -> None:
    assert storage.store_url is not None
    command = [sys.executable, "-m", starting.__name__, storage.url, storage.store_url, moment, mode]
    errors = Path(storage.folder / "errors.txt")
    with (
        errors.open("w") as file,
        subprocess.Popen(command, stdout=subprocess.PIPE, stderr=file, text=True) as process,
    ):
        assert process.stdout is not None
        try:
            assert process.stdout.readline().strip() == starting.SIGNALLED, errors.read_text()
            assert process.wait(LEAVES_S_MAX) == 0, errors.read_text()
        finally:
            process.kill()
    assert "Traceback" not in errors.read_text()


def test_a_worker_leaves_at_once_that_reaches_nobody(storage: OnKafka) -> None:
    """It waits for a server that takes connections and never answers."""
    assert storage.store_url is not None
    with socket.create_server(("127.0.0.1", 0)) as silent:
        url = f"kafka://127.0.0.1:{silent.getsockname()[1]}/a"
        command = [sys.executable, "-m", starting.__name__, url, storage.store_url, "ApiVersionRequest", "goes"]
        with subprocess.Popen(command, stdout=subprocess.PIPE, text=True) as process:
            assert process.stdout is not None
            try:
                assert process.stdout.readline().strip() == starting.SIGNALLED
                assert process.wait(LEAVES_S_MAX) == 0
            finally:
                process.kill()
