"""What tools/structure counts, on small trees written for the purpose."""

from __future__ import annotations

import json
from pathlib import Path
from textwrap import dedent

import pytest

from tools.structure.__main__ import main, measure_tree
from tools.structure.imports import all_cycles, circles, largest_fan_out, runtime_cycles
from tools.structure.kinds import kind_askers, operator_kinds
from tools.structure.measure import Measure, percentile
from tools.structure.sizes import extreme_length, largest_argument_count, long_files, many_arguments
from tools.structure.sources import StructureError, Tree
from tools.structure.spaces import space_classes, space_namers

OPERATORS = """\
    @register
    class Conv(Operator):
        kind: ClassVar[str] = "conv"

    @register
    class MaxPool(Operator):
        kind: ClassVar[str] = "maxpool"
    """
SPACES = """\
    class Space(Protocol):
        def decode(self, code): ...

    class Chain:
        def decode(self, code): ...

    class Wide(Chain):
        ...

    class Slot:
        ...
    """
HOUSE = {"fbsearch/architecture/operators/kinds.py": OPERATORS, "fbsearch/spaces/chain.py": SPACES}


@pytest.fixture
def make_tree(tmp_path: Path):
    """A tree of the given files beside an operator's and a space's definition."""

    def make(files: dict[str, str] | None = None) -> Tree:
        for name, text in {**HOUSE, **(files or {})}.items():
            path = tmp_path / name
            path.parent.mkdir(parents=True, exist_ok=True)
            path.write_text(dedent(text))
        return Tree(tmp_path)

    return make


def places(measure: Measure) -> dict[str, float]:
    return {place.where: place.number for place in measure.places}


class TestSpaces:
    def test_concrete_ones_decode_or_derive_and_protocols_do_not_count(self, make_tree):
        assert space_classes(make_tree()) == {"Chain", "Wide"}

    def test_a_name_in_code_counts_and_one_in_a_docstring_or_comment_does_not(self, make_tree):
        tree = make_tree({
            "fbsearch/a.py": '''
                """About Chain."""
                from fbsearch.spaces import Chain as Row
                def f(space: "Chain | None", other: spaces.Wide): return Row  # Chain
                ''',
            "fbsearch/b.py": '"""About Chain."""\n',
            "fbsearch/c.py": "from fbsearch.spaces import Space, Slot\nChained = Slot\n",
            "tests/test_a.py": "from fbsearch.spaces import Chain\n",
        })  # fmt: skip
        assert places(space_namers(tree)) == {"fbsearch/a.py": 3}

    def test_a_room_without_spaces_is_an_error_and_no_zero(self, make_tree):
        with pytest.raises(StructureError, match="no class in fbsearch/spaces is a space"):
            space_classes(make_tree({"fbsearch/spaces/chain.py": "class Slot: ...\n"}))


ASKING = [
    'op.kind == "conv"',
    '"conv" != op.kind',
    'operator_kind in ("skip", "conv")',
    'op.kind not in {"maxpool"}',
    'op.key.split("_")[0] == "conv"',
    'op.key.startswith("conv_k3")',
    'type(op).__name__ == "Conv" or type(op) is Conv',
    "isinstance(op, Conv)",
    "isinstance(op, (int, Conv))",
    "isinstance(op, int | Conv)",
    "issubclass(cls, operators.MaxPool)",
    '{"conv": 1, "maxpool": 2}[op.kind]',
    '{"conv": 1}.get(op.kind, 0)',
    "{Conv: 1}[type(op)]",
    "op.kind in PLAIN",
    "HEIGHTS[op.kind]",
    "isinstance(op, CLASSES)",
]
NOT_ASKING = [
    'device.kind == "adb"',
    'schedule.kind == "linear"',
    'mode == "conv"',
    "op.kind == other.kind",
    "isinstance(op, Operator)",
    "isinstance(op, Slot)",
    'Operator("conv", 3, 8)',
    'names = {"conv": "a convolution"}',
    "Conv(3, 8).key",
    'f"{op.kind}"',
    'entry["kind"]',
]
CONSTANTS = 'PLAIN = frozenset(["conv"])\nHEIGHTS = {"conv": 1.0}\nCLASSES: tuple[type, ...] = (Conv,)\n'


