"""The files of a run's folder: where each lies, and what it holds; for those who write and who read them."""

from fbsearch.records.agreement import AgreementBounds
from fbsearch.records.inputs import AugmentationSettings, DataSettings, InputRecord
from fbsearch.records.metrics import MetricsRow, read_metrics
from fbsearch.records.paths import RunPaths, require
from fbsearch.records.record import find_record, read_record, write_record
from fbsearch.records.run import RunRecord, StageRecord
from fbsearch.records.search import (
    BudgetRecord,
    EstimationRecord,
    FinalistRecord,
    LatencyRecord,
    ScoredRecord,
    SearchRecord,
    SlotRecord,
    TargetRecord,
)
from fbsearch.records.training import TeacherRecord, TestMetrics, TrainingRecord
from fbsearch.records.verification import BudgetCheck, Verification

__all__ = [
    "AgreementBounds",
    "AugmentationSettings",
    "BudgetCheck",
    "BudgetRecord",
    "DataSettings",
    "EstimationRecord",
    "FinalistRecord",
    "InputRecord",
    "LatencyRecord",
    "MetricsRow",
    "RunPaths",
    "RunRecord",
    "ScoredRecord",
    "SearchRecord",
    "SlotRecord",
    "StageRecord",
    "TargetRecord",
    "TeacherRecord",
    "TestMetrics",
    "TrainingRecord",
    "Verification",
    "find_record",
    "read_metrics",
    "read_record",
    "require",
    "write_record",
]
