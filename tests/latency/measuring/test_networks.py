import numpy as np
import pytest
import torch
from torch import nn

from fbsearch.devices import LocalDevice, MeasurementProtocol
from fbsearch.export import ConversionCache
from fbsearch.latency.measuring.networks import measure_architectures, network_path, random_network
from fbsearch.latency.measuring.runtime import RuntimeChoice
from fbsearch.latency.measuring.sentinel import SENTINEL
from fbsearch.nn import example_input
from fbsearch.spaces import load_space, named_architecture
from tests.devices.simulated import SimulatedDevice, simulated_latency_us

SPACE = load_space("digits")


def test_a_network_lies_where_its_content_says(tmp_path):
    cache = ConversionCache(tmp_path)
    one, same, other = (
        SPACE.decode(choices, name=name)
        for choices, name in (((0, 0, 0, 0), "a"), ((0, 0, 0, 0), "b"), ((1, 0, 0, 0), "a"))
    )
    assert network_path(one, "onnx", cache) == network_path(same, "onnx", cache)
    assert network_path(one, "onnx", cache) != network_path(other, "onnx", cache)
    assert network_path(one, "onnx", cache) != network_path(one, "tflite", cache)
    assert network_path(one, "onnx", cache) != network_path(one, "onnx", cache, "int8")


def test_random_networks_repeat_and_leave_the_global_generator_alone():
    before = torch.get_rng_state()
    first, second = (random_network(SPACE.decode((0, 1, 2, 3))) for _ in range(2))
    assert torch.equal(torch.get_rng_state(), before)
    for name, tensor in first.state_dict().items():
        assert torch.equal(tensor, second.state_dict()[name]), name
    assert not first.training


def test_activations_of_a_deep_random_network_neither_vanish_nor_explode():
    architecture = named_architecture("fbnet_c", resolution=64)
    network, scales = random_network(architecture), []
    for part in network.modules():
        if isinstance(part, nn.BatchNorm2d):
            part.register_forward_hook(lambda module, given, out: scales.append(float(out.std())))
    with torch.no_grad():
        network(example_input(architecture, batch=4))
    assert len(scales) > 60 and min(scales) > 0.05 and max(scales) < 20


def test_measures_in_the_order_given_one_given_twice_included(tmp_path):
    cache = ConversionCache(tmp_path)
    architectures = [SPACE.decode(choices) for choices in ((0, 0, 0, 0), (1, 1, 1, 1), (0, 0, 0, 0))]
    paths = [network_path(one, "tflite", cache) for one in architectures]
    for path in [*paths, cache.path(SENTINEL, "tflite")]:
        path.parent.mkdir(parents=True, exist_ok=True)
        path.touch()
    measured = measure_architectures(architectures, SimulatedDevice(), cache=cache)
    for one, path in zip(measured, paths, strict=True):
        assert one.latency_us == pytest.approx(simulated_latency_us(path.stem), rel=0.01)


@pytest.mark.slow
def test_real_networks_on_this_computer(tmp_path):
    architectures = [SPACE.decode((0,) * 4), SPACE.decode((4,) * 4)]
    protocol = MeasurementProtocol(max_rounds=8, patience_s=2, max_discarded_rounds=8)
    cheap, dear = measure_architectures(
        architectures,
        LocalDevice(),
        how=RuntimeChoice("onnxruntime"),
        protocol=protocol,
        cache=ConversionCache(tmp_path),
        jobs=2,
    )
    assert 0 < np.min(cheap.round_medians_us) < np.min(dear.round_medians_us)
