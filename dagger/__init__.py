"""Dagger: long-running business workflows as typed Python expressions, run durably.

A name is loaded when it is first asked for. A process that only declares workflows loads no engine, and one that
imports dagger without using it loads next to nothing.
"""

import importlib
import typing

if typing.TYPE_CHECKING:
    from dagger.codecs import BoundCodec, Codec, json, msgpack, raw
    from dagger.core import Error, Status
    from dagger.dsl import (
        Again,
        Failure,
        Limit,
        Match,
        Message,
        Retry,
        Signal,
        Step,
        Switch,
        Topic,
        all_of,
        any_of,
        at_least,
        command,
        fail,
        for_each,
        keep,
        listener,
        match,
        process,
        pure,
        race,
        repeat,
        signal,
        skippable,
        sleep,
        switch,
        task,
        wait_until,
    )

    # Not from the packages: modules of these names are there too, and mypy takes them for what is meant.
    from dagger.dsl.template import Template, template
    from dagger.engine import Dagger, Instance, Run, StepState
    from dagger.engine.worker.context import TaskContext, context
    from dagger.errors import (
        BackendError,
        BackendUnavailable,
        BusinessError,
        CodecError,
        DaggerError,
        DecodeError,
        EncodeError,
        EngineClosed,
        Fenced,
        InstanceConflict,
        RequestError,
        TaskHangs,
        TemplateConflict,
        TemplateError,
        TooManyRounds,
        UnknownInstance,
        UnknownStep,
        UnknownTemplate,
        UnsupportedType,
        WorkflowFailed,
        WrongInput,
    )

__all__ = [
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

_LAYERS = ("errors", "codecs", "dsl", "core", "engine")
"""Where the names are, from the bottom up: each layer loads those before it, and no name is in two of them."""


if not typing.TYPE_CHECKING:  # a checker would take every name for one that may be there

    def __getattr__(name: str) -> typing.Any:
        if name in __all__:
            for layer in _LAYERS:
                module = importlib.import_module(f"dagger.{layer}")
                if hasattr(module, name):
                    found = globals()[name] = getattr(module, name)
                    return found
        raise AttributeError(f"module 'dagger' has no attribute {name!r}")


def __dir__() -> list[str]:
    return sorted({*globals(), *__all__})
