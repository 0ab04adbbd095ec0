from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from typer.testing import CliRunner, Result

from app.cli import app
from tests.app.tiny import SIZE, write_tiny_prior

Dpnp = Callable[..., Result]


@pytest.fixture(scope="session")
def priors(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A folder with one prior, ``tiny``, for 8 x 8 images."""
    folder = tmp_path_factory.mktemp("priors")
    write_tiny_prior(folder / "tiny")
    return folder


@pytest.fixture
def dpnp(priors: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Dpnp:
    """The command, in an empty folder and with the prior ``tiny``."""
    monkeypatch.chdir(tmp_path)
    monkeypatch.setenv("DPNP_PRIORS", str(priors))
    monkeypatch.setenv("DPNP_PRIOR", "tiny")
    monkeypatch.setenv("DPNP_THREADS", "1")

    def run(*arguments: Any) -> Result:
        return CliRunner().invoke(app, [str(a) for a in arguments])

    return run


@pytest.fixture
def measurement(tmp_path: Path) -> Path:
    """A measurement of 4x super-resolution of 8 x 8 images."""
    path = tmp_path / "y.npy"
    np.save(path, np.linspace(-1, 1, (SIZE // 4) ** 2, dtype=np.float32).reshape(1, SIZE // 4, SIZE // 4))
    return path
