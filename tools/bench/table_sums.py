"""How far a table's plain sums are from whole networks: random architectures, predicted and measured.

    python tools/bench/table_sums.py --space fbnet --table T.json --networks 20 --seed 0

The networks are measured interleaved by the protocol of the table, on its runtime and threads.
"""

from __future__ import annotations

import argparse
import json
from pathlib import Path

import numpy as np
from scipy.stats import spearmanr

from fbsearch.devices import find_device
from fbsearch.latency import LatencyTable
from fbsearch.latency.networks import measure_architectures
from fbsearch.spaces import load_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="fbnet")
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--networks", type=int, default=20)
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    space, table = load_space(args.space), LatencyTable.load(args.table)
    table.check_space(space)
    rng = np.random.default_rng(args.seed)
    networks = [space.decode(space.sample(rng)) for _ in range(args.networks)]
    device = find_device(table.device.name)
    measurements = measure_architectures(
        networks,
        device,
        runtime=table.runtime.name,
        threads=table.runtime.threads,
        protocol=table.protocol,
        seed=args.seed,
    )
    predicted = np.array([table.architecture_us(network) for network in networks])
    measured = np.array([measurement.latency_us for measurement in measurements])
    errors = predicted / measured - 1
    halves = [
        abs(np.median(m.round_medians_us[::2]) / np.median(m.round_medians_us[1::2]) - 1)
        for m in measurements
    ]
    result = {
        "table": str(args.table),
        "networks": args.networks,
        "seed": args.seed,
        "mean_error": float(errors.mean()),
        "mean_abs_error": float(np.abs(errors).mean()),
        "max_abs_error": float(np.abs(errors).max()),
        "spearman": float(spearmanr(predicted, measured).statistic),
        "range_ms": [float(measured.min() / 1000), float(measured.max() / 1000)],
        "repeatability": float(np.mean(halves)),
        "num_converged": sum(m.is_converged for m in measurements),
        "predicted_us": predicted.round(1).tolist(),
        "measured_us": measured.round(1).tolist(),
    }
    if args.json:
        print(json.dumps(result, indent=1))
        return
    print(f"{args.networks} networks of {result['range_ms'][0]:.2f} to {result['range_ms'][1]:.2f} ms")
    print(
        f"plain sum: mean error {errors.mean():+.1%}, mean |error| {np.abs(errors).mean():.1%}, "
        f"worst {np.abs(errors).max():.1%}"
    )
    print(
        f"Spearman {result['spearman']:.3f}; repeatability of the measurement (odd against even rounds) "
        f"{np.mean(halves):.1%}"
    )


if __name__ == "__main__":
    main()
