"""The settings: documented, and the same in every process."""

from __future__ import annotations

import re
from pathlib import Path

import pytest

from app.settings import Settings
from tests.app.helpers import ROOT
from tools import settings_table


def test_every_setting_is_described() -> None:
    for name, field in Settings.model_fields.items():
        assert field.description, name


def test_the_documents_list_every_setting_as_it_is() -> None:
    page = settings_table.PAGE.read_text()
    assert page == settings_table.with_table(page), "write the table again: python -m tools.settings_table"
    for path in ("README.md", "docs/operations.md", "docker-compose.yml", "Dockerfile"):
        named = re.findall(r"DPNP_([A-Z_]+[A-Z])", (ROOT / path).read_text())
        assert {name.lower() for name in named} <= set(Settings.model_fields), path


def test_a_worker_process_reads_the_settings_of_its_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    changes = {"port": 1234, "data_dir": tmp_path / "d", "priors": tmp_path, "job_seconds": 2.5, "log_level": "error", "prior": "tiny"}
    settings = Settings(_env_file=None, **changes)
    for name, value in settings.environment().items():
        monkeypatch.setenv(name, value)
    assert Settings(_env_file=None) == settings


def test_the_environment_and_a_file_configure_the_service(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.chdir(tmp_path)
    (tmp_path / ".env").write_text("DPNP_PORT=81\nDPNP_MAX_QUEUE=7\nOTHER=1\n")
    monkeypatch.setenv("DPNP_PORT", "82")
    settings = Settings()
    assert (settings.port, settings.max_queue) == (82, 7)


def test_the_store_is_a_file_in_the_data_folder_unless_told_otherwise(tmp_path: Path) -> None:
    assert Settings(_env_file=None, data_dir=tmp_path).store_url == f"sqlite:///{tmp_path / 'dpnp.sqlite3'}"
    assert Settings(_env_file=None, database_url="postgresql://db/x").store_url == "postgresql://db/x"


@pytest.mark.parametrize("name", ["Dockerfile", "docker-compose.yml"])
def test_the_container_sets_only_what_there_is_to_set(name: str) -> None:
    text = (Path(__file__).parents[2] / name).read_text()
    known = {f"DPNP_{field.upper()}" for field in Settings.model_fields}
    assert set(re.findall(r"\bDPNP_[A-Z_]+\b", text)) <= known


@pytest.mark.parametrize(
    ("threads", "workers", "processors", "expected"), [(0, 1, 2, 2), (0, 2, 2, 1), (0, 3, 16, 5), (0, 4, 2, 1), (0, 0, 8, 8), (3, 2, 2, 3)]
)
def test_the_workers_share_the_processors(threads: int, workers: int, processors: int, expected: int) -> None:
    assert Settings(_env_file=None, threads=threads, workers=workers).worker_threads(processors) == expected
