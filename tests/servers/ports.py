"""Free ports of loopback."""

from __future__ import annotations

import random
import socket
from typing import Final

# Below those that systems give to outgoing connections (from 32768 on Linux, from 49152 elsewhere): nobody is given
# the port of a server that is down for a moment, and a client that tries again cannot be connected to itself.
_PORTS: Final = range(20_000, 32_000)


def free_ports(count: int) -> list[int]:
    """So many ports, all different, at which nobody listens."""
    found = list[int]()
    for port in random.sample(_PORTS, len(_PORTS)):
        if len(found) == count:
            return found
        with socket.socket() as candidate:
            candidate.setsockopt(socket.SOL_SOCKET, socket.SO_REUSEADDR, 1)
            try:
                candidate.bind(("127.0.0.1", port))
            except OSError:
                continue
            found.append(port)
    raise OSError(f"there are no {count} free ports between {_PORTS.start} and {_PORTS.stop}")
