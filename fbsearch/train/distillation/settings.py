"""How a teacher helps a training: what a recipe's ``train.distillation`` may say."""

from __future__ import annotations

from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field, model_validator

Channels = Annotated[tuple[Annotated[float, Field(allow_inf_nan=False)], ...], Field(min_length=1)]
Deviations = Annotated[tuple[Annotated[float, Field(gt=0, allow_inf_nan=False)], ...], Field(min_length=1)]


class DistillationSettings(BaseModel):
    """A teacher, and how much its word counts.

    ``(1 - soft_weight) CE(labels) + soft_weight T² KL(teacher || network) + feature_weight E``, where T is
    the temperature (Hinton et al., 2015) and E the error of the projected feature map, relative to the
    teacher's (Romero et al., 2015).
    """

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)

    teacher: Annotated[str, Field(min_length=1)]
    """``module:function``, a run's folder, a TorchScript file or an ONNX file."""
    resolution: Annotated[int, Field(ge=1, le=4096)] | None = None
    """Of the teacher's images in pixels; None: as the teacher states it, else the data's."""
    mean: Channels | None = None
    """Per channel of the teacher's images, of pixels scaled to [0, 1]; None: likewise."""
    std: Deviations | None = None
    """Per channel, likewise."""
    head: Literal["own", "fit", "none"] | None = None
    """Where soft labels come from: the teacher's outputs, a linear classifier fitted on its features, or
    nowhere; None: its outputs where they stand for the data's classes, else the classifier."""
    temperature: Annotated[float, Field(gt=0)] | None = None
    """None: 4 for the teacher's own outputs, which are surer than they are right; 1 for a fitted head, which
    is as sure as it is right."""
    soft_weight: Annotated[float, Field(ge=0, le=1)] = 0.5
    """Share of the soft labels in the loss of the labels."""
    feature_weight: Annotated[float, Field(ge=0)] = 0.0
    """Of the feature map's error; 0: no look at the features."""
    augmented_epochs: Annotated[int, Field(ge=0)] = 0
    """So many epochs of varied images, shown again and again, for which the teacher's outputs are kept;
    0: images vary anew each epoch, and the teacher computes every batch."""
    cache_mib: Annotated[int, Field(ge=0)] = 1024
    """Most memory, and disk, for outputs that are kept, in MiB; 0: none are."""

    @model_validator(mode="after")
    def _fits_together(self) -> DistillationSettings:
        if (self.mean is None) != (self.std is None) or len(self.mean or ()) != len(self.std or ()):
            raise ValueError("mean and std of the teacher's images go together, a value for each channel")
        if len(self.mean or (0,)) not in (1, 3):
            raise ValueError("a teacher's images have 1 channel (gray) or 3 (colour)")
        if not self.takes_soft_labels and not self.feature_weight:
            raise ValueError("nobody listens to the teacher: set soft_weight, with a head, or feature_weight")
        return self

    @property
    def takes_soft_labels(self) -> bool:
        """Whether the teacher's classes count."""
        return self.soft_weight > 0 and self.head != "none"
