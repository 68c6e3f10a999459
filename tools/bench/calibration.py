"""Plain sums against calibrated values on fresh networks: what a calibration gains, and what it costs.

    python tools/bench/calibration.py --space fbnet --table T.json --networks 36 --fresh 100 --seed 0

Works on a copy of the table: calibrates it (unless it is calibrated and --networks is 0), then checks it with
networks that it was not calibrated with, all interleaved by the table's protocol on its runtime and threads.
Interrupted, the same command goes on where it stopped.
--sizes 9,18,36 also tells the errors of calibrations with the first so many of them; that costs no measuring.
"""

from __future__ import annotations

import argparse
import json
import time
from pathlib import Path

from fbsearch.devices import Device, find_device
from fbsearch.latency import LatencyTable
from fbsearch.latency.calibration.calibration import calibrate
from fbsearch.latency.measuring.settings import ModelSource
from fbsearch.latency.profiling.calibrating import calibrate_table
from fbsearch.latency.profiling.checking import TableCheck, check_predictions, fresh_measurements
from fbsearch.spaces import Space, load_space


def main() -> None:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0])
    parser.add_argument("--space", default="fbnet")
    parser.add_argument("--table", type=Path, required=True)
    parser.add_argument("--device", help="its file, where the table's name does not tell it")
    parser.add_argument("--out", type=Path, default=Path("calibrated.json"), help="the calibrated copy")
    parser.add_argument("--networks", type=int, default=36, help="0: the table is calibrated already")
    parser.add_argument("--fresh", type=int, default=100)
    parser.add_argument("--sizes", default="", help="numbers of networks, separated by commas")
    parser.add_argument("--seed", type=int, default=0)
    parser.add_argument("--jobs", type=int)
    parser.add_argument("--json", action="store_true")
    args = parser.parse_args()
    space, table = load_space(args.space), LatencyTable.load(args.table)
    device = find_device(args.device or table.device.name)
    started = time.monotonic()
    if args.networks:
        table = calibrated_copy(args, table, space, device)
    calibrating_s = time.monotonic() - started
    with fresh_measurements(
        table,
        space,
        device,
        path=args.out if args.networks else args.table,
        num_networks=args.fresh,
        models=ModelSource(jobs=args.jobs),
        seed=args.seed + 1,
    ) as fresh:
        checked = check_predictions(space, table, fresh.choices, fresh.measurements)
        smaller = {}
        for size in map(int, filter(None, args.sizes.split(","))):
            fewer = calibrate(
                table.calibration.terms,
                table.latency_us,
                table.calibration.measured("design")[:size],
                protocol=table.protocol,
                seed=args.seed,
                seconds=table.calibration.header.seconds,
            )
            with_fewer = table.with_calibration(fewer)
            errors = check_predictions(space, with_fewer, fresh.choices, fresh.measurements).calibrated
            smaller[size] = {k: v for k, v in errors.to_dict().items() if k != "predicted_us"}
        result = {
            "table": str(args.table),
            "seed": args.seed,
            "calibration": table.calibration.diagnostics.model_dump(mode="json")
            if table.calibration
            else None,
            "calibrating_s": round(calibrating_s, 1),
            "check": checked.to_dict(),
            "with_fewer_networks": smaller,
        }
        show(args, table, calibrating_s, checked, smaller, result)


def calibrated_copy(args, table: LatencyTable, space: Space, device: Device) -> LatencyTable:
    """What an interrupted run has calibrated already, or the table calibrated now."""
    if args.out.exists():
        known = LatencyTable.load(args.out)
        is_ours = known.header == table.header and known.calibration and known.calibration.matches(space)
        if is_ours and (known.calibration.header.seed, len(known.calibration.networks)) == (
            args.seed,
            args.networks if space.size is None else min(args.networks, space.size),
        ):
            return known
    return calibrate_table(
        table,
        space,
        device,
        out=args.out,
        num_networks=args.networks,
        seed=args.seed,
        models=ModelSource(jobs=args.jobs),
    )


def show(args, table: LatencyTable, calibrating_s: float, checked: TableCheck, smaller: dict, result: dict):
    if args.json:
        print(json.dumps(result, indent=1))
        return
    if table.calibration is not None:
        seconds = table.calibration.header.seconds
        print(f"calibrated with {table.calibration.summary}")
        print(
            f"calibrating took {calibrating_s / 60:.1f} minutes "
            f"(converting {seconds.converting:.0f} s, measuring {seconds.measuring:.0f} s)"
        )
    for name, errors in (("plain", checked.plain), ("calibrated", checked.calibrated)):
        if errors is not None:
            show_errors(name, errors.to_dict())
    for size, figures in smaller.items():
        show_errors(f"calibrated with {size} of the networks", figures)
    print(f"{checked.num_converged} of {len(checked.choices)} fresh networks converged; {checked.verdict}")


def show_errors(name: str, figures: dict) -> None:
    print(
        f"{name}: mean error {figures['mean_error']:+.1%}, mean |error| {figures['mean_abs_error']:.2%}, "
        f"worst {figures['max_abs_error']:.1%}, within 5 % {figures['share_within_5_percent']:.1%}, "
        f"Spearman {figures['spearman']:.3f}"
    )


if __name__ == "__main__":
    main()
