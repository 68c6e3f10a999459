"""Figure 1 of the Zen-NAS paper in kind: over depths and widths of a plain net, Φ fails and Zen orders.

    python tools/bench/zen_figure1.py --out figure1        # there: depth.svg, width.svg, scores.json
    python tools/bench/zen_figure1.py --out f --depths 2,4,8 --widths 8,16 --repeats 2

A plain net is 3x3 convolutions with norms and ReLUs at one resolution. Where a score overflows, its line
ends.
"""

from __future__ import annotations

import argparse
from collections.abc import Sequence
from pathlib import Path

from fbsearch.architecture import Architecture
from fbsearch.architecture.operators import Classifier, Conv
from fbsearch.errors import ProxyError
from fbsearch.files import write_json, write_text
from fbsearch.proxies import score_subject, subject_of
from fbsearch.reports.charts.lines import LineChart, Series, draw_lines
from fbsearch.reports.charts.standalone import standalone
from fbsearch.reports.charts.units import NUMBER

SCORES = ("zen", "phi")


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--out", type=Path, required=True)
    parser.add_argument("--depths", type=numbers, default=numbers("2,5,10,20,30,40,50,60"))
    parser.add_argument("--widths", type=numbers, default=numbers("4,8,16,32,64,96"))
    parser.add_argument("--width", type=int, default=32, help="at which depths are compared")
    parser.add_argument("--depth", type=int, default=30, help="at which widths are compared")
    parser.add_argument("--resolution", type=int, default=8)
    parser.add_argument("--batch-size", type=int, default=16)
    parser.add_argument("--repeats", type=int, default=4)
    parser.add_argument("--seed", type=int, default=0)
    args = parser.parse_args()
    args.out.mkdir(parents=True, exist_ok=True)
    by_depth = {depth: scores_of(args.width, depth, args) for depth in args.depths}
    by_width = {width: scores_of(width, args.depth, args) for width in args.widths}
    write_json(args.out / "scores.json", {"depth": by_depth, "width": by_width})
    draw(f"Scores of plain nets {args.width} wide", "depth", by_depth, args.out / "depth.svg")
    draw(f"Scores of plain nets {args.depth} deep", "width", by_width, args.out / "width.svg")


def numbers(text: str) -> tuple[int, ...]:
    return tuple(map(int, text.split(",")))


def plain_net(width: int, depth: int, resolution: int) -> Architecture:
    stem = Conv(3, width, resolution, kernel=3, activation="relu")
    layers = [Conv(width, width, resolution, kernel=3, activation="relu")] * (depth - 1)
    head = Classifier(width, 10, resolution)
    return Architecture.chain(f"w{width}_d{depth}", {"layers": [stem, *layers], "head": [head]})


def scores_of(width: int, depth: int, args: argparse.Namespace) -> dict[str, float | None]:
    architecture = plain_net(width, depth, args.resolution)
    found = {name: score_of(name, architecture, args) for name in SCORES}
    print(architecture.name, found, flush=True)
    return found


def score_of(name: str, architecture: Architecture, args: argparse.Namespace) -> float | None:
    """None where it overflows."""
    subject = subject_of(architecture)
    try:
        scores = score_subject(
            subject, [name], repeats=args.repeats, seed=args.seed, batch_size=args.batch_size
        )
    except ProxyError as error:
        print(error)
        return None
    return scores[name].score


def draw(title: str, x_name: str, scores: dict[int, dict[str, float | None]], path: Path) -> None:
    series = [
        Series(label, role, points_of(name, scores))
        for name, label, role in (("zen", "Zen", "main"), ("phi", "Φ", "second"))
        if points_of(name, scores)
    ]
    chart = LineChart(title, NUMBER, tuple(series), x_name=x_name)
    write_text(path, standalone(draw_lines(chart)))


def points_of(name: str, scores: dict[int, dict[str, float | None]]) -> tuple[tuple[float, float], ...]:
    found: Sequence[tuple[int, float | None]] = [(x, one[name]) for x, one in scores.items()]
    return tuple((float(x), value) for x, value in found if value is not None)


if __name__ == "__main__":
    main()
