from typing import Any

from aiokafka.protocol.api import Request

class LeaveGroupRequest(Request[Any]):
    def __init__(self, group: str, member_id: str) -> None: ...

class HeartbeatRequest(Request[Any]):
    def __init__(self, group: str, generation_id: int, member_id: str) -> None: ...
