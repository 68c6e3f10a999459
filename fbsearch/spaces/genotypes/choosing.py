"""Which of a genotype's networks is meant: by name, as ``N @ F``, with changes."""

from __future__ import annotations

import re
from dataclasses import asdict, dataclass

from pydantic import ValidationError

from fbsearch.errors import ArchitectureError
from fbsearch.spaces.cell_conventions import CONVENTIONS
from fbsearch.spaces.genotypes.genotype import Genotype
from fbsearch.spaces.genotypes.stack import MAX_CELLS, NUM_STAGES, Stack, StemSize

_REPEATS = re.compile(r"(?P<repeats>\d{1,3}) *@ *(?P<filters>\d{1,9})", re.ASCII)


@dataclass(frozen=True)
class StackChanges:
    """What replaces parts of a stack; None leaves a part alone."""

    cells: int | None = None
    channels: int | None = None
    resolution: int | None = None
    num_classes: int | None = None
    stem: StemSize | None = None

    def given(self) -> dict[str, int | str]:
        """Those that are not None."""
        return {name: value for name, value in asdict(self).items() if value is not None}


def choose_stack(
    genotype: Genotype, *, name: str | None = None, changes: StackChanges | None = None
) -> Stack:
    """A genotype's network: the first of its own, the one of a name, or that of ``N @ F``, with changes.

    >>> from fbsearch.spaces.genotypes.files import load_genotype
    >>> choose_stack(load_genotype("darts_v2"), name="2 @ 576").cells  # two reduction cells among them
    8

    Args:
        genotype: whose.
        name: of one of its stacks; or N normal cells per stage and F channels at the end (``6 @ 768``).
        changes: to it. Another resolution brings the stem that goes with it, unless one is given.

    Raises:
        ArchitectureError: if there is no such network.
    """
    given = {} if changes is None else changes.given()
    base = next(iter(genotype.stacks.values()), None) if name is None else _named(genotype, name)
    if base is None and not {"cells", "channels"} <= set(given):
        raise ArchitectureError(
            f"genotype {genotype.name!r} names no network: give --cells and --channels, or --stack 'N @ F'"
        )
    data = {} if base is None else base.model_dump()
    if "resolution" in given:
        data["stem"] = None
    try:
        changed = Stack.model_validate({**data, **given})
    except ValidationError as error:
        first = error.errors()[0]
        raise ArchitectureError(f"{'.'.join(map(str, first['loc']))}: {first['msg']}") from None
    is_other_stem = base is not None and changed.stem_size != base.stem_size
    return changed.model_copy(update={"stem_channels": None}) if is_other_stem else changed


def _named(genotype: Genotype, name: str) -> Stack:
    known = {_spaced(one): stack for one, stack in genotype.stacks.items()}
    return known.get(_spaced(name)) or _repeated(genotype, name)


def _spaced(name: str) -> str:
    return name.replace(" ", "").lower()


def _repeated(genotype: Genotype, name: str) -> Stack:
    match = _REPEATS.fullmatch(name.strip())
    if match is None:
        own = "".join(f"{one!r}, " for one in genotype.stacks)
        raise ArchitectureError(
            f"stack {name!r}: allowed are {own}and N @ F such as '6 @ 768': N normal cells per stage, "
            "F channels behind the last"
        )
    repeats, filters = int(match["repeats"]), int(match["filters"])
    num_joined = len(genotype.normal.concat)
    per_channel = num_joined * 2 ** (NUM_STAGES - 1)
    if filters % per_channel or not filters:
        raise ArchitectureError(
            f"stack {name!r}: {num_joined} joined states after {NUM_STAGES - 1} reductions give "
            f"a multiple of {per_channel} channels, not {filters}"
        )
    counts_reductions = CONVENTIONS[genotype.conventions].counts_reductions
    cells = NUM_STAGES * repeats + (NUM_STAGES - 1) * counts_reductions
    if not 3 <= cells <= MAX_CELLS:
        raise ArchitectureError(f"stack {name!r}: {cells} cells; 3 to {MAX_CELLS} are allowed")
    return Stack(cells=cells, channels=filters // per_channel)
