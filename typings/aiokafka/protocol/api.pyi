from typing import Any, ClassVar, Generic, TypeVar

from aiokafka.protocol.types import Schema

class RequestStruct:
    FLEXIBLE_VERSION: ClassVar[bool]
    API_KEY: ClassVar[int]
    API_VERSION: ClassVar[int]
    RESPONSE_TYPE: ClassVar[type[Response]]
    SCHEMA: ClassVar[Schema]
    def __init__(self, *values: Any) -> None: ...
    def encode(self) -> bytes: ...

class Response:
    API_KEY: Any
    API_VERSION: Any
    SCHEMA: ClassVar[Schema]

T = TypeVar("T", bound=RequestStruct)

class Request(Generic[T]):
    API_KEY: ClassVar[int]
    def build(self, request_struct_class: type[T]) -> T: ...
    def prepare(self, versions: dict[int, tuple[int, int]]) -> T: ...
