"""The user's own priors in the service: found by name, loaded when needed, dropped when memory is short."""

from __future__ import annotations

import json
from pathlib import Path

import pytest
import torch
from starlette.testclient import TestClient

from app.api import create_app
from app.catalogue import LoadedPriors, PriorCatalogue, UnknownPriorError
from app.settings import Settings
from app.store import Store, WorkerRow
from app.worker.loop import Worker
from tests.app.conftest import MakeSettings
from tests.app.helpers import Idle
from tests.app.tiny import write_tiny_prior
from tests.dpnp.priors.plain_adm import SMALL, random_state


@pytest.fixture
def folder(tmp_path: Path) -> Path:
    for name in ("a", "b", "c"):
        write_tiny_prior(tmp_path / "priors" / name)
    return tmp_path / "priors"


def one(folder: Path) -> int:
    return LoadedPriors(PriorCatalogue(folder), "cpu", 0).get("a").weight_bytes


def test_priors_stay_in_memory_while_they_fit(folder: Path) -> None:
    priors = LoadedPriors(PriorCatalogue(folder), "cpu", 2 * one(folder))
    first = priors.get("a")
    priors.get("b")
    assert priors.get("a") is first
    priors.get("c")  # b was used least recently
    assert priors.names == ("a", "c")
    assert priors.get("a") is first
    priors.get("b")
    assert priors.names == ("a", "b")


def test_a_prior_larger_than_the_budget_is_loaded_alone(folder: Path) -> None:
    priors = LoadedPriors(PriorCatalogue(folder), "cpu", 1)
    first = priors.get("a")
    assert priors.get("a") is first
    priors.get("b")
    assert priors.names == ("b",)


def test_only_files_that_are_loaded_count(folder: Path) -> None:
    for name in ("b/optimizer.bin", "b/checkpoint.safetensors"):
        with open(folder / name, "wb") as file:
            file.truncate(2**30)  # without content: takes no space
    priors = LoadedPriors(PriorCatalogue(folder), "cpu", 2 * one(folder))
    priors.get("a")
    priors.get("b")
    assert priors.names == ("a", "b")


def test_a_weight_file_is_offered_by_its_name(folder: Path) -> None:
    torch.save(random_state(SMALL), folder / "mine.pt")
    (folder / "mine.json").write_text(json.dumps({"image_size": 8, "head_channels": 16, "licence": "CC0"}))
    torch.save({"weight": torch.zeros(1)}, folder / "other.pt")
    names = {info.name: info for info in PriorCatalogue(folder).all()}
    assert (names["mine"].image_shape, names["mine"].licence) == ((3, 8, 8), "CC0")
    assert "other" not in names
    assert LoadedPriors(PriorCatalogue(folder), "cpu", 0).get("mine").image_shape == (3, 8, 8)


def test_the_catalogue_says_where_a_prior_is_from(make_settings: MakeSettings, folder: Path) -> None:
    card = json.loads((folder / "b" / "card.json").read_text())
    changes = {"licence": "CC0", "summary": "shapes", "training": {"data": "drawings"}}
    (folder / "b" / "card.json").write_text(json.dumps({**card, **changes}))
    with TestClient(create_app(make_settings(priors=folder, prior="a"), Idle())) as client:
        entries = {entry["name"]: entry for entry in client.get("/v1/priors").json()["priors"]}
    told = {name: tuple(entries[name][key] for key in ("licence", "source", "summary")) for name in ("a", "b")}
    assert told == {"a": ("unknown", "none: random weights", ""), "b": ("CC0", "drawings", "shapes")}


def test_the_catalogue_says_what_a_worker_has_in_memory(settings: Settings) -> None:
    with TestClient(create_app(settings, Idle())) as client:
        store = Store(settings.store_url)
        store.report_worker(WorkerRow("w", "ready", priors=("tiny-rgb",)))
        store.close()
        loaded = {entry["name"]: entry["loaded"] for entry in client.get("/v1/priors").json()["priors"]}
    assert (loaded["tiny"], loaded["tiny-rgb"]) == (False, True)


def test_a_worker_reports_its_priors(make_settings: MakeSettings) -> None:
    worker = Worker("w", make_settings())
    worker.priors.get("tiny")
    worker._announce("ready")
    assert [row.priors for row in worker.store.workers_seen(60)] == [("tiny",)]
    worker.store.close()


def test_priors_are_offered_by_name_and_broken_ones_left_out(tmp_path: Path, priors_dir: Path, caplog: pytest.LogCaptureFixture) -> None:
    folder = tmp_path / "priors"
    (folder / "broken").mkdir(parents=True)
    (folder / "broken" / "card.json").write_text("{")
    (folder / "mine").symlink_to(priors_dir / "tiny")
    catalogue = PriorCatalogue(folder)
    names = [info.name for info in catalogue.all()]
    assert "mine" in names
    assert "broken" not in names
    assert "broken" in caplog.text
    with pytest.raises(UnknownPriorError, match="mine"):
        catalogue.get("broken")
