"""The graph of a template, and the Mermaid and DOT that are written from it: whole texts."""

import re
import shutil
import subprocess

import pytest

from dagger import Template, process
from dagger.dsl.drawing.diagram import Diagram, Edge, Subgraph, Vertex, diagram_of, subgraphs, vertices
from dagger.dsl.drawing.mermaid import ids
from dagger.dsl.paths import walk
from tests.dsl import drawn
from tests.dsl.drawn import Order
from tests.dsl.golden import DRAWN, golden

LEAVES = """\
---
title: "Leaves, version 1"
---
flowchart TD
    s_start(["Order"])
    s_PAYMENT_COMMAND[/"PAYMENT_COMMAND<br/>command → PAYMENT_COMMAND"/]:::command
    s_charge[/"charge<br/>command → PAYMENT_COMMAND"/]:::command
    s_PAYMENT_LISTENER[\\"PAYMENT_LISTENER<br/>listener ← PAYMENT_LISTENER"\\]:::listener
    s_paid_back[\\"paid_back<br/>listener ← PAYMENT_LISTENER<br/>on key, by key"\\]:::listener
    s_approved>"approved<br/>signal ← approval"]:::signal
    s_pack["pack<br/>task"]:::task
    s_ship["ship<br/>task<br/>timeout 1m30s, retry 5 attempts"]:::task
    s_sleep_3d(["sleep-3d<br/>sleep for 3d"]):::sleep
    s_at_noon(["at_noon<br/>wait until"]):::wait_until
    s_same["same<br/>task"]:::task
    s_1("kind<br/>then")
    s_end(("end"))
    s_start --> s_PAYMENT_COMMAND
    s_PAYMENT_COMMAND --> s_charge
    s_charge --> s_PAYMENT_LISTENER
    s_PAYMENT_LISTENER --> s_paid_back
    s_paid_back --> s_approved
    s_approved --> s_pack
    s_pack --> s_ship
    s_ship --> s_sleep_3d
    s_sleep_3d --> s_at_noon
    s_at_noon --> s_same
    s_same --> s_1
    s_1 --> s_end
    classDef command fill:#e0e7ff,stroke:#4f46e5,color:#1e1b4b
    classDef listener fill:#ccfbf1,stroke:#0d9488,color:#042f2e
    classDef signal fill:#fef3c7,stroke:#d97706,color:#451a03
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
    classDef sleep fill:#ede9fe,stroke:#7c3aed,color:#2e1065
    classDef wait_until fill:#ede9fe,stroke:#7c3aed,color:#2e1065
"""

PROCESSES = """\
---
title: "Processes, version 1"
---
flowchart TD
    s_start(["Order"])
    subgraph s_PAYMENT["process PAYMENT, timeout 1h"]
        s_PAYMENT__charge[/"charge<br/>command → PAYMENT_COMMAND"/]:::command
        s_PAYMENT__paid[\\"paid<br/>listener ← PAYMENT_LISTENER"\\]:::listener
    end
    s_1("same<br/>then")
    subgraph s_SHIPPING["process SHIPPING"]
        s_SHIPPING__pack["pack<br/>task"]:::task
    end
    s_end(("end"))
    s_start --> s_PAYMENT__charge
    s_PAYMENT__charge --> s_PAYMENT__paid
    s_PAYMENT -.->|"otherwise"| s_1
    s_PAYMENT__paid --> s_SHIPPING__pack
    s_1 --> s_SHIPPING__pack
    s_SHIPPING__pack --> s_end
    classDef command fill:#e0e7ff,stroke:#4f46e5,color:#1e1b4b
    classDef listener fill:#ccfbf1,stroke:#0d9488,color:#042f2e
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
    classDef frame fill:none,stroke:#94a3b8
    class s_PAYMENT,s_SHIPPING frame
"""

ALL_OF_THEM = """\
---
title: "All, version 1"
---
flowchart TD
    s_start(["Order"])
    s_1{{"all"}}
    s_a["a<br/>task"]:::task
    s_b["b<br/>task"]:::task
    s_c["c<br/>task"]:::task
    s_2{{"all"}}
    s_3("first<br/>then")
    s_end(("end"))
    s_start --> s_1
    s_1 --> s_a
    s_1 --> s_b
    s_b --> s_c
    s_a --> s_2
    s_c --> s_2
    s_2 --> s_3
    s_3 --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
"""

ANY_OF_THEM = """\
---
title: "Any, version 1"
---
flowchart TD
    s_start(["Order"])
    s_FASTEST{{"any of FASTEST"}}
    s_FASTEST__a["a<br/>task"]:::task
    s_FASTEST__b["b<br/>task"]:::task
    s_1{{"any"}}
    s_end(("end"))
    s_start --> s_FASTEST
    s_FASTEST --> s_FASTEST__a
    s_FASTEST --> s_FASTEST__b
    s_FASTEST__a --> s_1
    s_FASTEST__b --> s_1
    s_1 --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
"""

