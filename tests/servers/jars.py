"""The published jars of Apache Kafka, fetched once into a cache of this checkout by Maven."""

from __future__ import annotations

import hashlib
import re
import shutil
import subprocess
import tempfile
from pathlib import Path
from typing import Final

KAFKA_VERSION: Final = "4.3.1"
JAVA_MIN: Final = 17
"""What the broker of Kafka 4 needs."""
FETCH_S_MAX: Final = 600

ROOT: Final = Path(__file__).resolve().parents[2]
CACHE: Final = ROOT / ".cache"
POM: Final = Path(__file__).with_name("kafka.pom.xml")
COPY: Final = "org.apache.maven.plugins:maven-dependency-plugin:3.8.1:copy-dependencies"


class Missing(Exception):
    """Something that this machine has not: a reason to skip, not to fail."""


def java() -> str:
    """The machine's Java, if it is new enough.

    Raises:
        Missing: there is none, or it is too old.
    """
    found = shutil.which("java")
    if found is None:
        raise Missing(f"no Kafka broker: `java` is not on PATH; install a JDK, {JAVA_MIN} or newer")
    told = subprocess.run([found, "-version"], capture_output=True, text=True, check=False, timeout=60).stderr
    version = re.search(r'version "(\d+)', told)
    if version is None or int(version[1]) < JAVA_MIN:
        said = told.partition("\n")[0] or "nothing"
        raise Missing(f"no Kafka broker: it needs Java {JAVA_MIN} or newer, and `java -version` says: {said}")
    return found


def kafka_jars() -> Path:
    """The directory with the jars of the broker, fetched if they are not there.

    Raises:
        Missing: they are not there, and there is no Maven or it cannot fetch them.
    """
    # Named by what is in it too, so that another list of jars is another directory.
    jars = CACHE / f"kafka-{KAFKA_VERSION}-{hashlib.sha256(POM.read_bytes()).hexdigest()[:8]}"
    if not jars.is_dir():
        _fetch(jars)
    return jars


def _fetch(jars: Path) -> None:
    """Copy them beside, then rename: there are all or none, also when two fetch at the same time."""
    maven = shutil.which("mvn")
    if maven is None:
        raise Missing(f"no Kafka broker: its jars are not in {jars.parent.name}/, and `mvn` is not on PATH")
    CACHE.mkdir(exist_ok=True)
    with tempfile.TemporaryDirectory(prefix="kafka-", dir=CACHE) as temporary:
        beside = Path(temporary) / "jars"
        _copy(maven, beside)
        try:
            beside.rename(jars)
        except OSError:
            if not jars.is_dir():
                raise


def _copy(maven: str, to: Path) -> None:
    options = ["-DincludeScope=runtime", f"-Dkafka.version={KAFKA_VERSION}", f"-DoutputDirectory={to}"]
    command = [maven, "-q", "-B", "-f", str(POM), COPY, *options]
    try:
        done = subprocess.run(command, capture_output=True, text=True, check=False, timeout=FETCH_S_MAX)
    except subprocess.TimeoutExpired:
        raise Missing(f"no Kafka broker: `mvn` did not fetch its jars within {FETCH_S_MAX} s") from None
    if done.returncode != 0 or not any(to.glob("kafka_*.jar")):
        said = next((line for line in done.stdout.splitlines() if line.startswith("[ERROR]")), "nothing")
        raise Missing(f"no Kafka broker: `mvn` could not fetch its jars (exit {done.returncode}): {said}")
