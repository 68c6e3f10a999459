"""Files: read with suspicion, whoever made them; written whole, or not at all."""

from fbsearch.files.json_text import parse_json, read_json
from fbsearch.files.reading import (
    JSON_BYTES,
    KEY_BYTES,
    LINES_BYTES,
    MODEL_BYTES,
    TEXT_BYTES,
    check_regular,
    open_regular,
    read_bytes,
    read_open,
    read_text,
    sha256_of,
)
from fbsearch.files.writing import (
    atomic_path,
    check_file_writable,
    check_writable,
    dump_json,
    lock,
    sync_folder,
    write_json,
    write_text,
)
from fbsearch.files.yaml_text import parse_yaml, read_yaml

__all__ = [
    "JSON_BYTES",
    "KEY_BYTES",
    "LINES_BYTES",
    "MODEL_BYTES",
    "TEXT_BYTES",
    "atomic_path",
    "check_file_writable",
    "check_regular",
    "check_writable",
    "dump_json",
    "lock",
    "open_regular",
    "parse_json",
    "parse_yaml",
    "read_bytes",
    "read_json",
    "read_open",
    "read_text",
    "read_yaml",
    "sha256_of",
    "sync_folder",
    "write_json",
    "write_text",
]
