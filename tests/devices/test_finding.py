import subprocess
import sys
from pathlib import Path

import pytest
import yaml
from hypothesis import given
from hypothesis import strategies as st

from fbsearch.devices import LocalDefinition, MeasurementProtocol, find_device, list_devices
from fbsearch.devices.definition import load_definition
from fbsearch.errors import DeviceError

SHIPPED = Path(__file__).parents[2] / "devices"


def write(folder, name, text):
    folder.mkdir(exist_ok=True)
    (folder / f"{name}.yaml").write_text(text)


def test_local_needs_no_file(tmp_path):
    device = find_device("local", folder=tmp_path)
    description = device.describe()
    assert device.name == description.name == "local"
    assert description.num_cores >= 1 and description.model and description.architecture
    assert str(description.num_cores) in description.identity


def test_the_shipped_file_states_the_defaults_and_every_field():
    definition = load_definition(SHIPPED / "local.yaml")
    data = yaml.safe_load((SHIPPED / "local.yaml").read_text())
    assert definition.protocol == MeasurementProtocol()
    assert set(data["protocol"]) == set(MeasurementProtocol.model_fields)
    assert set(data) == set(LocalDefinition.model_fields)


def test_a_device_is_found_by_name_and_by_path(tmp_path):
    write(tmp_path, "server", "name: build-server\nkind: local\nthreads: 2\nprotocol: {max_rounds: 50}\n")
    for name in ("server", str(tmp_path / "server.yaml")):
        device = find_device(name, folder=tmp_path)
        assert device.name == "build-server" == device.describe().name
        assert device.definition.threads == 2 and device.definition.protocol.max_rounds == 50


def test_an_unknown_name_lists_the_known_ones(tmp_path):
    write(tmp_path, "server", "name: s\nkind: local\n")
    with pytest.raises(DeviceError, match="known are local, server"):
        find_device("phone", folder=tmp_path)


@pytest.mark.parametrize(
    ("text", "named"),
    [
        ("name: a b\nkind: local", "name"),
        ("name: a\nkind: toaster", "kind"),
        ("name: a\nkind: local\nthreads: 0", "threads"),
        ("name: a\nkind: local\nspeed: 3", "speed"),
        ("name: a\nkind: local\nprotocol: {min_rounds: 2}", "protocol: min_rounds 2"),
        ("name: a\nkind: local\nprotocol: {round_ms: .nan}", "protocol.round_ms"),
        ("- a\n- b", "mapping"),
        ("", "mapping"),
        ("a: [", "not YAML"),
    ],
)
def test_a_wrong_definition_is_one_line_naming_the_file_and_the_field(tmp_path, text, named):
    write(tmp_path, "wrong", text)
    with pytest.raises(DeviceError) as caught:
        find_device("wrong", folder=tmp_path)
    assert named in str(caught.value) and "wrong.yaml" in str(caught.value)
    assert "\n" not in str(caught.value)


def test_a_missing_file_and_a_binary_one_are_device_errors(tmp_path):
    with pytest.raises(DeviceError, match="cannot read"):
        find_device(str(tmp_path / "none.yaml"))
    (tmp_path / "binary.yaml").write_bytes(b"\xff\xfe\x00\x80")
    with pytest.raises(DeviceError, match="cannot read"):
        find_device("binary", folder=tmp_path)


@given(st.text(max_size=60))
def test_any_text_gives_a_definition_or_a_device_error(tmp_path_factory, text):
    path = tmp_path_factory.mktemp("devices") / "any.yaml"
    path.write_text(text, encoding="utf-8", errors="surrogatepass")
    try:
        load_definition(path)
    except DeviceError as error:
        assert "\n" not in str(error)


def test_listing_names_what_is_wrong(tmp_path):
    write(tmp_path, "good", "name: good\nkind: local\n")
    write(tmp_path, "wrong", "name: wrong\n")
    listings = {one.name: one for one in list_devices(folder=tmp_path)[0]}
    assert set(listings) == {"local", "good", "wrong"}
    assert listings["good"].description is not None and listings["good"].problem is None
    assert listings["wrong"].description is None and "kind" in listings["wrong"].problem


@pytest.mark.parametrize(
    "module", ["fbsearch.devices", "fbsearch.latency", "fbsearch.latency.profiling.profiling"]
)
def test_no_torch_is_needed(module):
    """An environment with an interpreter but without torch can profile."""
    code = f"import sys, {module}; sys.exit('torch' in sys.modules or 'fbsearch.export' in sys.modules)"
    subprocess.run([sys.executable, "-c", code], check=True, cwd=Path(__file__).parents[2])
