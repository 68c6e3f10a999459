"""The protocol against machines whose slowness is scripted: time itself is simulated."""

import numpy as np
import pytest
from pydantic import ValidationError

from fbsearch.devices import MeasurementLog, MeasurementProtocol, ModelRound, SentinelReading, measure
from fbsearch.errors import MeasurementError
from tests.devices.simulated import Machine, SimulatedSession

LATENCIES = {f"model{i}": 20.0 * 1.4**i for i in range(12)}


def run(machine, *, protocol=None, log=None, seed=0, latencies=LATENCIES, noise=None, on_progress=None):
    sessions = {name: SimulatedSession(machine, us, noise) for name, us in latencies.items()}
    log = log if log is not None else MeasurementLog()
    measured = measure(
        sessions,
        protocol or MeasurementProtocol(),
        sentinel=SimulatedSession(machine, 150.0),
        rng=np.random.default_rng(seed),
        log=log,
        on_progress=on_progress,
        clock=machine.clock,
        pause=machine.pause,
    )
    return measured, log


def assert_true(measured, tolerance=0.01, latencies=LATENCIES):
    for name, latency_us in latencies.items():
        assert measured[name].latency_us == pytest.approx(latency_us, rel=tolerance), name


def slow_between(*spans, factor=1.4):
    return lambda now: factor if any(start <= now < end for start, end in spans) else 1.0


def test_quiet_machine_needs_the_fewest_rounds_and_discards_nothing():
    measured, log = run(Machine())
    assert_true(measured)
    for one in measured.values():
        assert one.is_converged and one.is_steady and one.num_discarded == 0 and len(one.rounds_us) == 8
    assert log.windows(MeasurementProtocol()) == (8 * 6, 0)


def test_rounds_are_interleaved_in_an_order_that_differs_from_pass_to_pass():
    events = []
    run(Machine(), log=MeasurementLog(on_append=events.append))
    names = [event.name for event in events if isinstance(event, ModelRound)]
    passes = [names[i : i + 12] for i in range(0, 96, 12)]
    assert all(sorted(one) == sorted(LATENCIES) for one in passes)
    assert len({tuple(one) for one in passes}) == 8
    kinds = "".join("s" if isinstance(event, SentinelReading) else "m" for event in events)
    assert kinds == "s" * 10 + "mms" * 48


def test_slow_windows_are_discarded_and_repeated():
    machine = Machine(slow_between((0.6, 0.9), (1.2, 1.5)))
    measured, log = run(machine)
    assert_true(measured)
    assert all(one.is_converged and one.is_steady for one in measured.values())
    discarded = sum(one.num_discarded for one in measured.values())
    num_windows, num_discarded = log.windows(MeasurementProtocol())
    assert discarded > 0 and num_discarded > 0 and num_windows > 48
    assert machine.paused_s > 0, "it waits until the machine is quiet"


def test_the_same_machine_without_a_sentinel_worth_its_name_would_mislead():
    """The control of the test above: with any drift allowed, slow rounds count."""
    machine = Machine(slow_between((0.55, 20.0)))
    measured, _ = run(machine, protocol=MeasurementProtocol(drift_tolerance=10.0))
    assert any(one.latency_us > LATENCIES[name] * 1.1 for name, one in measured.items())


def test_a_slow_start_is_recognised_afterwards():
    """While only slow readings are known they pass for normal; the log judges them again later."""
    machine = Machine(slow_between((0.0, 0.5)))
    measured, _ = run(machine)
    assert_true(measured)
    assert sum(one.num_discarded for one in measured.values()) > 0


def test_busy_three_quarters_of_the_time():
    machine = Machine(lambda now: 1.0 if now % 1.0 < 0.25 else 1.35)
    measured, _ = run(machine)
    assert_true(measured, tolerance=0.02)


def test_a_machine_that_stays_slow_ends_with_its_steadiest_rounds_and_says_so():
    machine = Machine(lambda now: 1.0 if now < 0.6 else 1.3 + 0.2 * (now % 1.0))
    measured, _ = run(machine, protocol=MeasurementProtocol(patience_s=1.0))
    unsteady = [one for one in measured.values() if not one.is_steady]
    assert unsteady
    for one in unsteady:
        assert len(one.rounds_us) == 8 and one.num_discarded == 24 + 40 - 8
    assert machine.paused_s <= 1.0 + 0.02


def mostly_slow(now):
    """Slow 80 % of the time, in bursts of 0.4 s."""
    return 1.0 if now % 0.5 < 0.1 else 1.3


def test_the_usual_pace_is_the_one_kept_most_of_the_time():
    usual = MeasurementProtocol(pace="usual")
    measured, log = run(Machine(mostly_slow), protocol=usual)
    assert_true(measured, latencies={name: 1.3 * us for name, us in LATENCIES.items()})
    assert log.baseline_us("usual") == pytest.approx(195, rel=0.01)
    assert log.baseline_us("undisturbed") == pytest.approx(150, rel=0.01)
    assert log.windows(usual)[1] > 0  # those of the fast bursts
    assert all(one.is_steady for one in measured.values())


@pytest.mark.parametrize(("slow_share", "pace_us"), [(0.4, 150), (0.55, 195), (0.7, 195)])
def test_of_two_paces_the_usual_one_is_never_in_between(slow_share, pace_us):
    rng = np.random.default_rng(0)
    is_slow = rng.random(1000) < slow_share
    latencies_us = np.where(is_slow, 195, 150) * np.exp(rng.normal(0, 0.03, 1000))
    log = MeasurementLog(SentinelReading(us, at_s) for at_s, us in enumerate(latencies_us))
    assert log.baseline_us("usual") == pytest.approx(pace_us, rel=0.02)


