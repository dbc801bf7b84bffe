from enum import IntEnum
from typing import Any

from aiokafka.protocol.api import Request

class CloseReason(IntEnum):
    CONNECTION_TIMEOUT = 1

class AIOKafkaConnection:
    def connected(self) -> bool: ...
    def close(self, reason: CloseReason | None = ...) -> object: ...
    async def send(self, request: Request[Any]) -> Any: ...

async def create_conn(host: str, port: int, **options: Any) -> AIOKafkaConnection: ...
