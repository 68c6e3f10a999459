"""The errors a user can meet, one class per remedy.

Every message says what was given, what is allowed and what to do, in one line. The command line
prints that line and exits with 2; a traceback appears only with ``--debug``. A bug of our own is an
``AssertionError`` or whatever Python raises, never one of these.
"""

from __future__ import annotations

from typing import Literal

UnavailableReason = Literal["absent", "offline", "unauthorised", "busy", "no permission", "other"]


class FbsearchError(Exception):
    """Base of every error that a user can put right."""


class InvalidInputError(FbsearchError):
    """A value or a file that a person wrote is wrong: correct it and run again."""


class ArchitectureError(InvalidInputError):
    """An architecture or an operator's key does not parse or does not fit together."""


class SpaceError(InvalidInputError):
    """A search space's definition is wrong, or an architecture lies outside its space."""


class RecipeError(InvalidInputError):
    """A recipe or a ``--set`` override is wrong: the message names the field."""


class UnreadableFileError(FbsearchError):
    """A file cannot be read, or is not what it should be: who asked for it names it and says what to do."""


class MissingFileError(UnreadableFileError):
    """There is no such file."""


class MalformedJsonError(UnreadableFileError):
    """A text is no JSON: a torn line, where lines are only ever appended."""


class DataError(FbsearchError):
    """A data set is missing, empty, corrupt or of another shape than was asked for."""


class TableError(FbsearchError):
    """A latency table cannot be used."""


class TableFormatError(TableError):
    """The file is no latency table, or one of a schema or unit this version does not read."""


class TableValueError(TableError):
    """An entry is NaN, infinite, negative or otherwise impossible: profile it again."""


class TableMismatchError(TableError):
    """The table was measured for another device, runtime or space than the one in use."""


class MissingOperatorError(TableError):
    """The table lacks an operator that was looked up: profile the space that holds it."""


class BudgetError(FbsearchError):
    """No architecture of the space keeps the budget: raise it, or widen the space."""


class DeviceError(FbsearchError):
    """A device or its runtime cannot be used as asked."""


class MeasurementError(DeviceError):
    """A model could not be measured on a device that is otherwise reachable."""


class CalibrationError(MeasurementError):
    """Whole networks, as measured, make no calibration: quieten the device and measure them again."""


class LaunchRefusedError(MeasurementError):
    """The phone, the binary or its delegate does not take a model: another launch would end the same."""


class ConnectionLostError(DeviceError):
    """The link to a device broke: cable, reboot, daemon killed, silence. Work so far is kept; tried again."""


class ConnectionTimeoutError(DeviceError):
    """A command outlived its time on a device whose link is alive: it hangs there, and would again."""


class DeviceUnavailableError(DeviceError):
    """A device is absent, offline, busy or has not authorised this computer: the message says what to do.

    Args:
        message: one line, with the remedy.
        reason: what keeps it from being used.
    """

    def __init__(self, message: str, *, reason: UnavailableReason = "other") -> None:
        super().__init__(message)
        self.reason = reason

    @property
    def may_return(self) -> bool:
        """Whether waiting can be enough, as after a reboot; a person's leave does not come by itself."""
        return self.reason not in ("unauthorised", "other")


class DeviceFullError(DeviceError):
    """No space is left on a device: free some there and run again."""


class ExportError(FbsearchError):
    """A network could not be converted, or the converted model disagrees with it."""


class CheckpointError(FbsearchError):
    """A checkpoint or a run folder is missing, damaged or of another run."""


class ProxyError(FbsearchError):
    """A network has no score: it overflows, is constant, or is none that the proxy can read."""


class TrainingError(FbsearchError):
    """A training or a search diverged: the message says which settings tame it."""


class DependencyError(FbsearchError):
    """An optional package is missing: the message holds the install command."""
