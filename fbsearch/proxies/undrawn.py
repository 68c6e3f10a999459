"""Modules whose initial weights nobody needs."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from torch.overrides import TorchFunctionMode

_DRAWING = frozenset({"kaiming_uniform_", "uniform_", "normal_"})


class WithoutDrawing(TorchFunctionMode):
    """While it is entered, no weight is drawn: tensors hold whatever lies in their memory."""

    def __torch_function__(
        self,
        function: Callable[..., Any],
        types: Any,
        args: tuple[Any, ...] = (),
        kwargs: dict[str, Any] | None = None,
    ) -> Any:
        """Runs ``function``, unless it draws."""
        kwargs = kwargs or {}
        if getattr(function, "__name__", "") in _DRAWING:
            return args[0] if args else kwargs["tensor"]
        return function(*args, **kwargs)
