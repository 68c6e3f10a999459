"""Fake quantisation: what the file will compute, with gradients, and nothing left behind."""

from __future__ import annotations

import copy
from pathlib import Path

import onnx
import pytest
import torch
from ai_edge_litert.interpreter import Interpreter
from torch import Tensor, nn

from fbsearch.architecture import Architecture, Operator
from fbsearch.export import WEIGHT_LEVELS, convert_precision, export_model
from fbsearch.nn import Network
from fbsearch.train import FakeQuantisation
from tests.export.converted import run_model

SHAPE = (1, 8, 8)
STEM = ("conv_k3_s1_relu_c1-8_r8",)
LAYERS = (
    "mbconv_k3_e3_s1_relu_c8-8_r8",
    "mbconv_k3_e1_full_g2_s2_relu6_c8-16_r8",
    "mbconv_k3_e2_s1_se0.25_hswish_c16-16_r4",
)
ZEN_LAYERS = (
    "zenbasic_k3_h12_s2_se_c8-16_r8",
    "zenbottle_k5_h8_s1_c16-16_r4",
    "zenidw_k3_h32_s1_proj_c16-16_r4",
)
HEAD = ("conv_k1_s1_relu_c16-24_r4", "classifier_c24-10_r4")

DIFFERENCE = 0.02
"""Of the logits, from the file's, as a share of the largest; a level of the logits is 0.004 to 0.008."""


def make_network(keys: tuple[str, ...] = LAYERS) -> Network:
    """Several kinds of operators, with norms as if they had been trained; some factors are negative."""
    stem, layers, head = (tuple(map(Operator.from_key, some)) for some in (STEM, keys, HEAD))
    torch.manual_seed(0)
    network = Network(Architecture.chain("mixed", {"stem": stem, "layers": layers, "head": head})).eval()
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            nn.init.normal_(part.running_mean, std=0.3)
            nn.init.uniform_(part.running_var, 0.5, 2.0)
            nn.init.uniform_(part.weight, 0.5, 2.0)
            nn.init.normal_(part.bias, std=0.5)
            part.weight.data[::3] *= -1
    nn.init.normal_(network.node("head/1").linear.weight, std=0.3)
    return network


@pytest.fixture
def network() -> Network:
    return make_network()


@pytest.fixture(scope="module")
def images() -> Tensor:
    return torch.randn(100, *SHAPE, generator=torch.Generator().manual_seed(1))


def int8_file(network: Network, images: Tensor, folder: Path, model_format: str) -> Path:
    exported, quantised = folder / f"float.{model_format}", folder / f"int8.{model_format}"
    export_model(network, [SHAPE], exported)
    convert_precision(exported, "int8", [images.numpy()], quantised)
    return quantised


def scales_of(model: Path) -> list[float]:
    """Of the file's activations, each once."""
    if model.suffix == ".tflite":
        details = Interpreter(str(model)).get_tensor_details()
        return [tensor["quantization"][0] for tensor in details if tensor["dtype"].__name__ == "int8"]
    graph = onnx.load(model).graph
    named = {one.name: float(onnx.numpy_helper.to_array(one).flat[0]) for one in graph.initializer
             if one.name.endswith("_scale") and onnx.numpy_helper.to_array(one).size == 1}  # fmt: skip
    return list(named.values())


@pytest.mark.parametrize("model_format", [pytest.param("tflite", marks=pytest.mark.slow), "onnx"])
def test_it_computes_what_the_file_does(model_format, network: Network, images: Tensor, tmp_path) -> None:
    model = int8_file(network, images, tmp_path, model_format)
    of_file = run_model(model, images)
    with (
        torch.no_grad(),
        FakeQuantisation(network, "int8", weight_levels=WEIGHT_LEVELS[model_format]) as quantisation,
    ):
        quantisation.set_ranges(images)
        rounded = network(images)
    with torch.no_grad():
        in_floats = network(images)

    def difference(one: Tensor) -> float:
        return float((one - of_file).square().mean().sqrt() / of_file.abs().max())

    assert difference(rounded) < DIFFERENCE / 3
    assert (rounded - of_file).abs().max() < DIFFERENCE * of_file.abs().max()
    assert difference(rounded) < 0.7 * difference(in_floats)  # closer than the network that knows no rounding
    known = scales_of(model)
    for scale in quantisation.scales:
        assert min(abs(one / scale - 1) for one in known) < 1e-4, scale


