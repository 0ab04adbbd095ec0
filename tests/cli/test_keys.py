"""``dpnp keys``."""

from __future__ import annotations

from pathlib import Path

from app.store import Store
from tests.cli.conftest import Dpnp


def test_a_key_is_added_listed_and_revoked(dpnp: Dpnp, tmp_path: Path) -> None:
    key = dpnp("keys", "add", "alice").stdout.strip()
    store = Store(f"sqlite:///{tmp_path / 'data' / 'dpnp.sqlite3'}")
    owner = store.key_owner(key)
    assert owner is not None
    listed = dpnp("keys", "list").stdout
    assert listed.startswith(f"alice: id {owner}, added ")
    assert key.split("_", 2)[2] not in listed
    assert dpnp("keys", "revoke", "alice").exit_code == 0
    assert store.key_owner(key) is None
    store.close()
    assert "revoked" in dpnp("keys", "list").stdout


def test_wrong_names_are_usage_errors(dpnp: Dpnp) -> None:
    assert "no keys" in dpnp("keys", "list").stderr
    dpnp("keys", "add", "alice")
    for arguments, words in ((("add", "alice"), "already"), (("add", " "), "characters"), (("revoke", "bob"), "no key named 'bob'")):
        done = dpnp("keys", *arguments)
        assert done.exit_code == 2
        assert words in done.output
