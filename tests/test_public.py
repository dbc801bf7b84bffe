"""The public names. A change of these lists is a change that users see: it wants a line in the changelog."""

import inspect
from types import ModuleType

import pytest

import dagger
import dagger.testing
import dagger.testing.contract

DAGGER = [
    "Again",
    "BackendError",
    "BackendUnavailable",
    "BoundCodec",
    "BusinessError",
    "Codec",
    "CodecError",
    "Dagger",
    "DaggerError",
    "DecodeError",
    "EncodeError",
    "EngineClosed",
    "Error",
    "Failure",
    "Fenced",
    "Instance",
    "InstanceConflict",
    "Limit",
    "Match",
    "Message",
    "RequestError",
    "Retry",
    "Run",
    "Signal",
    "Status",
    "Step",
    "StepState",
    "Switch",
    "TaskContext",
    "TaskHangs",
    "Template",
    "TemplateConflict",
    "TemplateError",
    "TooManyRounds",
    "Topic",
    "UnknownInstance",
    "UnknownStep",
    "UnknownTemplate",
    "UnsupportedType",
    "WorkflowFailed",
    "WrongInput",
    "all_of",
    "any_of",
    "at_least",
    "command",
    "context",
    "fail",
    "for_each",
    "json",
    "keep",
    "listener",
    "match",
    "msgpack",
    "process",
    "pure",
    "race",
    "raw",
    "repeat",
    "signal",
    "skippable",
    "sleep",
    "switch",
    "task",
    "template",
    "wait_until",
]

TESTING = [
    "Exploration",
    "ExplorationFailed",
    "InstanceOutcome",
    "NotRepeatable",
    "Outcome",
    "TestEngine",
    "explore",
    "explore_sync",
    "hang",
]

CONTRACT = [
    "AcceptedContract",
    "BackendContract",
    "BacklogContract",
    "CrashContract",
    "DueIndexContract",
    "GuaranteeContract",
    "HeaderContract",
    "ListingContract",
    "LogContract",
    "LoopContract",
    "OwnerContract",
    "ReaderContract",
    "ReleaseContract",
    "StandaloneContract",
    "Storage",
    "StoreContract",
    "StoreStorage",
    "TaskContract",
    "TopicContract",
    "WorkersContract",
    "with_memory_log",
]

PUBLIC = [(dagger, DAGGER), (dagger.testing, TESTING), (dagger.testing.contract, CONTRACT)]
NAMES = [(module, name) for module, names in PUBLIC for name in names]


@pytest.mark.parametrize(("module", "names"), PUBLIC)
def test_the_public_names_are_these(module: ModuleType, names: list[str]) -> None:
    assert module.__all__ == names == sorted(names)


@pytest.mark.parametrize(("module", "names"), PUBLIC)
def test_no_other_name_is_to_be_found(module: ModuleType, names: list[str]) -> None:
    """But modules, which are where the names come from. A name is there once it was asked for."""
    assert all(hasattr(module, name) for name in names)
    found = {name for name, value in vars(module).items() if not name.startswith("_") and not inspect.ismodule(value)}
    assert found == {name for name in names if not inspect.ismodule(getattr(module, name))}


@pytest.mark.parametrize(("module", "name"), NAMES, ids=[f"{module.__name__}.{name}" for module, name in NAMES])
def test_every_public_name_is_there_and_documented(module: ModuleType, name: str) -> None:
    doc = inspect.getdoc(getattr(module, name))
    assert doc
    assert not doc.startswith(f"{name}("), "a dataclass without words is given its signature"


CLASSES = [cls for module, name in NAMES if inspect.isclass(cls := getattr(module, name))]
# The name of a test says what it is about.
METHODS = [
    (cls, name)
    for cls in CLASSES
    for name, member in inspect.getmembers(cls)
    if not name.startswith(("_", "test_")) and (inspect.isroutine(member) or isinstance(member, property))
]


@pytest.mark.parametrize(("cls", "name"), METHODS, ids=[f"{cls.__name__}.{name}" for cls, name in METHODS])
def test_every_public_method_is_documented(cls: type, name: str) -> None:
    """In its own words, or in those of the class that it comes from."""
    assert inspect.getdoc(getattr(cls, name))
