"""YAML that people write: no name twice, and nothing that grows, nests or counts without bounds."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import yaml

from fbsearch.errors import UnreadableFileError
from fbsearch.files.bounds import MAX_DEPTH, MAX_DIGITS, check_text
from fbsearch.files.reading import TEXT_BYTES, read_text

MAX_EXPANDED = 4 * TEXT_BYTES
"""Characters and values with every alias written out: nine names of ten aliases each make a billion."""


def read_yaml(path: Path) -> Any:
    """The content of a YAML file that a person wrote.

    Raises:
        MissingFileError: if there is no such file.
        UnreadableFileError: if it cannot be read, or is no YAML as :func:`parse_yaml` takes it.
    """
    return parse_yaml(read_text(path))


def parse_yaml(text: str) -> Any:
    """The content of a YAML text that a person wrote.

    Raises:
        UnreadableFileError: if it is none, on one line: a date of month 13, a key that stands twice, aliases
            that grow beyond :data:`MAX_EXPANDED` and lists nested deeper than :data:`MAX_DEPTH` included.
    """
    if len(text) > TEXT_BYTES:
        raise UnreadableFileError(f"{len(text):,} characters, more than the {TEXT_BYTES:,} that are allowed")
    try:
        return yaml.load(text, _Loader)
    except UnreadableFileError:
        raise
    except (yaml.YAMLError, ValueError) as error:
        raise UnreadableFileError(" ".join(str(error).split())) from None
    except Exception as error:  # of a value that its tag does not allow, PyYAML raises whatever comes
        raise UnreadableFileError(f"a value that its tag does not allow ({error!r})") from None


class _Loader(yaml.SafeLoader):
    """Refuses a key that stands twice in a mapping: YAML forbids it, and the last would silently count."""

    def __init__(self, text: str) -> None:
        super().__init__(text)
        self._depth = 0
        self._expanded: dict[int, int] = {}

    def compose_node(self, parent: Any, index: Any) -> Any:
        self._depth += 1
        if self._depth > MAX_DEPTH:
            raise UnreadableFileError(f"nested more than {MAX_DEPTH} levels deep")
        is_alias = self.check_event(yaml.AliasEvent)
        node = super().compose_node(parent, index)
        self._depth -= 1
        if node is not None and not is_alias:
            self._expanded[id(node)] = self._size(node)
        return node

    def compose_mapping_node(self, anchor: Any) -> yaml.MappingNode:
        node: yaml.MappingNode = super().compose_mapping_node(anchor)
        lines: dict[tuple[str, str], int] = {}
        for key, _ in node.value:
            if not isinstance(key, yaml.ScalarNode):
                continue
            name, line = (key.tag, key.value), key.start_mark.line + 1
            if name in lines:
                raise UnreadableFileError(
                    f"key {key.value!r} stands twice, in line {lines[name]} and in line {line}"
                )
            lines[name] = line
        return node

    def construct_number(self, node: yaml.Node) -> int | float:
        """A number of no more digits than one may have."""
        line = node.start_mark.line + 1
        if not isinstance(node, yaml.ScalarNode):
            raise UnreadableFileError(f"line {line}: a list or a mapping is no number")
        if len(node.value) > MAX_DIGITS:
            raise UnreadableFileError(
                f"line {line}: a number of {len(node.value):,} digits; {MAX_DIGITS} are allowed"
            )
        is_whole = node.tag.endswith(":int")
        value: int | float = self.construct_yaml_int(node) if is_whole else self.construct_yaml_float(node)
        return value

    def _size(self, node: yaml.Node) -> int:
        """Values and characters below a node, each as often as it would be written."""
        if isinstance(node, yaml.ScalarNode):
            check_text(node.value)
            return 1 + len(node.value)
        is_mapping = isinstance(node, yaml.MappingNode)
        inner = [one for pair in node.value for one in pair] if is_mapping else node.value
        # An alias to what is not finished yet leads into a circle.
        size = 1 + sum(self._expanded.get(id(one), math.inf) for one in inner)
        if size > MAX_EXPANDED:
            raise UnreadableFileError(
                f"line {node.start_mark.line + 1}: aliases that lead in a circle, or grow beyond "
                f"{MAX_EXPANDED:,} characters"
            )
        return int(size)


for _kind in ("int", "float"):
    _Loader.add_constructor(f"tag:yaml.org,2002:{_kind}", _Loader.construct_number)
