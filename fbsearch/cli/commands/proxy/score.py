"""``fbsearch proxy score``: a network's scores before any training."""

from __future__ import annotations

from dataclasses import asdict
from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import Json, Seed
from fbsearch.cli.printing import notify, print_json, print_table

if TYPE_CHECKING:
    from collections.abc import Mapping

    from fbsearch.proxies import Proxy, ProxyScore, Subject

EXAMPLES = (
    "Examples: fbsearch proxy score fbnet_a --proxy zen,naswot,params --json; "
    "fbsearch proxy score models:small --proxy all --resolution 32"
)

_UNTAUGHT_CELLS = (
    "Zen-Score's theory covers chains of layers: where branches meet, as in the cells here, its authors warn "
    "that scores are not meaningful"
)


def score(
    network: Annotated[
        str,
        typer.Argument(
            help="An architecture (name, JSON file, run folder, structure string), or module:function, "
            "which makes a torch module of your own."
        ),
    ],
    proxy: Annotated[str, typer.Option("--proxy", help="Names with commas between them, or 'all'.")] = "zen",
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Of each score; the mean is told.")] = 8,
    seed: Seed = 0,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=2, help="By default 64 up to 64 px, 16 above.")
    ] = None,
    resolution: Annotated[
        int | None, typer.Option("--resolution", min=1, help="Of the images, where the network has none.")
    ] = None,
    num_classes: Annotated[
        int | None, typer.Option("--num-classes", min=1, help="Of a structure string.")
    ] = None,
    table: Annotated[
        Path | None, typer.Option("--table", help="Latencies; 'latency' is then a score too.")
    ] = None,
    device: Annotated[str, typer.Option("--device", help="Where it is computed: cpu or cuda.")] = "cpu",
    as_json: Json = False,
) -> None:
    """Score a network that has not been trained."""
    from fbsearch.cli.proxy_choice import chosen_proxies
    from fbsearch.cli.proxy_scores import score_each, unscored
    from fbsearch.cli.proxy_subject import find_subject
    from fbsearch.proxies import usual_batch_size

    proxies = chosen_proxies(proxy, table)
    subject = find_subject(network, resolution=resolution, num_classes=num_classes)
    scores, failures = score_each(
        subject,
        proxies,
        repeats=repeats,
        seed=seed,
        batch_size=batch_size or usual_batch_size(subject.input),
        device=device,
    )
    if as_json:
        print_json({name: asdict(one) for name, one in scores.items()} | unscored(failures))
    else:
        _show(subject, proxies, scores)
    for note in [*failures.values(), *_notes(subject, scores)]:
        notify(note)


def _show(subject: Subject, proxies: tuple[Proxy, ...], scores: Mapping[str, ProxyScore]) -> None:
    rows = [_row(proxy, scores[proxy.name]) for proxy in proxies if proxy.name in scores]
    title = f"{subject.name}: {subject.input.resolution} px, {subject.num_classes} classes, untrained"
    columns = ["proxy", "score", "std", "what it is"]
    print_table(title, columns, rows, numeric=frozenset(columns[1:3]))


def _row(proxy: Proxy, one: ProxyScore) -> list[str]:
    spread = f"{one.std:.3g}" if one.repeats > 1 else ""
    written = f"{one.score:,.0f}" if one.score.is_integer() else f"{one.score:,.6g}"
    return [proxy.name, written, spread, proxy.label]


def _notes(subject: Subject, scores: Mapping[str, ProxyScore]) -> list[str]:
    """What must stand beside the scores."""
    from fbsearch.proxies.zen import feature_note, is_zen

    if not any(map(is_zen, scores)):
        return []
    if subject.architecture is None:
        return [feature_note(subject)]
    is_chain = all(len(node.inputs) == 1 for node in subject.architecture.nodes)
    return [] if is_chain else [_UNTAUGHT_CELLS]
