"""What a recipe may say of a teacher."""

from __future__ import annotations

from typing import Any

import pytest
from pydantic import ValidationError

from fbsearch.pipeline.recipe import load_recipe
from fbsearch.train import DistillationSettings, TrainSettings, finetuning_settings


def test_a_recipe_names_a_teacher() -> None:
    recipe = load_recipe("quickstart", ["train.distillation.teacher=a:b", "train.distillation.temperature=2"])
    assert recipe.train.distillation == DistillationSettings(teacher="a:b", temperature=2.0)


def test_without_a_teacher_a_training_is_known_as_it_was_before_there_were_any() -> None:
    assert "distillation" not in TrainSettings().identity
    taught = TrainSettings(distillation=DistillationSettings(teacher="a:b", mean=(0.5,), std=(1.0,)))
    assert TrainSettings.model_validate(taught.identity) == taught


def test_fine_tuning_is_without_a_teacher() -> None:
    taught = TrainSettings(distillation=DistillationSettings(teacher="a:b"))
    assert finetuning_settings(taught, epochs=1, learning_rate_share=0.1).distillation is None


@pytest.mark.parametrize(
    ("fields", "message"),
    [
        ({"teacher": ""}, "at least 1 character"),
        ({"mean": (0.5,)}, "mean and std of the teacher's images go together"),
        ({"mean": (0.5,), "std": (1.0,) * 3}, "a value for each channel"),
        ({"mean": (0.5,) * 2, "std": (1.0,) * 2}, "1 channel .gray. or 3"),
        ({"mean": (0.5,), "std": (0.0,)}, "greater than 0"),
        ({"soft_weight": 0}, "nobody listens to the teacher"),
        ({"head": "none"}, "nobody listens to the teacher"),
        ({"soft_weight": 1.5}, "less than or equal to 1"),
        ({"temperature": 0}, "greater than 0"),
        ({"weight": 1}, "Extra inputs"),
    ],
)
def test_settings_that_are_refused(fields: dict[str, Any], message: str) -> None:
    with pytest.raises(ValidationError, match=message):
        DistillationSettings(**{"teacher": "a:b", **fields})
