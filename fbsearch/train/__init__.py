"""One training loop for supernets and children: device, precision, processes, checkpoints."""

from fbsearch.train.acceleration import Precision, join_processes, make_accelerator, seeded
from fbsearch.train.averaging import WeightAverage
from fbsearch.train.checkpoint import identity_of, load_state, save_state
from fbsearch.train.child import ChildTask
from fbsearch.train.display import epoch_bar
from fbsearch.train.distillation.finding import check_teacher
from fbsearch.train.distillation.settings import DistillationSettings
from fbsearch.train.fake_quantisation import FakeQuantisation
from fbsearch.train.finetuning import finetune_network, finetuning_settings
from fbsearch.train.loop import CHECKPOINT, Report, Task, run_epochs
from fbsearch.train.memory import large_pages
from fbsearch.train.metrics import Metrics, evaluate
from fbsearch.train.optimizer import make_optimizer
from fbsearch.train.schedule import cosine_rate
from fbsearch.train.settings import TrainSettings
from fbsearch.train.training import TrainResult, train_network

__all__ = [
    "CHECKPOINT",
    "ChildTask",
    "DistillationSettings",
    "FakeQuantisation",
    "Metrics",
    "Precision",
    "Report",
    "Task",
    "TrainResult",
    "TrainSettings",
    "WeightAverage",
    "check_teacher",
    "cosine_rate",
    "epoch_bar",
    "evaluate",
    "finetune_network",
    "finetuning_settings",
    "identity_of",
    "join_processes",
    "large_pages",
    "load_state",
    "make_accelerator",
    "make_optimizer",
    "run_epochs",
    "save_state",
    "seeded",
    "train_network",
]
