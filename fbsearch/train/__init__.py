"""One training loop for supernets and children: device, precision, processes, checkpoints."""

from fbsearch.train.acceleration import Precision, make_accelerator, seeded
from fbsearch.train.checkpoint import load_state, save_state
from fbsearch.train.loop import Report, Task, read_metrics, run_epochs

__all__ = [
    "Precision",
    "Report",
    "Task",
    "load_state",
    "make_accelerator",
    "read_metrics",
    "run_epochs",
    "save_state",
    "seeded",
]