SOME_OF_THEM = """\
---
title: "Some, version 1"
---
flowchart TD
    s_start(["Order"])
    s_1{{"at least 2"}}
    s_a["a<br/>task"]:::task
    s_b["b<br/>task"]:::task
    s_c["c<br/>task"]:::task
    s_2{{"at least 2"}}
    s_3("first_of<br/>then")
    s_end(("end"))
    s_start --> s_1
    s_1 --> s_a
    s_1 --> s_b
    s_1 --> s_c
    s_a --> s_2
    s_b --> s_2
    s_c --> s_2
    s_2 --> s_3
    s_3 --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
"""

CASES = """\
---
title: "Cases, version 1"
---
flowchart TD
    s_start(["Order"])
    s_size{"size"}:::switch
    s_SMALL__bike["bike<br/>task"]:::task
    s_LARGE__book["book<br/>task"]:::task
    s_LARGE__truck["truck<br/>task"]:::task
    s_KIND{"KIND"}:::switch
    s_KIND__a__one["one<br/>task"]:::task
    s_KIND__otherwise__other["other<br/>task"]:::task
    s_end(("end"))
    s_start --> s_size
    s_size -->|"SMALL"| s_SMALL__bike
    s_size -->|"LARGE"| s_LARGE__book
    s_LARGE__book --> s_LARGE__truck
    s_SMALL__bike --> s_KIND
    s_LARGE__truck --> s_KIND
    s_KIND -->|"a"| s_KIND__a__one
    s_KIND -->|"otherwise"| s_KIND__otherwise__other
    s_KIND__a__one --> s_end
    s_KIND__otherwise__other --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
    classDef switch fill:#ffedd5,stroke:#ea580c,color:#431407
"""

EACH = """\
---
title: "Each, version 1"
---
flowchart TD
    s_start(["Order"])
    subgraph s_lines["for each lines, limit 4"]
        s_lines__pick["pick<br/>task"]:::task
        s_lines__pack["pack<br/>task"]:::task
    end
    s_end(("end"))
    s_start --> s_lines__pick
    s_lines__pick --> s_lines__pack
    s_lines__pack --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
    classDef frame fill:none,stroke:#94a3b8
    class s_lines frame
"""

BOUNDS = """\
---
title: "Bounds, version 1"
---
flowchart TD
    s_start(["Order"])
    s_a["a<br/>task<br/>retry 3 attempts, timeout 1m"]:::task
    subgraph s_1["steps, retry 2 attempts"]
        s_b["b<br/>task"]:::task
        s_c["c<br/>task"]:::task
    end
    s_d["d<br/>task<br/>timeout 1m"]:::task
    s_late["late<br/>task"]:::task
    s_end(("end"))
    s_start --> s_a
    s_a --> s_b
    s_b --> s_c
    s_c --> s_d
    s_d -.->|"otherwise"| s_late
    s_d --> s_end
    s_late --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
    classDef frame fill:none,stroke:#94a3b8
    class s_1 frame
"""

RECOVERED = """\
---
title: "Recovered, version 1"
---
flowchart TD
    s_start(["Order"])
    s_a["a<br/>task<br/>retry 1 attempt"]:::task
    s_refund["refund<br/>task"]:::task
    subgraph s_1["steps, retry 1 attempt"]
        s_b["b<br/>task"]:::task
        s_refund_b["refund_b<br/>task"]:::task
    end
    subgraph s_SHIPPING["process SHIPPING"]
        s_SHIPPING__c["c<br/>task"]:::task
        s_SHIPPING__d["d<br/>task"]:::task
    end
    s_undo["undo<br/>task"]:::task
    s_end(("end"))
    s_start --> s_a
    s_a -.->|"on failure"| s_refund
    s_a --> s_b
    s_refund --> s_b
    s_b -.->|"on failure"| s_refund_b
    s_b --> s_SHIPPING__c
    s_refund_b --> s_SHIPPING__c
    s_SHIPPING__c --> s_SHIPPING__d
    s_SHIPPING -.->|"on failure"| s_undo
    s_SHIPPING__d --> s_end
    s_undo --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
    classDef frame fill:none,stroke:#94a3b8
    class s_1,s_SHIPPING frame
"""

CHILDREN = """\
---
title: "Children, version 1"
---
flowchart TD
    s_start(["Order"])
    s_a["a<br/>task"]:::task
    s_Returns[["Returns<br/>workflow version 2"]]:::workflow
    s_end(("end"))
    s_start --> s_a
    s_a --> s_Returns
    s_Returns --> s_end
    classDef task fill:#dbeafe,stroke:#2563eb,color:#172554
    classDef workflow fill:#fce7f3,stroke:#db2777,color:#500724
"""


def name_of(given: object) -> str:
    return given.name if isinstance(given, Template) else "text"


@pytest.mark.parametrize(
    ("template", "text"),
    [
        (drawn.leaves, LEAVES),
        (drawn.processes, PROCESSES),
        (drawn.all_of_them, ALL_OF_THEM),
        (drawn.any_of_them, ANY_OF_THEM),
        (drawn.some_of_them, SOME_OF_THEM),
        (drawn.cases, CASES),
        (drawn.each, EACH),
        (drawn.bounds, BOUNDS),
        (drawn.recovered, RECOVERED),
        (drawn.children, CHILDREN),
    ],
    ids=name_of,
)
def test_a_template_in_mermaid(template: Template[Order, object], text: str) -> None:
    assert template.to_mermaid() == text


