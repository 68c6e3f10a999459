"""How a network is trained: what a recipe's ``train`` section may say."""

from __future__ import annotations

from typing import Annotated, Any, Literal

from pydantic import BaseModel, ConfigDict, Field

from fbsearch.train.acceleration import Precision
from fbsearch.train.distillation.settings import DistillationSettings

Fraction = Annotated[float, Field(ge=0, lt=1)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class TrainSettings(BaseModel):
    """Settings of a training.

    The learning rate rises linearly over the warm-up and falls to zero along a cosine (Loshchilov & Hutter,
    2017). Weight decay leaves out norms and biases. With ``ema_decay`` the running average of the weights
    (decay ``min(ema_decay, (1 + n) / (10 + n))`` at update n) is what is validated, tested and kept. The
    weights after the last epoch are kept, not those of the best one: with a cosine the last epochs are the
    best but for noise, and choosing by validation accuracy would only select that noise.
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    epochs: Annotated[int, Field(ge=1)] = 100
    batch_size: Annotated[int, Field(ge=1)] = 128
    """Of all processes together."""
    optimizer: Literal["sgd", "adamw"] = "sgd"
    learning_rate: Annotated[float, Field(gt=0, allow_inf_nan=False)] = 0.1
    weight_decay: NonNegative = 1e-4
    momentum: Fraction = 0.9
    """Of SGD, in Nesterov's form."""
    warmup_epochs: NonNegative = 2.0
    label_smoothing: Fraction = 0.1
    ema_decay: Fraction = 0.0
    """0: no average."""
    mixup_alpha: NonNegative = 0.0
    """0: no mixup."""
    random_erasing: Annotated[float, Field(ge=0, le=1)] = 0.0
    """Probability that a rectangle of an image is erased."""
    drop_path: Fraction = 0.0
    """Of the last residual branch; growing linearly with depth."""
    dropout: Fraction = 0.0
    clip_norm: NonNegative = 0.0
    """Largest norm of the gradient; 0: not clipped."""
    precision: Precision = "fp32"
    channels_last: bool = True
    compile: bool = False
    """Compile the training step with torch.compile: pays on a GPU and for long runs."""
    num_workers: Annotated[int, Field(ge=0)] | None = None
    """Threads that prepare batches; None: chosen by data and device."""
    distillation: DistillationSettings | None = None
    """A teacher that helps; None: the labels alone."""

    @property
    def identity(self) -> dict[str, Any]:
        """What a checkpoint's training was; without a teacher, what it was before there were any."""
        return self.model_dump(mode="json", exclude=None if self.distillation else {"distillation"})
