"""What a recipe's ``search`` section may say, whatever the method."""

from __future__ import annotations

from abc import ABC, abstractmethod
from typing import Annotated, Literal

from pydantic import BaseModel, ConfigDict, Field

Positive = Annotated[float, Field(gt=0, allow_inf_nan=False)]
NonNegative = Annotated[float, Field(ge=0, allow_inf_nan=False)]


class SettingsPart(BaseModel):
    """A group of settings: exactly these fields, which nothing changes."""

    model_config = ConfigDict(extra="forbid", frozen=True, allow_inf_nan=False)


class MethodSettings(SettingsPart, ABC):
    """What every method is told; a method adds its own fields.

    Args:
        method: its name, such as ``dnas``.
        num_finalists: architectures within the budgets that are measured and compared at the end.
        precision: of the training that the search does: fp32 or bf16 autocast.
    """

    method: str
    num_finalists: Annotated[int, Field(ge=1)] = 7
    precision: Literal["fp32", "bf16"] = "fp32"

    @property
    @abstractmethod
    def effort(self) -> str:
        """How much is done, for a plan: such as ``90 epochs``."""
