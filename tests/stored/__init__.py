"""What is stored: bytes of today, and of a build before the first release (commit 0fef791), kept as files."""

import json
from pathlib import Path
from typing import Any, Final

FOLDER: Final = Path(__file__).parent
UNRELEASED_FILE: Final = FOLDER / "unreleased.sql"
"""A file with live and ended instances, held messages, and a submission that was not applied."""
UNRELEASED_RECORDS: Final = [
    bytes.fromhex(line) for line in (FOLDER / "unreleased-log.txt").read_text(encoding="utf-8").split()
]
"""Records of a log: one for each kind of event."""
UNRELEASED_NOTES: Final[dict[str, Any]] = json.loads((FOLDER / "unreleased-notes.json").read_text(encoding="utf-8"))
"""What the Kafka backend kept in its store."""
