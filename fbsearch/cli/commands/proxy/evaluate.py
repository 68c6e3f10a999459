"""``fbsearch proxy evaluate``: how well scores order networks that were trained."""

from __future__ import annotations

from pathlib import Path
from typing import TYPE_CHECKING, Annotated

import typer

from fbsearch.cli.options import Json, Quiet, Seed, written
from fbsearch.cli.printing import notify, print_json, print_table, show_progress
from fbsearch.files import check_file_writable

if TYPE_CHECKING:
    from fbsearch.pipeline.stages.proxy_evaluation.evaluating import EvaluatedProxies
    from fbsearch.proxies.evaluation import ChosenEnsemble, Judgement

EXAMPLES = "Example: fbsearch proxy evaluate trained.csv --space cifar --proxy all --workers 2 --plot tau.svg"


def evaluate(
    networks: Annotated[
        Path,
        typer.Argument(
            help="CSV with columns 'code' or 'architecture', and 'accuracy'; or the folder of a search that "
            "trained its networks."
        ),
    ],
    space: Annotated[
        str | None, typer.Option("--space", help="Of the codes: a preset or a YAML file.")
    ] = None,
    proxy: Annotated[str, typer.Option("--proxy", help="Names with commas between them, or 'all'.")] = "all",
    ensemble: Annotated[
        list[str] | None,
        typer.Option("--ensemble", help="Proxies whose ranks are combined, such as zen,params; repeatable."),
    ] = None,
    repeats: Annotated[int, typer.Option("--repeats", min=1, help="Of each score; the mean counts.")] = 3,
    batch_size: Annotated[
        int | None, typer.Option("--batch-size", min=2, help="By default 64 up to 64 px, 16 above.")
    ] = None,
    seed: Seed = 0,
    table: Annotated[
        Path | None, typer.Option("--table", help="Latencies; 'latency' is then a baseline too.")
    ] = None,
    workers: Annotated[int, typer.Option("--workers", min=1, help="Processes, of one thread each.")] = 1,
    out: Annotated[
        Path | None,
        written("--out", "-o", help="Folder for the scores; by default they are kept beside the networks."),
    ] = None,
    plot: Annotated[Path | None, written("--plot", help="Draw τ with its intervals here, as SVG.")] = None,
    quiet: Quiet = False,
    as_json: Json = False,
) -> None:
    """Say how well scores order trained networks, beside trivial baselines such as parameters.

    Every score is kept as soon as it is known: interrupted, the same command goes on.
    """
    from fbsearch.cli.proxy_choice import chosen_proxies
    from fbsearch.pipeline.stages.proxy_evaluation.evaluating import (
        evaluate_proxies,
        journal_path,
        read_population,
        with_baselines,
    )
    from fbsearch.pipeline.stages.proxy_evaluation.scoring import ScoringSettings
    from fbsearch.proxies import usual_batch_size
    from fbsearch.spaces import load_space

    members = [_members(text) for text in ensemble or []]
    wanted = ",".join([proxy, *(name for one in members for name in one), *(["latency"] if table else [])])
    proxies = with_baselines(chosen_proxies(wanted, table))
    trained = read_population(networks, None if space is None else load_space(space))
    if plot is not None:
        check_file_writable(plot)
    evaluated = evaluate_proxies(
        trained,
        proxies,
        ScoringSettings(repeats, seed, batch_size or usual_batch_size(trained[0].architecture.input)),
        journal=journal_path(networks, out),
        ensembles=members,
        workers=workers,
        progress=show_progress(quiet),
    )
    if plot is not None:
        _draw(plot, evaluated)
    if as_json:
        print_json({"networks": str(networks), **evaluated.to_dict()})
    else:
        _show(evaluated)


def _members(text: str) -> list[str]:
    return [name.strip() for name in text.split(",") if name.strip()]


def _show(evaluated: EvaluatedProxies) -> None:
    found = evaluated.evaluation
    title = (
        f"{found.num_networks} trained networks: Kendall's τ and its interval, Spearman's ρ, "
        f"τ less that of {found.baseline_label}"
    )
    columns = ["score", "τ", "interval", "ρ", "difference", "s each"]
    rows = [_row(name, one, f"{evaluated.seconds[name]:.2g}") for name, one in found.proxies.items()]
    rows += [_row(name, one, "") for name, one in found.ensembles.items()]
    print_table(title, columns, rows, numeric=frozenset(columns))
    for name, one in {**found.proxies, **found.ensembles}.items():
        notify(f"{name}: {one.verdict}")
    for name, reason in evaluated.reasons.items():
        notify(f"{name}, where it has no score: {reason}")
    if found.best_ensemble is not None:
        notify(_of_best(found.best_ensemble))
    notify(found.summary)


def _row(name: str, one: Judgement, seconds: str) -> list[str]:
    from fbsearch.proxies.evaluation import two_decimals

    difference = "" if one.difference is None else two_decimals(one.difference.value)
    tau, rho = two_decimals(one.tau.value), two_decimals(one.rho.value)
    return [name, tau, one.tau.interval_words, rho, difference, seconds]


def _of_best(best: ChosenEnsemble) -> str:
    return (
        f"the best of {best.num_candidates} ensembles is {'+'.join(best.members)}: τ {best.apparent_tau:.2f} "
        f"on the networks that it was chosen with; chosen on one half of them, τ {best.tau.value:.2f} on the "
        f"other, interval {best.tau.interval_words}; {best.verdict}"
    )


def _draw(path: Path, evaluated: EvaluatedProxies) -> None:
    from fbsearch.reports.charts import Forest, ForestRow, write_forest

    found = evaluated.evaluation
    judged = sorted(found.proxies.items(), key=lambda item: -item[1].tau.value)
    rows = [
        ForestRow(name, "dominated" if one.is_baseline else "front", one.tau.value, one.tau.interval)
        for name, one in judged
    ]
    taus = {name: one.tau for name, one in found.ensembles.items()}
    if found.best_ensemble is not None:
        taus[f"best of {found.best_ensemble.num_candidates}, where others chose"] = found.best_ensemble.tau
    rows += [ForestRow(name, "chosen", tau.value, tau.interval) for name, tau in taus.items()]
    kinds = (("front", "proxies"), ("dominated", "trivial baselines"), ("chosen", "ensembles"))
    quantity = f"Kendall's τ with the accuracy of {found.num_networks} networks, and 95 % intervals"
    reference = found.proxies[found.best_baseline].tau.value
    write_forest(path, Forest(tuple(rows), quantity, reference, kinds))
