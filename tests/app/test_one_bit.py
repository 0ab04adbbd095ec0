"""One-bit measurements in the forms that people keep them in."""

from typing import Any

import numpy as np
import pytest
from starlette.testclient import TestClient

from tests.app.answers import files_of
from tests.app.helpers import npy, picture, post, spec
from tests.app.tiny import SIZE

BITS = np.random.default_rng(0).integers(0, 2, (1, SIZE, SIZE)).astype(bool)
COMPOSED = {"name": "composed", "physics": {"kind": "blur"}, "observation": {"kind": "quantized"}}


@pytest.mark.parametrize("operator", [{"name": "quantization"}, COMPOSED], ids=["quantization", "composed"])
def test_packed_bits_a_picture_and_numbers_are_the_same_measurement(client: TestClient, operator: dict[str, Any]) -> None:
    signs = np.where(BITS, 1, -1).astype(np.float32)
    for content in (npy(signs), npy(np.packbits(BITS)), picture(BITS[0].astype(np.uint8) * 255)):
        answer = post(client, content, given=spec(operator=operator))
        assert answer.status_code == 202, answer.text
        np.testing.assert_array_equal(files_of(client).measurement(answer.json()["id"]), signs)
