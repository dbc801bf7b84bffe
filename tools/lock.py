"""``python tools/lock.py [--keep]``: makes requirements.txt anew from the ranges of pyproject.toml.

Every package gets the newest release that the ranges allow; with ``--keep``, those that are locked stay where they
are as far as the ranges allow it, and only what is missing comes in. ``make lock`` does the first.
"""

import subprocess
import sys
import tempfile
from pathlib import Path

ROOT = Path(__file__).resolve().parents[1]
LOCK = ROOT / "requirements.txt"

HEAD = """\
# Every package that Dagger is developed, tested and built with: for CPython 3.11 to 3.14, each with its hashes.
# Made by `make lock` from the ranges of pyproject.toml; not edited by hand. tools/venv.sh installs it.
# The first part is what `make demo` needs: the runtime dependencies, and the build backend.
"""
# tools/venv.sh looks for this line.
REST = "# ---- what develops and tests"

RUNTIME = ("--group", "build")
EVERYTHING = (*RUNTIME, "--extra", "dev")

COMPILE = (
    sys.executable,
    "-m",
    "uv",
    "pip",
    "compile",
    "--quiet",
    "--universal",
    "--python-version=3.11",
    "--prerelease=disallow",
    "--generate-hashes",
    "--no-annotate",
    "--no-header",
    "--no-emit-index-url",
    "--no-emit-find-links",
    "--no-config",
)


def main() -> None:
    """Lock everything, and put first what the runtime needs of it."""
    with tempfile.TemporaryDirectory() as folder:
        everything, runtime = Path(folder, "everything.txt"), Path(folder, "runtime.txt")
        if sys.argv[1:] == ["--keep"]:
            everything.write_text(LOCK.read_text())
        resolve(*EVERYTHING, into=everything)
        resolve(*RUNTIME, "--constraint", str(everything), into=runtime)
        first = names(runtime.read_text())
        parts: tuple[list[str], list[str]] = ([], [])
        for block in blocks(everything.read_text()):
            parts[name(block) not in first].append(block)
    LOCK.write_text("\n".join([HEAD, *parts[0], "", REST, "", *parts[1], ""]))


def resolve(*options: str, into: Path) -> None:
    """Ask uv for a resolution that holds on every platform and Python."""
    subprocess.run([*COMPILE, *options, "--output-file", str(into), "pyproject.toml"], cwd=ROOT, check=True)


def blocks(text: str) -> list[str]:
    """What is said of each package: a line with its version, and lines with its hashes."""
    found: list[list[str]] = []
    for line in text.splitlines():
        if line.startswith(" "):
            found[-1].append(line)
        elif line and not line.startswith("#"):
            found.append([line])
    return ["\n".join(lines) for lines in found]


def name(block: str) -> str:
    """The package that a block is about."""
    return block.partition("==")[0]


def names(text: str) -> set[str]:
    """The packages of a whole file."""
    return {name(block) for block in blocks(text)}


if __name__ == "__main__":
    main()