class TestKinds:
    def test_words_and_classes_are_found_with_their_files(self, make_tree):
        kinds = operator_kinds(make_tree())
        assert kinds.words == {"conv": {"kinds"}, "maxpool": {"kinds"}}
        assert kinds.classes == {"Conv": {"kinds"}, "MaxPool": {"kinds"}}

    @pytest.mark.parametrize("code", ASKING)
    def test_asking(self, make_tree, code):
        tree = make_tree({"fbsearch/reports/layers.py": f"{CONSTANTS}def f(op): return {code}\n"})
        assert places(kind_askers(tree)) == {"fbsearch/reports/layers.py:4": 1}

    @pytest.mark.parametrize("code", NOT_ASKING)
    def test_not_asking(self, make_tree, code):
        tree = make_tree({"fbsearch/reports/layers.py": f"{code}\n"})
        assert places(kind_askers(tree)) == {}

    @pytest.mark.parametrize("pattern", ['"conv"', '"skip" | "conv"', "Conv()", "operators.Conv(kernel=3)"])
    def test_a_case_asks(self, make_tree, pattern):
        tree = make_tree({"fbsearch/a.py": f"match op:\n    case {pattern}:\n        pass\n"})
        assert places(kind_askers(tree)) == {"fbsearch/a.py:2": 1}

    def test_an_operators_own_files_may_ask_in_every_room(self, make_tree):
        asks = 'def f(op): return op.kind == "conv"\n'
        tree = make_tree({
            "fbsearch/nn/blocks/conv.py": asks,
            "fbsearch/nn/blocks/kinds.py": asks,
            "fbsearch/nn/blocks/maxpool.py": asks,
        })  # fmt: skip
        assert places(kind_askers(tree)) == {"fbsearch/nn/blocks/maxpool.py:1": 1}

    def test_a_function_registered_for_a_class_does_not_ask(self, make_tree):
        code = "@build.register\ndef _(op: Conv): return op\nbuild.register(Conv, f)\n"
        assert places(kind_askers(make_tree({"fbsearch/nn/blocks/page.py": code}))) == {}

    @pytest.mark.parametrize("origin", ["from torch.nn import Conv", "class Conv: ..."])
    def test_another_class_of_the_same_name_is_none(self, make_tree, origin):
        code = f"{origin}\ndef f(module): return isinstance(module, Conv)\n"
        assert places(kind_askers(make_tree({"fbsearch/a.py": code}))) == {}

    def test_kinds_that_all_lie_in_one_file_are_found_too(self, tmp_path):
        path = tmp_path / "fbsearch" / "architecture" / "operator.py"
        path.parent.mkdir(parents=True)
        path.write_text('OperatorKind = Literal["conv", "skip"]\nclass Operator: ...\n')
        assert set(operator_kinds(Tree(tmp_path)).words) == {"conv", "skip"}

    def test_a_room_without_kinds_is_an_error_and_no_zero(self, make_tree):
        with pytest.raises(StructureError, match="no kinds of operators"):
            operator_kinds(make_tree({"fbsearch/architecture/operators/kinds.py": "class Conv: ...\n"}))


class TestImports:
    def test_fan_out_counts_modules_once_wherever_they_are_imported(self, make_tree):
        tree = make_tree({
            "fbsearch/room/__init__.py": "from fbsearch.room.a import A\n__all__ = ['A']\n",
            "fbsearch/room/a.py": "A = 1\n",
            "fbsearch/room/b.py": "import os\n",
            "fbsearch/top.py": """
                import numpy
                import fbsearch.room.b
                from fbsearch.room import A, b
                from fbsearch.room import A as again
                def f():
                    from fbsearch.room.a import A
                """,
        })  # fmt: skip
        assert places(largest_fan_out(tree))["fbsearch/top.py"] == 3  # room, room.a, room.b

    def test_a_file_that_only_reexports_is_left_out(self, make_tree):
        imports = "from fbsearch.room import a\n"
        tree = make_tree({
            "fbsearch/room/a.py": "",
            "fbsearch/room/__init__.py": f'"""Contents."""\n{imports}__all__ = ["a"]\n',
            "fbsearch/other/__init__.py": f"{imports}def f(): ...\n",
        })  # fmt: skip
        counted = places(largest_fan_out(tree))
        assert "fbsearch/room/__init__.py" not in counted and counted["fbsearch/other/__init__.py"] == 1

    @pytest.mark.parametrize(
        ("back", "num_runtime", "num_all"),
        [
            ("from fbsearch import a", 1, 1),
            ("from . import a", 1, 1),
            ("from .a import thing", 1, 1),
            ("def f():\n    from fbsearch.a import thing", 0, 1),
            ("if TYPE_CHECKING:\n    from fbsearch.a import thing", 0, 1),
            ("if TYPE_CHECKING:\n    pass\nelse:\n    from fbsearch.a import thing", 1, 1),
            ("try:\n    import fbsearch.a\nexcept ImportError:\n    pass", 1, 1),
            ("from other.a import thing", 0, 0),
        ],
    )
    def test_cycles(self, make_tree, back, num_runtime, num_all):
        tree = make_tree({"fbsearch/a.py": "from fbsearch.b import f\n", "fbsearch/b.py": f"{back}\n"})
        assert (runtime_cycles(tree).value, all_cycles(tree).value) == (num_runtime, num_all)

    def test_cycles_of_tools_count_and_those_of_tests_do_not(self, make_tree):
        circle = {"a.py": "import {0}.b\n", "b.py": "import {0}.a\n"}
        tree = make_tree(
            {f"{top}/{n}": t.format(top) for top in ("tools", "tests") for n, t in circle.items()}
        )
        assert places(runtime_cycles(tree)) == {"tools.a <-> tools.b": 2}

    def test_circles_of_a_graph(self):
        graph = {"a": {"b"}, "b": {"c"}, "c": {"a", "d"}, "d": {"d"}, "e": {"a"}}
        assert sorted(map(sorted, circles(graph))) == [["a", "b", "c"], ["d"]]


