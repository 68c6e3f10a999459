"""What a search records of estimates: shares, errors, words; nothing where the tables hold all."""

from __future__ import annotations

import numpy as np
import pytest

from fbsearch.architecture import Operator
from fbsearch.costs import estimating_latency
from fbsearch.costs.work import count_work
from fbsearch.records import MetricsRow, SearchRecord
from fbsearch.reports.curves import search_charts
from fbsearch.reports.sections.table import describe_estimates
from fbsearch.search import Finalist, Limit, SearchResult
from fbsearch.search.estimation import estimated_share, estimated_words
from fbsearch.search.limit import predict_us
from fbsearch.search.problem import limit_identity
from tests.latency.tables_of import table_of
from tests.spaces.wide import WideSpace

WIDE = WideSpace(max_width=128)
RNG = np.random.default_rng(0)
KNOWN = [WIDE.sample(RNG) for _ in range(10)]
NEW = (7, 13, 5)


def law_us(operator: Operator) -> float:
    return 3 + 1e-4 * sum(count_work(operator).num_macs.values())


@pytest.fixture(scope="module")
def limit() -> Limit:
    operators = [operator for code in KNOWN for operator in WIDE.decode(code).operators()]
    return Limit(estimating_latency(WIDE, table_of(WIDE, operators, law_us)), 1e5, target="bench")


def record_of(limit: Limit, code) -> SearchRecord:
    finalist = Finalist(code, WIDE.decode(code), predict_us([limit], code), 0.5, "evolved")
    record = SearchResult(WIDE, "zen", (limit,), (finalist,), 0, 1.0).record()
    return SearchRecord.model_validate_json(record.model_dump_json())


def test_a_finalist_of_measured_operators_is_estimated_to_none(limit):
    (latency,) = record_of(limit, KNOWN[0]).winner.latencies
    assert (latency.estimated_share, latency.estimated_error) == (0, 0)
    assert estimated_words(limit, WIDE.decode(KNOWN[0])) == "0 % estimated"


def test_a_finalist_with_new_operators_says_how_much_is_estimated(limit):
    record = record_of(limit, NEW)
    (latency,) = record.winner.latencies
    assert 0 < latency.estimated_share <= 1 and latency.estimated_error > 0
    assert "% estimated, error ±" in estimated_words(limit, WIDE.decode(NEW))
    errors = limit.cost.estimator.errors
    assert record.targets[0].estimation.num_operators == errors.num_operators
    assert record.targets[0].estimation.summary == errors.summary
    sentence = describe_estimates(record, 0)
    assert errors.summary in sentence and "is estimated (error ±" in sentence


def test_the_report_says_when_nothing_of_the_winner_is_estimated(limit):
    assert describe_estimates(record_of(limit, KNOWN[0]), 0).endswith("0\N{NO-BREAK SPACE}% is estimated.")
    assert describe_estimates(None, 0) == ""


def test_the_mean_share_over_candidates(limit):
    alone = estimated_share([limit], [NEW])
    assert estimated_share([limit], [NEW, KNOWN[0]]) == pytest.approx(alone / 2)
    assert estimated_share([], [NEW]) is None
    assert estimated_share([limit], []) is None


def test_a_table_that_grows_leaves_the_search_the_same(limit):
    """Its latencies are no part of what a checkpoint belongs to."""
    operators = [operator for code in [*KNOWN, NEW] for operator in WIDE.decode(code).operators()]
    grown = Limit(estimating_latency(WIDE, table_of(WIDE, operators, law_us)), 1e5, target="bench")
    assert limit_identity(grown) == limit_identity(limit)
    assert limit_identity(Limit(grown.cost, 2e5, target="bench")) != limit_identity(limit)


def test_the_estimated_share_has_a_chart():
    rows = [MetricsRow(epoch, None, {"estimated_share": 0.5 / (1 + epoch)}) for epoch in range(3)]
    (chart,) = search_charts(rows, budget_us=None)
    assert chart.title == "Estimated share of the leaders’ latencies"
