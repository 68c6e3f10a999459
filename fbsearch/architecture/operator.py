"""The operator: one searchable block at one place of a network, as a value.

An :class:`Operator` is at once the key of a latency table, the argument of the block builder, the
unit of a search space and the unit of an architecture. It prints as, and parses from, a readable key.
"""

from __future__ import annotations

import re
from dataclasses import dataclass
from typing import Literal, get_args

from fbsearch.errors import ArchitectureError

OperatorKind = Literal["conv", "mbconv", "skip", "classifier"]
Activation = Literal["identity", "relu", "relu6", "hswish", "swish"]

KINDS: tuple[str, ...] = get_args(OperatorKind)
ACTIVATIONS: tuple[str, ...] = get_args(Activation)

MAX_SIZE = 999_999_999

_KEY = re.compile(
    r"(?P<kind>[a-z]+)"
    r"(?:_k(?P<kernel>\d{1,9}))?"
    r"(?:_e(?P<expansion>\d{1,9}))?"
    r"(?P<full>_full)?"
    r"(?:_g(?P<groups>\d{1,9}))?"
    r"(?:_s(?P<stride>\d))?"
    r"(?:_se(?P<squeeze_excite>\d\.?\d{0,9}))?"
    r"(?:_(?P<activation>identity|relu6|relu|hswish|swish))?"
    r"_c(?P<in_channels>\d{1,9})-(?P<out_channels>\d{1,9})"
    r"_r(?P<resolution>\d{1,9})",
    re.ASCII,
)