@pytest.mark.parametrize(("reference_us", "steady"), [(195.0, True), (150.0, False)])
def test_the_usual_pace_of_a_table_is_kept_to(reference_us, steady):
    slow = Machine(lambda now: 1.3)
    protocol = MeasurementProtocol(pace="usual", patience_s=0.1)
    measured, log = run(slow, protocol=protocol, log=MeasurementLog(reference_us=reference_us))
    assert log.baseline_us("usual") == reference_us
    assert all(one.is_steady is steady for one in measured.values())


def test_a_machine_faster_than_the_usual_pace_is_off_it_and_than_the_undisturbed_is_not():
    for pace, steady in (("usual", False), ("undisturbed", True)):
        protocol = MeasurementProtocol(pace=pace, patience_s=0.1)
        measured, _ = run(Machine(), protocol=protocol, log=MeasurementLog(reference_us=195.0))
        assert all(one.is_steady is steady for one in measured.values()), pace


def test_a_noisy_model_gets_more_rounds_than_its_quiet_neighbours():
    machine = Machine()
    sessions = {"quiet": SimulatedSession(machine, 100.0), "noisy": SimulatedSession(machine, 100.0, 0.15)}
    measured = measure(
        sessions,
        MeasurementProtocol(target_relative_ci=0.02),
        sentinel=SimulatedSession(machine, 150.0),
        rng=np.random.default_rng(0),
        clock=machine.clock,
        pause=machine.pause,
    )
    assert len(measured["quiet"].rounds_us) == 8
    assert len(measured["noisy"].rounds_us) > 8


def test_a_model_that_never_converges_stops_and_says_so():
    measured, _ = run(Machine(), latencies={"wild": 100.0}, noise=1.5)
    assert len(measured["wild"].rounds_us) == 24
    assert not measured["wild"].is_converged and measured["wild"].is_steady


def test_a_log_cut_anywhere_is_continued_and_keeps_every_round():
    events = []
    run(Machine(slow_between((0.6, 0.9))), log=MeasurementLog(on_append=events.append))
    for cut in (0, 1, 5, 10, 12, 47, 90, len(events) - 1, len(events)):
        known = events[:cut]
        machine = Machine()
        measured, log = run(machine, log=MeasurementLog(known), seed=cut)
        assert_true(measured)
        before = [event for event in known if isinstance(event, ModelRound)]
        for name in LATENCIES:
            rounds = [event.values_us for event in before if event.name == name]
            assert log.attempts(name) >= len(rounds)
            kept = [values for values in measured[name].rounds_us if values in rounds]
            assert len(kept) + measured[name].num_discarded >= len(rounds)


def test_a_finished_log_is_not_measured_again():
    _, log = run(Machine())
    machine = Machine()
    measured, again = run(machine, log=log)
    assert machine.now == 0.0 and again is log
    assert_true(measured)


def test_the_reading_after_a_resume_does_not_judge_the_window_before_it():
    log = MeasurementLog([SentinelReading(100.0, 0.0, True)] * 4)
    log.append(ModelRound("a", (1.0,)))
    log.append(SentinelReading(200.0, 9.0, True))
    log.append(ModelRound("a", (2.0,)))
    log.append(SentinelReading(100.0, 9.1))
    assert log.measurement("a", MeasurementProtocol()).rounds_us == ((1.0,),)
    assert log.measurement("a", MeasurementProtocol()).num_discarded == 1


def test_progress_rises_to_one():
    shares = []
    run(Machine(slow_between((0.6, 0.9))), on_progress=shares.append)
    assert all(0 <= share <= 1 for share in shares) and shares[-1] == 1.0
    assert shares[0] < 0.2


def test_a_session_may_answer_with_a_summary():
    """A phone's launch yields one figure per round, whatever count was asked for."""

    class Launch(SimulatedSession):
        def invoke(self, count):
            return [float(np.median(super().invoke(count)))]

    machine = Machine()
    measured = measure(
        {"phone": Launch(machine, 100.0)},
        MeasurementProtocol(),
        sentinel=Launch(machine, 150.0),
        rng=np.random.default_rng(0),
        clock=machine.clock,
        pause=machine.pause,
    )
    assert all(len(values) == 1 for values in measured["phone"].rounds_us)
    assert measured["phone"].latency_us == pytest.approx(100.0, rel=0.01)


@pytest.mark.parametrize("values", [[], [float("nan")], [float("inf")], [0.0], [-1.0]])
def test_impossible_latencies_are_refused_by_name(values):
    class Broken(SimulatedSession):
        def invoke(self, count):
            return values

    machine = Machine()
    with pytest.raises(MeasurementError, match="broken"):
        measure(
            {"broken": Broken(machine, 1.0)},
            MeasurementProtocol(),
            sentinel=SimulatedSession(machine, 150.0),
            rng=np.random.default_rng(0),
            clock=machine.clock,
            pause=machine.pause,
        )


@pytest.mark.parametrize(
    ("latency_us", "count"), [(1.0, 40), (200.0, 40), (1000.0, 8), (5000.0, 3), (1e6, 3)]
)
def test_invocations_fill_a_round_within_bounds(latency_us, count):
    assert MeasurementProtocol().invocations(latency_us) == count


@pytest.mark.parametrize(
    "fields",
    [
        {"min_rounds": 30},
        {"min_rounds": 5},
        {"min_invocations": 41},
        {"confidence": 1.0},
        {"round_ms": float("nan")},
        {"unknown": 1},
    ],
)
def test_protocols_that_cannot_work_are_refused(fields):
    with pytest.raises(ValidationError):
        MeasurementProtocol(**fields)
