"""The checks that a change must pass, each callable by hand: ``nox -s lint``; ``nox --list`` names them.

All but one run in the environment that nox itself is installed in: one torch is enough for all.
"""

from __future__ import annotations

import os
import sys
from pathlib import Path

import nox

nox.needs_version = ">=2024.4.15"
nox.options.sessions = ["lint", "types", "layering", "structure", "tests"]
nox.options.error_on_external_run = True

TFLITE_RUNTIME = (
    "tflite-runtime==2.14.0",
    "numpy<2",
    "pydantic>=2.8,<2.12",
    "pyyaml!=6.0.4",
    "rich",
    "psutil",
)
"""Its metadata allows numpy 2, with which it does not run; typing-extensions is free here."""


def _python(session: nox.Session, *arguments: str, **environment: str) -> None:
    """Run a module by the interpreter that nox runs by."""
    session.run(sys.executable, "-m", *arguments, env=environment, external=True)


@nox.session(python=False)
def lint(session: nox.Session) -> None:
    """Rules and format of the code, by ruff."""
    _python(session, "ruff", "check", ".")
    _python(session, "ruff", "format", "--check", ".")


@nox.session(python=False)
def types(session: nox.Session) -> None:
    """Types, by mypy; what it looks at stands in pyproject.toml."""
    _python(session, "mypy")


@nox.session(python=False)
def layering(session: nox.Session) -> None:
    """A room imports only rooms below its own, by import-linter."""
    session.run(str(Path(sys.executable).with_name("lint-imports")), external=True)


@nox.session(python=False)
def structure(session: nox.Session) -> None:
    """Bounds on who knows whom, fan-out, arguments and import cycles."""
    _python(session, "tools.structure", "--check")


@nox.session(python=False)
def tests(session: nox.Session) -> None:
    """The tests that README's command runs; arguments behind -- are pytest's."""
    _python(session, "pytest", *session.posargs)


@nox.session(python=False)
def slow(session: nox.Session) -> None:
    """Slow tests, and those of several processes."""
    # A tenth of the fuzzing; all of it by hand, for whoever changes a parser of a phone's output.
    factor = os.environ.get("FBSEARCH_FUZZ_FACTOR", "0.1")
    _python(session, "pytest", "-m", "slow or ci", *session.posargs, FBSEARCH_FUZZ_FACTOR=factor)


@nox.session(venv_backend="venv")
def tflite_runtime(session: nox.Session) -> None:
    """Tests in an environment of their own, with tflite-runtime in place of torch and ai-edge-litert."""
    if sys.version_info >= (3, 12):
        session.skip("its last release, 2.14, has no wheel for this Python")
    session.install("-q", *TFLITE_RUNTIME, "pytest", "pytest-timeout")
    session.run("python", "-m", "pytest", "-o", "addopts=", "--strict-markers", "tests/tflite_runtime")