@dataclass(frozen=True, slots=True)
class Operator:
    """One block at one place of a network.

    Args:
        kind: ``conv`` (convolution, batch norm, activation), ``mbconv`` (expand, depthwise, project;
            residual where shapes match), ``skip`` (the input itself, or a 1x1 projection where the
            shape changes) or ``classifier`` (global average pool and linear layer).
        in_channels: channels of the input.
        out_channels: channels of the output; for ``classifier`` the number of classes.
        resolution: height and width of the square input in pixels.
        kernel: kernel size of the (depthwise) convolution, odd.
        stride: 1 or 2.
        expansion: hidden channels of an ``mbconv`` are ``in_channels * expansion``.
        groups: groups of an ``mbconv``'s two 1x1 convolutions, or of a ``conv``.
        activation: the non-linearity.
        squeeze_excite: squeezed channels as a share of the hidden channels, to four decimals; 0 for none.
        full_expand: keep the first 1x1 convolution of an ``mbconv`` even at expansion 1.

    Raises:
        ArchitectureError: if the fields do not describe a block that can be built.
    """

    kind: OperatorKind
    in_channels: int
    out_channels: int
    resolution: int
    kernel: int = 1
    stride: int = 1
    expansion: int = 1
    groups: int = 1
    activation: Activation = "identity"
    squeeze_excite: float = 0.0
    full_expand: bool = False

    def __post_init__(self) -> None:
        problem = _problem(self)
        if problem:
            raise ArchitectureError(f"operator {self.key}: {problem}")

    @property
    def block(self) -> tuple[str, int, int, int, str, float, bool]:
        """What is chosen, without its place: all fields but channels, resolution and stride."""
        kind, kernel, expansion, groups = self.kind, self.kernel, self.expansion, self.groups
        return kind, kernel, expansion, groups, self.activation, self.squeeze_excite, self.full_expand

    @property
    def is_identity(self) -> bool:
        """Whether the block is the identity, which costs nothing by definition."""
        return self.kind == "skip" and self.stride == 1 and self.in_channels == self.out_channels

    @property
    def has_residual(self) -> bool:
        """Whether the block adds its input to its output."""
        return self.kind == "mbconv" and self.stride == 1 and self.in_channels == self.out_channels

    @property
    def has_expand(self) -> bool:
        """Whether an ``mbconv`` begins with a 1x1 expansion convolution."""
        return self.kind == "mbconv" and (self.expansion > 1 or self.full_expand)

    @property
    def hidden_channels(self) -> int:
        """Channels between an ``mbconv``'s two 1x1 convolutions."""
        return self.in_channels * self.expansion

    @property
    def output_resolution(self) -> int:
        """Height and width of the output: 'same' padding, so ceil(resolution / stride)."""
        if self.kind == "classifier":
            return 1
        return -(-self.resolution // self.stride)

    @property
    def key(self) -> str:
        """Readable, canonical text, e.g. ``mbconv_k3_e6_s2_relu_c16-24_r112``.

        >>> Operator("mbconv", 16, 24, 112, kernel=3, stride=2, expansion=6, activation="relu").key
        'mbconv_k3_e6_s2_relu_c16-24_r112'
        """
        parts: list[str] = [self.kind]
        if self.kind in ("conv", "mbconv"):
            parts.append(f"k{self.kernel}")
        if self.kind == "mbconv":
            parts.append(f"e{self.expansion}")
            if self.full_expand:
                parts.append("full")
        if self.groups != 1:
            parts.append(f"g{self.groups}")
        if self.kind != "classifier":
            parts.append(f"s{self.stride}")
        if self.squeeze_excite:
            parts.append(f"se{self.squeeze_excite:g}")
        if self.kind in ("conv", "mbconv"):
            parts.append(self.activation)
        parts.append(f"c{self.in_channels}-{self.out_channels}")
        parts.append(f"r{self.resolution}")
        return "_".join(parts)

    @staticmethod
    def from_key(key: str) -> Operator:
        """The operator that prints as ``key``.

        >>> Operator.from_key("skip_s1_c24-24_r56").is_identity
        True

        Raises:
            ArchitectureError: if ``key`` is not the canonical text of an operator.
        """
        match = _KEY.fullmatch(key) if isinstance(key, str) else None
        if match is None or match["kind"] not in KINDS:
            raise ArchitectureError(
                f"{key!r} is no operator key; one looks like 'mbconv_k3_e6_s2_relu_c16-24_r112'"
            )
        operator = Operator(
            kind=match["kind"],  # type: ignore[arg-type]  # membership in KINDS checked above
            in_channels=int(match["in_channels"]),
            out_channels=int(match["out_channels"]),
            resolution=int(match["resolution"]),
            kernel=int(match["kernel"] or 1),
            stride=int(match["stride"] or 1),
            expansion=int(match["expansion"] or 1),
            groups=int(match["groups"] or 1),
            activation=match["activation"] or "identity",  # type: ignore[arg-type]  # by the pattern
            squeeze_excite=float(match["squeeze_excite"] or 0.0),
            full_expand=bool(match["full"]),
        )
        if operator.key != key:
            raise ArchitectureError(f"operator key {key!r} is not canonical; write {operator.key!r}")
        return operator

    def __str__(self) -> str:
        return self.key


def _problem(op: Operator) -> str | None:
    """What makes ``op`` impossible to build, or None."""
    if op.kind not in KINDS:
        return f"kind must be one of {', '.join(KINDS)}"
    if op.activation not in ACTIVATIONS:
        return f"activation must be one of {', '.join(ACTIVATIONS)}"
    sizes = ("in_channels", "out_channels", "resolution", "kernel", "expansion", "groups")
    for name in sizes:
        if not 1 <= getattr(op, name) <= MAX_SIZE:
            return f"{name} must lie between 1 and {MAX_SIZE:,}, not {getattr(op, name)}"
    if op.stride not in (1, 2):
        return f"stride must be 1 or 2, not {op.stride}"
    if op.kernel % 2 == 0:
        return f"kernel must be odd, not {op.kernel}"
    if not 0.0 <= op.squeeze_excite <= 1.0:
        return f"squeeze_excite must lie in [0, 1], not {op.squeeze_excite}"
    if round(op.squeeze_excite, 4) != op.squeeze_excite:
        return f"squeeze_excite may have at most four decimals, not {op.squeeze_excite}"
    return _unused_field(op) or _group_problem(op)


def _unused_field(op: Operator) -> str | None:
    """A field set though ``op``'s kind has no use for it: two keys would name one block."""
    unused: dict[str, tuple[str, ...]] = {
        "conv": ("expansion", "squeeze_excite", "full_expand"),
        "mbconv": (),
        "skip": ("kernel", "expansion", "groups", "squeeze_excite", "full_expand", "activation"),
        "classifier": (
            "kernel", "stride", "expansion", "groups", "squeeze_excite", "full_expand", "activation",
        ),
    }  # fmt: skip
    defaults = {"activation": "identity", "squeeze_excite": 0.0, "full_expand": False}
    for name in unused[op.kind]:
        if getattr(op, name) != defaults.get(name, 1):
            return f"{name} has no meaning for a {op.kind}"
    if op.full_expand and op.expansion != 1:
        return "full_expand has no meaning at an expansion above 1, which always has the convolution"
    return None


def _group_problem(op: Operator) -> str | None:
    widths = (op.in_channels, op.hidden_channels, op.out_channels)
    if op.groups > 1 and any(width % op.groups for width in widths):
        return f"groups={op.groups} must divide the channels {widths}"
    return None
