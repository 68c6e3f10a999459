"""From what a person calls a teacher to the teacher."""

from __future__ import annotations

import io
import pickle
import zipfile
from pathlib import Path

import pytest
import torch

from fbsearch.data import load_data
from fbsearch.errors import CheckpointError, FbsearchError, InvalidInputError
from fbsearch.export import Preprocessing
from fbsearch.export.sidecar import write_sidecar
from fbsearch.nn import Network, save_weights
from fbsearch.records import DataSettings, InputRecord, RunPaths, write_record
from fbsearch.spaces import load_space
from fbsearch.train import DistillationSettings, TrainSettings, check_teacher
from fbsearch.train.distillation.finding import find_teacher
from fbsearch.train.distillation.images import ImageFormat
from tests.train.distillation.tiny_teacher import TinyTeacher, write_module, write_onnx, write_script

IMAGES = torch.randn(3, 1, 16, 16, generator=torch.Generator().manual_seed(1))


@pytest.fixture(autouse=True)
def _there(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)


def check(name: str) -> None:
    check_teacher(TrainSettings(distillation=DistillationSettings(teacher=name)))


def test_every_kind_of_file_says_what_the_module_says(tmp_path: Path) -> None:
    names = (
        write_module(tmp_path, "return TinyTeacher()", name="plain_module"),
        str(write_script(tmp_path / "teacher.pt")),
        str(write_onnx(tmp_path / "teacher.onnx")),
        str(write_onnx(tmp_path / "one.onnx", batch=1, shows_features=False)),
    )
    module = TinyTeacher().eval()
    with torch.no_grad():
        expected, features = module(IMAGES), module.act(module.conv(IMAGES))
    for name, shows_features in zip(names, (True, False, True, False), strict=True):
        check(name)
        lesson = find_teacher(name).model(IMAGES)
        torch.testing.assert_close(lesson.logits, expected, rtol=1e-4, atol=1e-5)
        assert (lesson.features is not None) == shows_features, name
        if lesson.features is not None:
            torch.testing.assert_close(lesson.features, features, rtol=1e-4, atol=1e-5)


def test_a_module_may_show_its_features_itself_and_state_its_images(tmp_path: Path) -> None:
    body = (
        "from fbsearch.train.distillation.images import ImageFormat\n"
        "    class Showing(torch.nn.Module):\n"
        "        def forward(self, x):\n"
        "            return x.mean((2, 3)).repeat(1, 10), 2 * x\n"
        "    return Showing(), ImageFormat(24, (0.5,), (0.25,))"
    )
    found = find_teacher(write_module(tmp_path, body, name="showing_module"))
    assert found.stated == ImageFormat(24, (0.5,), (0.25,))
    features = found.model(IMAGES).features
    assert features is not None and torch.equal(features, 2 * IMAGES)


def test_the_same_function_makes_the_same_teacher(tmp_path: Path) -> None:
    name = write_module(tmp_path, "return torch.nn.Linear(3, 2)", name="random_module")
    before = torch.random.get_rng_state()
    assert find_teacher(name).fingerprint == find_teacher(name).fingerprint
    assert torch.equal(before, torch.random.get_rng_state())


def test_a_run_knows_its_images_and_shows_what_its_last_node_takes(tmp_path: Path) -> None:
    data = load_data("digits", limit=40)
    network = Network(load_space("digits").decode((1, 1, 1, 1))).eval()
    paths = RunPaths(tmp_path / "run")
    network.architecture.save(paths.architecture)
    save_weights(network, paths.weights)
    write_record(paths.inputs, InputRecord.of(DataSettings(source="digits"), data, 0))
    check(str(paths.root))
    found = find_teacher(str(paths.root))
    assert found.stated == ImageFormat(16, data.mean, data.std)
    assert found.class_names == data.class_names
    lesson = found.model(IMAGES)
    with torch.no_grad():
        torch.testing.assert_close(lesson.logits, network(IMAGES))
        assert lesson.features is not None
        pooled = lesson.features.mean((2, 3))
        torch.testing.assert_close(network.node("head/1").linear(pooled), lesson.logits)


