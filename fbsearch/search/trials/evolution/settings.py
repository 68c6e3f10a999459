"""The settings of Zen-NAS' evolution, with the published ones as presets."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Annotated, Any, Literal

from pydantic import BeforeValidator, Field, model_validator

from fbsearch.errors import InvalidInputError
from fbsearch.proxies import expand_names
from fbsearch.search.method_settings import MethodSettings

Count = Annotated[int, Field(ge=1)]

PRESETS: Mapping[str, Mapping[str, int]] = {
    "paper": {"population": 256, "steps": 96_000, "seeds": 256},
    "released": {"population": 512, "steps": 480_000, "seeds": 10},
}
"""Lin et al. (2021), Algorithm 2 and Appendix, and the scripts of their release."""


def _read_proxies(value: Any) -> Any:
    """Names joined by commas, or a list of them."""
    text = value if isinstance(value, str) else ",".join(map(str, value)) if value else value
    try:
        return expand_names(text) if isinstance(text, str) else value
    except InvalidInputError as error:
        raise ValueError(str(error)) from None


class EvolutionSettings(MethodSettings):
    """How structures evolve.

    Args:
        preset: ``paper`` or ``released``: the published population, steps and seeds where none are given.
        steps: structures proposed; one that breaks a budget, or was scored before, uses up its step.
        population: structures that are kept.
        seeds: population up to which a proposal is drawn from the space rather than a mutation of a member.
        generation: proposals that are drawn from one and the same population and scored side by side. The
            published algorithm is that with 1; the result depends on it, but on no number of workers.
        attempts: draws from the space for one proposal, until one keeps the budgets.
        proxy: the score; of several, the sum of the logarithms of the ranks among all that are kept.
        repeats: how often a score is computed anew, and averaged.
        batch_size: images of a batch; None for 64, of more than 64 pixels 16.
        objective: ``score`` keeps the best; ``pareto`` those that no other one beats in score and cost.
        against: of ``pareto``, the budget whose cost counts, by its name; None for the first one.
        leaders: structures whose operators are measured between generations, where that is done.
        measure_every: generations from one measuring to the next.
        workers: processes that score, or ``ray``.
        device: where a score is computed: ``cpu``, ``cuda``.
    """

    method: Literal["zen"] = "zen"
    preset: Literal["paper", "released"] | None = None
    steps: Count = 500
    population: Count = 64
    seeds: Count = 32
    generation: Count = 16
    attempts: Count = 200
    proxy: Annotated[tuple[str, ...], BeforeValidator(_read_proxies), Field(min_length=1)] = ("zen",)
    repeats: Count = 1
    batch_size: Annotated[int, Field(ge=2)] | None = None
    objective: Literal["score", "pareto"] = "score"
    against: str | None = None
    leaders: Count = 8
    measure_every: Count = 5
    workers: Annotated[int, Field(ge=1)] | Literal["ray"] = 1
    device: Annotated[str, Field(pattern=r"^[a-z]+(:\d+)?$")] = "cpu"

    @model_validator(mode="before")
    @classmethod
    def _fill_from_preset(cls, data: Any) -> Any:
        preset = PRESETS.get(str(data.get("preset"))) if isinstance(data, dict) else None
        return data if preset is None else {**preset, **data}

    @property
    def effort(self) -> str:
        """How much is done."""
        return f"{self.steps:,} steps"

    @property
    def score_name(self) -> str:
        """What a score is called."""
        return self.proxy[0] if len(self.proxy) == 1 else f"ranks of {' + '.join(self.proxy)}"

    def identity(self) -> dict[str, Any]:
        """All that the result depends on."""
        return self.model_dump(mode="json", exclude={"workers", "num_finalists", "precision"})
