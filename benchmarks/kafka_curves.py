"""Latency against batch size and commit interval: `python -m benchmarks.kafka_curves docs/kafka-latency.svg [RATE]`.

From a message in to the next command out, of a worker and of the raw loop at so many orders a second; by how many
records they poll at most, and by the least time between two batches.
"""

from __future__ import annotations

import os
import sys
import tempfile
from collections.abc import Iterator, Sequence
from pathlib import Path
from typing import Final, NamedTuple

from benchmarks.kafka_plain import Job
from benchmarks.kafka_rounds import Servers, play, running

BATCHES: Final = (128, 256, 512, 1024, 2048)
INTERVALS_MS: Final = (0, 25, 50, 100, 200, 400)
SECONDS: Final = 6
ROUNDS: Final = int(os.environ.get("BENCH_ROUNDS", "3"))
"""Of which the median is drawn."""
PARTS: Final = (0.5, 0.99)
WIDTH, HEIGHT, LEFT, TOP, GAP = 330, 220, 60, 46, 80
COLOURS: Final = {"worker": "#1f6feb", "raw loop": "#8c959f"}


class Curve(NamedTuple):
    """Milliseconds, by what stands below."""

    name: str
    part: float
    values: list[float]


def measured(servers: Servers, file: Path, rate: float, jobs: Sequence[tuple[int, float]]) -> list[Curve]:
    """The curves over some batch sizes and intervals."""
    curves = [Curve(name, part, []) for name in COLOURS for part in PARTS]
    for batch, interval_ms in jobs:
        seen: dict[tuple[str, float], list[float]] = {}
        for _ in range(ROUNDS):
            for name, record, replay in (("worker", str(file), None), ("raw loop", None, str(file))):
                job = Job(
                    place=servers.place(),
                    count=int(rate * SECONDS),
                    rate=rate,
                    record=record,
                    replay=replay,
                    live=True,
                    batch=batch,
                    interval_ms=interval_ms,
                )
                found = play(servers, job)
                for part in PARTS:
                    seen.setdefault((name, part), []).append(found.quantile(part))
        for curve in curves:
            curve.values.append(sorted(seen[curve.name, curve.part])[ROUNDS // 2])
        print(batch, interval_ms, [round(curve.values[-1]) for curve in curves], flush=True)
    return curves


def panel(x0: float, title: str, labels: Sequence[object], curves: Sequence[Curve], top_ms: float) -> Iterator[str]:
    """One diagram, as SVG."""

    def x(at: int) -> float:
        return x0 + WIDTH * at / (len(labels) - 1)

    def y(ms: float) -> float:
        return TOP + HEIGHT * (1 - ms / top_ms)

    yield f'<text x="{x0 + WIDTH / 2}" y="{TOP + HEIGHT + 40}" text-anchor="middle">{title}</text>'
    for step in range(5):
        ms = top_ms * step / 4
        yield f'<line x1="{x0}" x2="{x0 + WIDTH}" y1="{y(ms):.1f}" y2="{y(ms):.1f}" stroke="#d0d7de"/>'
        yield f'<text x="{x0 - 8}" y="{y(ms) + 4:.1f}" text-anchor="end">{ms:g}</text>'
    for at, label in enumerate(labels):
        yield f'<text x="{x(at):.1f}" y="{TOP + HEIGHT + 18}" text-anchor="middle">{label}</text>'
    for name, part, values in curves:
        points = " ".join(f"{x(at):.1f},{y(ms):.1f}" for at, ms in enumerate(values))
        dashes = ' stroke-dasharray="5 4"' if part < 0.9 else ""
        yield f'<polyline points="{points}" fill="none" stroke="{COLOURS[name]}" stroke-width="2"{dashes}/>'


def legend() -> Iterator[str]:
    """What the lines mean."""
    for number, (name, part) in enumerate((name, part) for name in COLOURS for part in PARTS):
        x = LEFT + 190 * number
        dashes = ' stroke-dasharray="5 4"' if part < 0.9 else ""
        yield f'<line x1="{x}" x2="{x + 28}" y1="18" y2="18" stroke="{COLOURS[name]}" stroke-width="2"{dashes}/>'
        yield f'<text x="{x + 34}" y="22">{name}, p{part * 100:g}, ms</text>'


def drawn(by_batch: Sequence[Curve], by_interval: Sequence[Curve]) -> str:
    """Both diagrams, with one scale."""
    most = max(max(curve.values) for curve in (*by_batch, *by_interval))
    top_ms = next(scale for scale in (100, 200, 400, 800, 1600, 3200, 6400, 12800, 1e9) if scale >= most)
    second = LEFT + WIDTH + GAP
    size = f'width="{second + WIDTH + 30}" height="{TOP + HEIGHT + 56}"'
    parts = [
        f'<svg xmlns="http://www.w3.org/2000/svg" {size} font-family="sans-serif" font-size="12" fill="#1f2328">',
        '<rect width="100%" height="100%" fill="white"/>',
        *legend(),
        *panel(LEFT, "records polled at a time, at most", BATCHES, by_batch, top_ms),
        *panel(second, "least time between two batches, ms", INTERVALS_MS, by_interval, top_ms),
        "</svg>",
    ]
    return "\n".join(parts) + "\n"


def main() -> None:
    target, rate = Path(sys.argv[1]), float(sys.argv[2]) if len(sys.argv) > 2 else 400.0
    with tempfile.TemporaryDirectory() as folder, running(Path(folder)) as servers:
        file = Path(folder) / "steps"
        play(servers, Job(place=servers.place(), count=2_000))
        by_batch = measured(servers, file, rate, [(batch, 0.0) for batch in BATCHES])
        by_interval = measured(servers, file, rate, [(2048, float(interval)) for interval in INTERVALS_MS])
    target.write_text(drawn(by_batch, by_interval))


if __name__ == "__main__":
    main()
