import gc

import torch._export.utils
from torch.onnx._internal.exporter import _registration

from fbsearch.export.tracing import fast_decomposition, fast_tracing, remembered_translations


def test_everything_is_put_back() -> None:
    look_up = torch._export.utils._materialize_cpp_cia_ops
    build = vars(_registration.ONNXRegistry)["from_torchlib"]
    decompose = torch.export.ExportedProgram.run_decompositions
    assert gc.isenabled()
    with fast_tracing(), fast_decomposition(), remembered_translations():
        assert not gc.isenabled()
        assert torch.export.ExportedProgram.run_decompositions is not decompose
        assert torch._export.utils._materialize_cpp_cia_ops is not look_up
    assert gc.isenabled()
    assert torch._export.utils._materialize_cpp_cia_ops is look_up
    assert torch.export.ExportedProgram.run_decompositions is decompose
    assert vars(_registration.ONNXRegistry)["from_torchlib"] is build


def test_a_paused_collector_stays_paused() -> None:
    gc.disable()
    try:
        with fast_tracing():
            pass
        assert not gc.isenabled()
    finally:
        gc.enable()


def test_translations_are_built_once() -> None:
    with remembered_translations():
        first = _registration.ONNXRegistry.from_torchlib(opset_version=18)
    with remembered_translations():
        assert _registration.ONNXRegistry().from_torchlib(opset_version=18) is first
        assert _registration.ONNXRegistry.from_torchlib(opset_version=20) is not first
