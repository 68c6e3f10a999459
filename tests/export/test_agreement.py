import numpy as np
import pytest

from fbsearch.errors import ExportError
from fbsearch.export import agreement


def test_agreement() -> None:
    reference = np.array([[0.0, 1.0, 2.0], [3.0, 0.0, 0.0], [0.0, 5.0, 0.0]])
    outputs = reference + np.array([[0.0, 0.25, -0.5], [0.0, 0.0, 0.125], [6.0, 0.0, 0.0]])
    result = agreement(reference, outputs.astype(np.float32))
    assert result.max_abs_diff == 6.0
    assert result.top1_agreement == pytest.approx(2 / 3)
    assert result.num_samples == 3


@pytest.mark.parametrize("shapes", [((2, 3), (2, 4)), ((0, 3), (0, 3)), ((3,), (3,))])
def test_shapes_that_cannot_be_compared(shapes) -> None:
    with pytest.raises(ExportError, match="shape"):
        agreement(np.zeros(shapes[0]), np.zeros(shapes[1]))


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_broken_values_never_agree(value: float) -> None:
    with pytest.raises(ExportError, match="converted model gives NaN or infinite"):
        agreement([[0.0, 1.0]], [[0.0, value]])
    with pytest.raises(ExportError, match="network gives NaN or infinite"):
        agreement([[0.0, value]], [[0.0, value]])
