"""The settings of an evolution."""

from __future__ import annotations

import pytest
from pydantic import ValidationError

from fbsearch.proxies import proxy_names
from fbsearch.search.trials.evolution.settings import EvolutionSettings


@pytest.mark.parametrize(
    ("preset", "population", "steps"), [("paper", 256, 96_000), ("released", 512, 480_000)]
)
def test_presets_are_the_published_figures(preset: str, population: int, steps: int) -> None:
    settings = EvolutionSettings.model_validate({"preset": preset})
    assert (settings.population, settings.steps) == (population, steps)


def test_what_is_given_goes_before_the_preset() -> None:
    settings = EvolutionSettings.model_validate({"preset": "paper", "steps": 10})
    assert (settings.population, settings.steps) == (256, 10)


def test_proxies_are_names_or_a_list_or_all_of_them() -> None:
    assert EvolutionSettings.model_validate({"proxy": "zen,naswot"}).proxy == ("zen", "naswot")
    assert EvolutionSettings.model_validate({"proxy": ["zen", "naswot"]}).proxy == ("zen", "naswot")
    assert set(EvolutionSettings.model_validate({"proxy": "all"}).proxy) <= set(proxy_names())


def test_an_unknown_proxy_is_refused_by_name() -> None:
    with pytest.raises(ValidationError, match="magic"):
        EvolutionSettings.model_validate({"proxy": "magic"})


def test_who_scores_is_no_part_of_the_identity() -> None:
    alone, many = EvolutionSettings(workers=1), EvolutionSettings(workers=8)
    assert alone.identity() == many.identity() != EvolutionSettings(steps=3).identity()
