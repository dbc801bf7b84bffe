"""From a template to its plan, once, without recursion over chains: expanded to the kernel, and that assembled."""

from __future__ import annotations

from functools import lru_cache
from typing import Any

from dagger.codecs import codec_of
from dagger.dsl.nodes import Workflow
from dagger.dsl.template import Template
from dagger.plan import ops
from dagger.plan.assemble import Assembler, keeping
from dagger.plan.expand import Expander
from dagger.plan.kernel import Kernel
from dagger.plan.plan import Limits, Plan
from dagger.plan.shapes import Typed
from dagger.plan.signature import signature_of


@lru_cache(maxsize=256)
def compile(template: Template[Any, Any], limits: Limits | None = None) -> Plan:
    """Compile a template: the same value gives the same plan, in time proportional to its size."""

    def compile_child(node: Workflow) -> Plan:
        child: Template[Any, Any] = Template(node)
        return compile(child, limits)

    expander = Expander(template.name, template.version, compile_child)
    return assembled(template, expander.expand(template.body, ""), expander, limits or Limits())


def assembled(template: Template[Any, Any], body: Kernel, expander: Expander, limits: Limits) -> Plan:
    """The plan of a template, by what its body is in the kernel."""
    assembler = Assembler()
    takes = codec_of(template.takes)
    gives = assembler.lay(keeping(body), Typed(takes))
    assembler.add(ops.End, "", gives)
    listeners = _listeners(assembler.ops)
    return Plan(
        template=template.name,
        version=template.version,
        fingerprint=template.fingerprint(),
        signature=signature_of(
            assembler.ops, list(zip(assembler.paths, assembler.kinds, assembler.owners, strict=True))
        ),
        ops=tuple(assembler.ops),
        paths=tuple(assembler.paths),
        kinds=tuple(assembler.kinds),
        owners=tuple(assembler.owners),
        takes=takes,
        gives=gives,
        key=template.key.call,
        channels=expander.channels,
        open_channels=frozenset(
            name for name, found in listeners.items() if any(x.on is None and not x.is_signal for x in found)
        ),
        listeners=listeners,
        signals=expander.signals,
        limits=limits,
        undoes=body.undoes,
    )


def _listeners(table: list[ops.Op]) -> dict[str, tuple[ops.Listen, ...]]:
    """The listeners of each channel."""
    found = dict[str, list[ops.Listen]]()
    for op in table:
        if isinstance(op, ops.Listen):
            found.setdefault(op.channel, []).append(op)
    return {channel: tuple(listeners) for channel, listeners in found.items()}
