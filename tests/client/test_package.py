"""The distribution stands alone."""

import inspect
import subprocess
import sys
from pathlib import Path

import pytest

import dpnp_client
from dpnp_client import aio, client

HEAVY = ("torch", "pydantic", "app", "dpnp", "operators", "PIL", "matplotlib")


def test_import_needs_no_torch_and_nothing_of_the_service() -> None:
    code = f"import sys, dpnp_client; print([m for m in {HEAVY} if m in sys.modules])"
    done = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True)
    assert done.stdout.strip() == "[]"


def test_types_are_published() -> None:
    assert (Path(dpnp_client.__file__).parent / "py.typed").is_file()


@pytest.mark.parametrize(
    ("blocking", "asynchronous"),
    [(client.Client, aio.AsyncClient), (client.Job, aio.AsyncJob), (client.Result, aio.AsyncResult)],
    ids=lambda c: c.__name__,
)
def test_twins_have_the_same_methods_arguments_and_words(blocking: type, asynchronous: type) -> None:
    public = {name for name in dir(blocking) if not name.startswith("_")}
    assert public == {name for name in dir(asynchronous) if not name.startswith("_")}
    for name in public:
        one, other = inspect.getattr_static(blocking, name), inspect.getattr_static(asynchronous, name)
        assert inspect.getdoc(one) == inspect.getdoc(other)
        if inspect.isfunction(one):
            assert inspect.signature(one).parameters == inspect.signature(other).parameters