@pytest.mark.parametrize("model_format", [pytest.param("tflite", marks=pytest.mark.slow), "onnx"])
def test_zen_blocks_round_where_their_file_does(model_format, images: Tensor, tmp_path) -> None:
    network = make_network(ZEN_LAYERS)
    model = int8_file(network, images, tmp_path, model_format)
    of_file = run_model(model, images)
    with (
        torch.no_grad(),
        FakeQuantisation(network, "int8", weight_levels=WEIGHT_LEVELS[model_format]) as quantisation,
    ):
        quantisation.set_ranges(images)
        rounded = network(images)
    assert (rounded - of_file).square().mean().sqrt() < DIFFERENCE / 2 * of_file.abs().max()
    known = scales_of(model)
    unknown = [scale for scale in quantisation.scales if min(abs(one / scale - 1) for one in known) >= 1e-4]
    # TFLite fixes the step of a sigmoid at 1/256; here it follows the gates that were seen.
    assert len(unknown) == (model_format == "tflite") and all(scale < 1 / 255 for scale in unknown)


def test_gradients_reach_every_parameter(network: Network, images: Tensor) -> None:
    with FakeQuantisation(network, "int8", weight_levels=127) as quantisation:
        quantisation.set_ranges(images)
        network.train()
        network(images).square().mean().backward()
        gradients = {name: parameter.grad for name, parameter in network.named_parameters()}
    assert all(grad is not None and grad.isfinite().all() for grad in gradients.values())
    assert all(grad.abs().max() > 0 for grad in gradients.values())


def test_gradients_pass_the_rounding_and_stop_beyond_a_range(network: Network) -> None:
    with FakeQuantisation(network, "int8", weight_levels=127) as quantisation:
        quantisation.set_ranges(torch.cat([torch.full((1, *SHAPE), -1.0), torch.full((1, *SHAPE), 2.0)]))
        rounding = quantisation._activations[0]
        x = torch.tensor([-1.5, -0.3, 0.001, 1.99, 2.5], requires_grad=True)
        y = rounding(x)
        y.sum().backward()
    assert x.grad is not None and x.grad.tolist() == [0, 1, 1, 1, 0]
    step = 3 / 255
    torch.testing.assert_close(y / step, (y / step).round(), atol=1e-4, rtol=0)
    assert (y - x.clamp(-1, 2)).abs().max() <= step / 2 + 1e-6


@pytest.mark.parametrize("levels", WEIGHT_LEVELS.values())
def test_weights_are_multiples_of_their_channels_step(levels: int, network: Network) -> None:
    conv = network.node("stem/0").conv
    conv.weight.data[0] = 0
    floats = conv.weight.detach().clone()
    with FakeQuantisation(network, "dynamic_int8", weight_levels=levels):
        rounded = conv.weight.detach().clone()
    assert (rounded[0] == 0).all()
    steps = floats[1:].flatten(1).abs().amax(1) / levels
    multiples = rounded[1:].flatten(1) / steps[:, None]
    torch.testing.assert_close(multiples, multiples.round(), atol=1e-3, rtol=0)
    assert 0 < (rounded - floats).abs().max() <= steps.max() / 2 + 1e-6


def test_ranges_are_taken_without_rounding_and_anew(network: Network, images: Tensor) -> None:
    with FakeQuantisation(network, "int8", weight_levels=127) as quantisation:
        quantisation.set_ranges(images)
        first = quantisation.scales
        quantisation.set_ranges(10 * images)
        assert quantisation.scales[0] == pytest.approx(10 * first[0])
        quantisation.set_ranges(images)
        assert quantisation.scales == first


def test_only_int8_rounds_activations(network: Network, images: Tensor) -> None:
    with FakeQuantisation(network, "dynamic_int8", weight_levels=127) as quantisation:
        quantisation.set_ranges(images)
        assert quantisation.scales == []
        assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())


def test_nothing_is_left_behind(network: Network, images: Tensor) -> None:
    before = copy.deepcopy(network)
    with (
        pytest.raises(KeyboardInterrupt),
        FakeQuantisation(network, "int8", weight_levels=64) as quantisation,
    ):
        quantisation.set_ranges(images)
        raise KeyboardInterrupt
    assert {name: type(part) for name, part in network.named_modules()} == {
        name: type(part) for name, part in before.named_modules()
    }
    assert not any(part._forward_hooks or part._forward_pre_hooks for part in network.modules())
    state = network.state_dict()
    assert set(state) == set(before.state_dict())
    assert all((state[name] == tensor).all() for name, tensor in before.state_dict().items())
    with torch.no_grad():
        assert (network(images) == before(images)).all()


def test_a_dead_tensor_stays_zero(network: Network, images: Tensor) -> None:
    norm = network.node("layers/0").stages[0].norm
    nn.init.zeros_(norm.weight)
    nn.init.constant_(norm.bias, -1.0)
    with torch.no_grad(), FakeQuantisation(network, "int8", weight_levels=127) as quantisation:
        quantisation.set_ranges(images)
        assert network(images).isfinite().all()
