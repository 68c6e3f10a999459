"""Models in processes of their own: a file that crashes its runtime takes nothing else with it."""

from fbsearch.devices.apart.device import RunnerApart, SessionApart, with_models_apart

__all__ = ["RunnerApart", "SessionApart", "with_models_apart"]