class TestSizes:
    def test_arguments_without_the_methods_own(self, make_tree):
        tree = make_tree({
            "fbsearch/a.py": """
                def nine(a, /, b, *c, d, e, f, g, h, **i): ...
                class C:
                    def two(self, a, b): ...
                    @classmethod
                    def one(cls, a): ...
                    @staticmethod
                    def three(a, b, c): ...
                """,
            "fbsearch/cli/run.py": f"def run({', '.join(f'a{i}' for i in range(20))}): ...\n",
        })  # fmt: skip
        largest = largest_argument_count(tree)
        assert places(largest) == {
            "fbsearch/a.py:2 nine": 9,
            "fbsearch/a.py:8 three": 3,
            "fbsearch/a.py:4 two": 2,
            "fbsearch/a.py:6 one": 1,
            "fbsearch/spaces/chain.py:2 decode": 1,
            "fbsearch/spaces/chain.py:5 decode": 1,
        }
        assert largest.value == 9
        assert many_arguments(tree).value == pytest.approx(1000 * 2 / 7)

    def test_lines_of_a_function_without_its_docstring(self, make_tree):
        code = 'def f():\n    """One.\n\n    Two.\n    """\n    return (\n        1\n    )\n'
        assert places(extreme_length(make_tree({"fbsearch/a.py": code})))["fbsearch/a.py:1 f"] == 4

    def test_long_files(self, make_tree):
        tree = make_tree({"fbsearch/a.py": "\n" * 501, "tools/b.py": "\n" * 502, "fbsearch/c.py": "\n" * 500})
        assert places(long_files(tree)) == {"tools/b.py": 502, "fbsearch/a.py": 501}

    def test_percentile(self):
        assert percentile([4, 1, 3, 2], 50) == 2.5
        assert percentile([7], 90) == 7
        assert percentile(range(101), 90) == 90


class TestCommand:
    def test_a_tree_within_all_bounds_passes(self, make_tree, capsys):
        root = make_tree().root
        assert main(["--check", str(root)]) == 0
        assert "largest fan-out" in capsys.readouterr().out

    def test_a_broken_bound_names_file_number_and_bound(self, make_tree, capsys):
        arguments = ", ".join(f"a{index}" for index in range(11))
        root = make_tree({"fbsearch/a.py": f"def f({arguments}): ...\n\ndef g(a): ...\n"}).root
        assert main([str(root)]) == 0
        capsys.readouterr()
        assert main([str(root), "--check"]) == 1
        printed = capsys.readouterr().out
        assert (
            "largest argument count: 11, at most 10 allowed\n  fbsearch/a.py:1 f: 11 arguments\n" in printed
        )
        assert "fbsearch/a.py:3" not in printed

    def test_json_holds_all_places(self, make_tree, capsys):
        root = make_tree({"fbsearch/a.py": "def f(op): return isinstance(op, Conv)\n"}).root
        assert main([str(root), "--json"]) == 0
        [found] = json.loads(capsys.readouterr().out).values()
        [asked] = [one for one in found if one["name"] == "files that ask for an operator's kind"]
        assert asked["value"] == 1 and asked["bound"] == 0
        assert asked["places"] == [{"where": "fbsearch/a.py:1", "number": 1}]

    def test_two_trees_stand_side_by_side(self, make_tree, capsys):
        before = make_tree().root
        after = before / "after"
        make_tree(
            {"after/fbsearch/a.py": "import fbsearch.a\n", **{f"after/{n}": t for n, t in HOUSE.items()}}
        )
        assert main([str(before), str(after)]) == 0
        lines = capsys.readouterr().out.splitlines()
        assert lines[0].split()[:2] == [str(before), str(after)]
        assert "import cycles as files are loaded 0 1 0" in (" ".join(line.split()) for line in lines)

    @pytest.mark.parametrize(
        ("files", "message"),
        [({}, "no fbsearch/ with Python files"), ({"fbsearch/a.py": "def"}, "fbsearch/a.py:1: no Python")],
    )
    def test_what_cannot_be_measured_is_one_line(self, tmp_path, capsys, files, message):
        for name, text in files.items():
            (tmp_path / name).parent.mkdir()
            (tmp_path / name).write_text(text)
        assert main([str(tmp_path)]) == 2
        printed = capsys.readouterr().err
        assert message in printed and len(printed.splitlines()) == 1


def test_this_tree_can_be_measured():
    found = {one.name: one for one in measure_tree(Path(__file__).parents[2])}
    assert found["files"].value > 200 and found["lines of a function, median"].value <= 8
