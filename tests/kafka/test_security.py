"""TLS and users with real brokers: whoever may come in works as without them, and whoever may not is told why."""

from __future__ import annotations

import logging
from collections.abc import Iterator
from pathlib import Path

import anyio
import pytest

from dagger import Dagger, Status
from dagger.errors import BackendError
from dagger.testing.contract import shop
from tests.kafka.guarded import PASSWORD, USER, Certificates, settings
from tests.kafka.programs import exiting
from tests.servers.jars import Missing
from tests.servers.kafka import KafkaCluster

pytestmark = [pytest.mark.slow, pytest.mark.kafka]

TLS, PLAIN, SCRAM, SCRAM_512 = "SSL", "SASL_PLAINTEXT PLAIN", "SASL_SSL SCRAM-SHA-256", "SASL_SSL SCRAM-SHA-512"
"""How a broker is guarded: over TLS the client needs a certificate where it has no user."""


@pytest.fixture(scope="module")
def certificates(tmp_path_factory: pytest.TempPathFactory) -> Certificates:
    return Certificates(tmp_path_factory.mktemp("certificates"))


@pytest.fixture(scope="module", params=[TLS, PLAIN, SCRAM, SCRAM_512])
def guarded(
    request: pytest.FixtureRequest, certificates: Certificates, tmp_path_factory: pytest.TempPathFactory
) -> Iterator[tuple[str, str]]:
    """The way, and where the broker is."""
    protocol, _, mechanism = request.param.partition(" ")
    told = settings(protocol, certificates if protocol.endswith("SSL") else None, mechanism)
    users = [f"{mechanism}=[name={USER},password={PASSWORD}]"] if mechanism.startswith("SCRAM") else []
    try:
        cluster = KafkaCluster(directory=tmp_path_factory.mktemp("kafka"), settings=told, users=users)
    except Missing as missing:
        pytest.skip(str(missing))
    with cluster:
        yield request.param, cluster.bootstrap


@pytest.fixture
def url(guarded: tuple[str, str], certificates: Certificates, monkeypatch: pytest.MonkeyPatch) -> str:
    """What somebody writes who may come in."""
    protocol, _, mechanism = guarded[0].partition(" ")
    settings = [f"security={protocol.lower()}"]
    if protocol.endswith("SSL"):
        settings += [f"ca={certificates.authority}"]
    if protocol == "SSL":
        settings += [f"cert={certificates.client}"]
    if mechanism:
        settings += [f"sasl={mechanism.lower()}"]
        monkeypatch.setenv("DAGGER_KAFKA_USER", USER)
        monkeypatch.setenv("DAGGER_KAFKA_PASSWORD", PASSWORD)
    return f"kafka://{guarded[1]}/shop?" + "&".join(settings)


def test_who_is_known_works_as_without(url: str, tmp_path: Path, caplog: pytest.LogCaptureFixture) -> None:
    async def works() -> None:
        engine = Dagger(url, f"sqlite:///{tmp_path}/records.db")
        engine.register(exiting)
        async with engine:
            run = await engine.start(exiting, shop.Order("o-1"))
            await engine.publish(shop.NOTES, shop.Paid("o-1", "r-7"))
            assert (await engine.wait(run)).status is Status.COMPLETED

    caplog.set_level(logging.DEBUG)
    anyio.run(works)
    assert PASSWORD not in caplog.text


NO_SUCH_USER = "does not know this user, or not with this password; check both"
NOT_TRUSTED = "has a certificate that is not trusted ("  # and then in the words of OpenSSL
NO_ANSWER = "takes the connection and does not answer; "

MISTAKES = {
    TLS: {
        "authority": NOT_TRUSTED,
        "no certificate": f"{NO_ANSWER}it may want a certificate (cert=, key=)",
        "plaintext": f"{NO_ANSWER}if it wants TLS or a user there, say so by security=",
    },
    PLAIN: {
        "password": NO_SUCH_USER,
        "plaintext": f"{NO_ANSWER}if it wants TLS or a user there, say so by security=",
        "too much TLS": "or speak no TLS there: check security=",
    },
    SCRAM: {
        "password": NO_SUCH_USER,
        "mechanism": "does not offer this way to log in; give sasl= another value",
        "authority": NOT_TRUSTED,
        "too little TLS": f"{NO_ANSWER}if it wants TLS there, say so by security=sasl_ssl",
    },
    SCRAM_512: {"password": NO_SUCH_USER},
}


def mistaken(url: str, mistake: str, certificates: Certificates) -> str:
    """What somebody writes who is wrong about something."""
    match mistake:
        case "password":
            return url
        case "mechanism":
            return url.replace("scram-sha-256", "plain")
        case "authority":
            return url.replace(str(certificates.authority), str(certificates.stranger))
        case "no certificate":
            return url.replace(f"&cert={certificates.client}", "")
        case "plaintext":
            return url.partition("?")[0]
        case "too much TLS":
            return url.replace("sasl_plaintext", "sasl_ssl") + f"&ca={certificates.authority}"
        case _:
            return url.replace("sasl_ssl", "sasl_plaintext").replace(f"&ca={certificates.authority}", "")


def test_who_is_not_let_in_is_told_why(
    guarded: tuple[str, str],
    url: str,
    certificates: Certificates,
    tmp_path: Path,
    monkeypatch: pytest.MonkeyPatch,
    caplog: pytest.LogCaptureFixture,
) -> None:
    caplog.set_level(logging.DEBUG)
    monkeypatch.setenv("DAGGER_KAFKA_USER", USER)
    found = dict[str, str]()
    for mistake in MISTAKES[guarded[0]]:
        monkeypatch.setenv("DAGGER_KAFKA_PASSWORD", "another-secret" if mistake == "password" else PASSWORD)
        engine = Dagger(mistaken(url, mistake, certificates), f"sqlite:///{tmp_path}/records.db")

        async def comes(engine: Dagger = engine) -> None:
            async with engine.client():
                pass

        with pytest.raises(BackendError) as raised:
            anyio.run(comes)
        found[mistake] = str(raised.value)
    for mistake, words in MISTAKES[guarded[0]].items():
        assert words in found[mistake]
    for secret in ("another-secret", PASSWORD):
        assert secret not in str(found) + caplog.text