def test_a_model_of_ours_states_its_images_in_its_sidecar(tmp_path: Path) -> None:
    path = write_onnx(tmp_path / "model.onnx")
    assert (find_teacher(str(path)).stated, find_teacher(str(path)).resolution) == (None, 16)
    names = tuple("abcdefghij")
    write_sidecar(path, Preprocessing(16, 1, (0.5,), (0.25,), "NCHW", names), architecture="tiny")
    found = find_teacher(str(path))
    assert found.stated == ImageFormat(16, (0.5,), (0.25,)) and found.class_names == names
    write_sidecar(path, Preprocessing(16, 1, (0.5,), (0.25,), "NHWC", names), architecture="tiny")
    with pytest.raises(InvalidInputError, match="takes NHWC images"):
        find_teacher(str(path))


@pytest.mark.parametrize(
    ("body", "message"),
    [
        ("return 3", "returns a int; a torch.nn.Module is needed"),
        ("raise OSError('no weights')", "failed: OSError: no weights"),
        ("return torch.nn.Linear(3, 2), 7", "a torch.nn.Module is needed, alone or with its ImageFormat"),
    ],
)
def test_a_function_that_makes_no_teacher(tmp_path: Path, body: str, message: str) -> None:
    name = write_module(tmp_path, body, name=f"bad_module_{abs(hash(body))}")
    with pytest.raises(InvalidInputError, match=message):
        find_teacher(name)


def test_names_that_lead_nowhere(tmp_path: Path) -> None:
    write_module(tmp_path, "pass", name="has_make")
    (tmp_path / "notes.txt").write_text("no model")
    (tmp_path / "empty").mkdir()
    for name, message in (
        ("nowhere", "no run folder, no TorchScript or ONNX file, and no module:function"),
        ("no_such_module:make", "module 'no_such_module' does not import: ModuleNotFoundError"),
        ("has_make:missing", "there is no function 'missing' in has_make"),
        ("notes.txt", "a file of another kind"),
        ("empty", "weights.safetensors is missing"),
    ):
        with pytest.raises((InvalidInputError, CheckpointError), match=message) as caught:
            check(name)
        assert "\n" not in str(caught.value)


def test_no_file_is_unpickled(tmp_path: Path) -> None:
    """Neither a pickle nor a pickled model, whatever it is called."""
    ran = tmp_path / "ran"

    class Hostile:
        def __reduce__(self) -> tuple[object, ...]:
            return (Path.touch, (ran,))

    (tmp_path / "pickle.pt").write_bytes(pickle.dumps(Hostile()))
    torch.save(Hostile(), tmp_path / "model.pth")
    for name in ("pickle.pt", "model.pth"):
        with pytest.raises(InvalidInputError, match=name):
            find_teacher(name)
    assert not ran.exists()


def test_hostile_archives_and_models(tmp_path: Path) -> None:
    (tmp_path / "text.onnx").write_bytes(b"no model")
    with zipfile.ZipFile(tmp_path / "bomb.pt", "w", zipfile.ZIP_DEFLATED) as archive:
        archive.writestr("bomb/code/data.py", b"0" * 10**8)
    damaged = bytearray(write_script(tmp_path / "whole.pt").read_bytes())
    damaged[100:300] = bytes(200)
    (tmp_path / "damaged.pt").write_bytes(damaged)
    buffer = io.BytesIO()
    with zipfile.ZipFile(buffer, "w") as archive:
        archive.writestr("x/code/__torch__.py", "class")
    (tmp_path / "nonsense.ts").write_bytes(buffer.getvalue())
    for name in ("text.onnx", "bomb.pt", "damaged.pt", "nonsense.ts"):
        with pytest.raises(FbsearchError, match=name) as caught:
            find_teacher(name).model(IMAGES)
        assert "\n" not in str(caught.value)


def test_images_that_it_does_not_take(tmp_path: Path) -> None:
    for name in (
        write_module(tmp_path, "return TinyTeacher(in_channels=3)", name="colour_module"),
        str(write_onnx(tmp_path / "teacher.onnx")),
    ):
        with pytest.raises(InvalidInputError, match="does not take images of shape"):
            find_teacher(name).model(IMAGES[:, :, :15].expand(-1, 1, -1, -1))


def test_outputs_that_are_no_class_scores(tmp_path: Path) -> None:
    name = write_module(tmp_path, "return torch.nn.Identity()", name="identity_module")
    with pytest.raises(InvalidInputError, match=r"its output is a tensor of shape \(3, 1, 16, 16\)"):
        find_teacher(name).model(IMAGES)