@pytest.mark.parametrize("name", DRAWN)
def test_a_template_in_dot(name: str) -> None:
    assert DRAWN[name].to_dot() == golden(f"{name}.dot")


def test_a_diagram_is_a_value() -> None:
    template = drawn.named("One", process("P", drawn.charge))
    start, end = Vertex("//start", "start", "Order"), Vertex("//end", "end", "end")
    charge = Vertex("P/charge", "command", "charge", "command → PAYMENT_COMMAND", path="P/charge")
    assert diagram_of(template.node) == Diagram(
        title="One, version 1",
        members=(start, Subgraph("P", "process", "process P", (charge,), "P"), end),
        edges=(Edge("//start", "P/charge"), Edge("P/charge", "//end")),
    )


@pytest.mark.parametrize("template", drawn.ALL, ids=name_of)
def test_what_has_a_path_is_found_by_it(template: Template[Order, object]) -> None:
    members = diagram_of(template.node).members
    found = [vertex.id for vertex in vertices(members)] + [subgraph.id for subgraph in subgraphs(members)]
    assert len(found) == len(set(found))
    apart = {"inspect"}  # a step of the child, which is an instance of its own
    assert {path for path, _ in walk(template.body)} - apart == {own for own in found if not own.startswith("//")}


@pytest.mark.parametrize("template", drawn.ALL, ids=name_of)
def test_every_edge_joins_vertices(template: Template[Order, object]) -> None:
    diagram = diagram_of(template.node)
    known = {vertex.id for vertex in vertices(diagram.members)}
    assert {edge.target for edge in diagram.edges} == known - {"//start"}
    last = {vertex.id for vertex in vertices(diagram.members) if vertex.kind in ("end", "fail")}
    assert {edge.source for edge in diagram.edges} == known - last - aside(diagram)


def aside(diagram: Diagram) -> set[str]:
    """Where what undoes something, or is run when it is stopped, ends: nothing follows."""
    labels = {"compensate", "attempted", "on stop"}
    ends = {edge.target for edge in diagram.edges if edge.label in labels}
    while follow := {edge.target for edge in diagram.edges if edge.source in ends} - ends:
        ends |= follow
    return ends - {edge.source for edge in diagram.edges}


def test_ids_in_mermaid_are_apart_and_plain() -> None:
    given = ids(diagram_of(drawn.nasty().node))
    assert (given["a b"], given["a_b"]) == ("s_a_b", "s_a_b_2")
    assert len(set(given.values())) == len(given)
    assert all(re.fullmatch("s_[A-Za-z0-9_]+", own) for own in given.values())


def test_no_name_is_read_as_mermaid() -> None:
    lines = drawn.nasty().to_mermaid().splitlines()
    assert lines[1] == r'title: "T \"x\" <y> #1, version 1"'
    assert '    s_semi_colon__1____b_["semi#59;colon #35;1 #38; #60;b#62;<br/>task"]:::task' in lines
    assert '    s_kind -->|"a#124;b #34;c#34; #60;d#62;"| s_a_b__c___d___p' in lines
    assert not [line for line in lines[3:] if re.search(r"[{%`\\$@*=]", line.replace('s_kind{"kind"}', ""))]


def test_no_name_is_read_as_dot() -> None:
    lines = drawn.nasty().to_dot().splitlines()
    assert lines[0] == r'digraph "T \"x\" <y> #1, version 1" {'
    assert any(
        line.startswith(r'    "back\\slash\\" [id="back\\slash\\", label="back\\slash\\\ntask"') for line in lines
    )
    assert any(line.startswith('    "&lt; &amp;" [id="&amp;lt; &amp;amp;"') for line in lines)


@pytest.mark.parametrize("template", drawn.ALL, ids=name_of)
def test_graphviz_reads_it(template: Template[Order, object]) -> None:
    program = shutil.which("dot")
    if program is None:
        pytest.skip("Graphviz's `dot` is not on the PATH")
    drawing = [program, "-Tsvg"]
    done = subprocess.run(drawing, input=template.to_dot().encode(), capture_output=True, check=False)
    assert (done.returncode, done.stderr.decode()) == (0, "")


def test_equal_templates_have_equal_graphs() -> None:
    assert drawn.nasty().to_mermaid() == drawn.nasty().to_mermaid()
    assert drawn.nasty().to_dot() == drawn.nasty().to_dot()


def test_a_long_chain() -> None:
    template = drawn.long(10_000)
    assert len(diagram_of(template.node).edges) == 10_001
    assert template.to_mermaid().count(" --> ") == 10_001
    assert template.to_dot().count(" -> ") == 10_001


def test_a_deep_template() -> None:
    assert drawn.deep().to_mermaid().count("subgraph") == 40
    assert drawn.deep().to_dot().count("subgraph") == 40
