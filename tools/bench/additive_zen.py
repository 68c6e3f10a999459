"""How well Zen-Score as a sum over candidates follows Zen-Score itself, over random architectures of a space.

    python tools/bench/additive_zen.py --space cifar --networks 60 --seed 0 --out additive.json

The sum is what `search.zen_weight` puts into a supernet's loss. Both are measured on random weights, of seeds
of their own. Architectures that do not see the image have no score, and are left out. Kendall's τ and
Spearman's ρ come with bootstrap intervals over the architectures; the difference is in nats.
"""

from __future__ import annotations

import argparse
import time
from collections.abc import Callable, Sequence
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from rich.progress import track
from scipy.stats import kendalltau, spearmanr

from fbsearch.errors import ProxyError
from fbsearch.files import write_json
from fbsearch.proxies import is_chain, score_subject, subject_of, zen_cost
from fbsearch.spaces import Code, FactoredSpace, load_space, require_factored

NUM_RESAMPLES = 1000

Floats = NDArray[np.float64]


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="cifar", help="a preset or a YAML file")
    parser.add_argument("--networks", type=int, default=60)
    parser.add_argument("--repeats", type=int, default=4, help="of either score")
    parser.add_argument("--batch-size", type=int, default=16, help="of the score itself")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--out", type=Path)
    args = parser.parse_args()
    space = require_factored(load_space(args.space), "the sum over candidates")
    started = time.monotonic()
    cost = zen_cost(space, repeats=args.repeats, seed=args.seed)
    table_s = time.monotonic() - started
    rng = np.random.default_rng(args.seed)
    codes = list(dict.fromkeys(space.sample(rng) for _ in range(args.networks)))
    started = time.monotonic()
    seeing, exact = exact_scores(space, codes, args.repeats, args.seed + 1, args.batch_size)
    exact_s = time.monotonic() - started
    added = np.array([cost.of(code) for code in seeing])
    found = {
        "space": space.name,
        "is_chain": is_chain(space),
        "networks": len(seeing),
        "networks_that_do_not_see_the_image": len(codes) - len(seeing),
        "repeats": args.repeats,
        "seed": args.seed,
        **agreement(added, exact, np.random.default_rng(args.seed)),
        "mean_difference_nats": float((added - exact).mean()),
        "spread_of_difference_nats": float((added - exact).std()),
        "spread_of_score_nats": float(exact.std()),
        "table_s": table_s,
        "score_s": exact_s / len(codes),
    }
    for name, value in found.items():
        print(f"{name}: {value:.3f}" if isinstance(value, float) else f"{name}: {value}")
    if args.out:
        write_json(args.out, {**found, "added": added.tolist(), "exact": exact.tolist()})


def exact_scores(
    space: FactoredSpace, codes: Sequence[Code], repeats: int, seed: int, batch_size: int
) -> tuple[list[Code], Floats]:
    """Those that have a score, and their scores."""
    seeing, scores = [], []
    for code in track(codes, description=f"{space.name}: scores"):
        subject = subject_of(space.decode(code))
        try:
            found = score_subject(subject, ["zen"], repeats=repeats, seed=seed, batch_size=batch_size)
        except ProxyError:
            continue
        seeing.append(code)
        scores.append(found["zen"].score)
    return seeing, np.array(scores)


def agreement(added: Floats, exact: Floats, rng: np.random.Generator) -> dict[str, float | list[float]]:
    """τ and ρ with 95 % intervals."""
    draws = rng.integers(len(exact), size=(NUM_RESAMPLES, len(exact)))
    measures: dict[str, Callable[[Floats, Floats], float]] = {
        "kendall_tau": lambda a, b: float(kendalltau(a, b).statistic),
        "spearman_rho": lambda a, b: float(spearmanr(a, b).statistic),
    }
    found: dict[str, float | list[float]] = {}
    for name, measure in measures.items():
        found[name] = measure(added, exact)
        resampled = [measure(added[draw], exact[draw]) for draw in draws]
        found[f"{name}_interval"] = np.nanquantile(resampled, [0.025, 0.975]).round(4).tolist()
    return found


if __name__ == "__main__":
    main()
