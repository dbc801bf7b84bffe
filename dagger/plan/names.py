"""Names made of other text: ids of messages, idempotency keys, channels. Other parts, another name, whatever they are.

A part is quoted before it is joined, so that what joins parts stands in none of them. Ordinary text stays as it is.
"""

from __future__ import annotations

import re
from typing import Final
from urllib.parse import unquote

_QUOTED: Final = str.maketrans({char: f"%{ord(char):02X}" for char in "%/[]#"})
_IS_QUOTED: Final = re.compile(r"[%/\[\]#]").search
_START: Final = "start:"
_QUOTED_PATH: Final = str.maketrans({char: f"%{ord(char):02X}" for char in "%[]#"})


def quoted(text: str) -> str:
    """The text with `%`, `/`, `[`, `]` and `#` percent-encoded."""
    return text.translate(_QUOTED) if _IS_QUOTED(text) else text  # nearly never; five times as fast


def quoted_path(path: str) -> str:
    """The path of a step, with its segments quoted."""
    return path.translate(_QUOTED_PATH)


def unquoted(part: str) -> str:
    """The text that was quoted."""
    return unquote(part) if "%" in part else part


def name_of(*parts: str) -> str:
    """The parts as one name, separated by `/`."""
    return "/".join([part.translate(_QUOTED) for part in parts])


def parts_of(name: str) -> list[str]:
    """The parts that a name was made of."""
    return [unquoted(part) for part in name.split("/")]


# Channels: streams of messages as listeners match them. That of a topic holds no `:`, so that it is no signal's.


def topic_channel(topic: str) -> str:
    """The channel of a topic whose messages are matched by its own key."""
    return quoted(topic).replace(":", "%3A")


def listener_channel(topic: str, template: str, version: int, path: str) -> str:
    """The channel of one listener, which computes the keys of messages in its own way."""
    return f"{topic_channel(topic)}#{quoted(template)}/{version}/{path}"


def signal_channel(name: str) -> str:
    """The channel of a signal."""
    return f"signal:{name}"


def start_channel(topic: str, template: str, number: int) -> str:
    """The channel of the messages of a topic that start instances of a template; `number` counts those of the two."""
    return f"{_START}{topic_channel(topic)}#{quoted(template)}/{number}"


def topic_of(channel: str) -> str:
    """The topic of a channel that is no signal's."""
    return unquoted(channel.removeprefix(_START).partition("#")[0])
