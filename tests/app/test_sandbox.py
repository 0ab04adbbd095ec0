"""Uploads are decoded in a process that may crash, hang or grow without harm to the service."""

from __future__ import annotations

import os
import signal
import socket
import threading
import time
from collections.abc import Iterator
from pathlib import Path

import numpy as np
import pytest
from starlette.testclient import TestClient

from app.uploads import NotAMeasurementError, TooDemandingError, TooManyPixelsError, UnreadableFileError, decode
from app.uploads.decode import Decoded
from app.uploads.sandbox import Sandbox
from tests.app.answers import folders, problem
from tests.app.helpers import MEASUREMENT, npy, picture, post, spec, until

RNG = np.random.default_rng(0)
GREY = RNG.integers(0, 256, (300, 400), dtype=np.uint8)
MIB = 2**20
PLENTY = {"seconds": 30, "memory": 512 * MIB}


@pytest.fixture(scope="module")
def sandbox() -> Iterator[Sandbox]:
    sandbox = Sandbox()
    yield sandbox
    sandbox.stop()


def process(sandbox: Sandbox) -> int:
    sandbox.start()
    assert sandbox._process is not None
    return sandbox._process.pid


@pytest.fixture
def tricked(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Sandbox]:
    """A sandbox whose decoder does what the file says, in Python."""
    (tmp_path / "trick.py").write_text(
        "import runpy, sys, app.uploads\n"
        "def decode(content, max_pixels, *, photograph):\n"
        "    space = {}\n"
        "    exec(content.decode(), space)\n"
        "    return space['array']\n"
        "sys.modules['app.uploads.decode'].decode = decode\n"
        "runpy.run_module('app.uploads.host', run_name='__main__')\n"
    )
    monkeypatch.setenv("PYTHONPATH", str(tmp_path))
    monkeypatch.setattr("app.uploads.sandbox.MODULE", "trick")
    sandbox = Sandbox()
    yield sandbox
    sandbox.stop()


@pytest.mark.parametrize("content", [npy(GREY), npy(np.float64(GREY)), picture(GREY), picture(GREY, "JPEG"), npy(np.zeros((0, 3)))])
def test_the_sandbox_decodes_as_the_library(sandbox: Sandbox, content: bytes) -> None:
    array = sandbox.decode(content, MIB, **PLENTY)
    np.testing.assert_array_equal(array, decode(content, MIB))
    assert (array.dtype, array.flags.writeable) == (np.float32, True)


@pytest.mark.parametrize(
    ("content", "error"), [(b"%PDF", NotAMeasurementError), (picture(GREY)[:-300], UnreadableFileError), (npy(GREY), TooManyPixelsError)]
)
def test_its_errors_are_those_of_the_library(sandbox: Sandbox, content: bytes, error: type[Exception]) -> None:
    with pytest.raises(error) as known:
        decode(content, 1000)
    with pytest.raises(error) as found:
        sandbox.decode(content, 1000, **PLENTY)
    assert str(found.value) == str(known.value)


def test_memory_is_limited(sandbox: Sandbox) -> None:
    large = picture(np.zeros((3000, 3000), dtype=np.uint8))  # 9 MB as bytes, 36 MB as floats
    with pytest.raises(TooDemandingError, match="32 MiB"):
        sandbox.decode(large, 10**9, seconds=30, memory=32 * MIB)
    assert sandbox.decode(large, 10**9, **PLENTY).shape == (1, 3000, 3000)


@pytest.mark.parametrize(
    "hang", ["while True: pass", "import time; time.sleep(60)", "import os, signal; os.kill(os.getpid(), signal.SIGSTOP)"]
)
def test_time_is_limited(tricked: Sandbox, hang: str, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.uploads.sandbox.GRACE_SECONDS", 1)
    tricked.start()
    started = time.monotonic()
    with pytest.raises(TooDemandingError, match=r"0\.5 s of"):
        tricked.decode(hang.encode(), 100, seconds=0.5, memory=64 * MIB)
    assert time.monotonic() - started < 20
    assert tricked.decode(OKAY, 100, **PLENTY).tolist() == [1.0, 2.0]


def test_a_decoder_that_stopped_itself_ends_with_the_sandbox(tricked: Sandbox, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr("app.uploads.sandbox.GRACE_SECONDS", 0.2)
    host = process(tricked)
    tricked.decode(OKAY, 100, **PLENTY)
    with pytest.raises(TooDemandingError):
        tricked.decode(b"import os, signal; os.kill(os.getpid(), signal.SIGSTOP)", 100, seconds=0.2, memory=64 * MIB)
    child = until(lambda: Path(f"/proc/{host}/task/{host}/children").read_text().strip(), what="the decoder")
    until(lambda: Path(f"/proc/{child}/stat").read_text().split()[2] == "T", what="its stop")
    tricked.stop()
    until(lambda: not Path(f"/proc/{child}").exists(), 10, "its end")


OKAY = b"import numpy; array = numpy.array([1, 2], dtype='float32')"


@pytest.mark.parametrize(
    "crash",
    [
        "import os; os.abort()",
        "import ctypes; ctypes.string_at(0)",
        "import os; os._exit(0)",
        "array = b'x' * 10**9",
        "x = []\nwhile True: x.append(bytearray(10**6))",
    ],
)
def test_a_crash_takes_only_its_own_file(tricked: Sandbox, crash: str) -> None:
    before = process(tricked)
    with pytest.raises(TooDemandingError):
        tricked.decode(crash.encode(), 100, seconds=30, memory=64 * MIB)
    assert tricked.decode(OKAY, 100, **PLENTY).tolist() == [1.0, 2.0]
    assert process(tricked) == before


def test_a_decoder_that_was_taken_over_can_write_no_file(tricked: Sandbox, tmp_path: Path) -> None:
    with pytest.raises(RuntimeError, match="OSError"):
        tricked.decode(
            f"import signal; signal.signal(signal.SIGXFSZ, signal.SIG_IGN)\nopen({str(tmp_path / 'x')!r}, 'w', 1).write('x\\n')".encode(),
            9,
            **PLENTY,
        )


@pytest.mark.parametrize("shape", ["(10**9,)", "(-1, 2)"])
def test_a_decoder_that_was_taken_over_is_not_believed(tricked: Sandbox, shape: str) -> None:
    lie = f"class Liar:\n    shape = {shape}\n    tobytes = lambda self: b''\narray = Liar()"
    with pytest.raises(RuntimeError, match="gave an array of shape"):
        tricked.decode(lie.encode(), 100, **PLENTY)


def test_an_unforeseen_error_is_the_services(tricked: Sandbox) -> None:
    with pytest.raises(RuntimeError, match="ZeroDivisionError"):
        tricked.decode(b"1 / 0", 100, **PLENTY)


def test_a_killed_process_is_started_again(sandbox: Sandbox) -> None:
    before = process(sandbox)
    os.kill(before, signal.SIGKILL)
    until(lambda: Path(f"/proc/{before}/stat").read_text().split()[2] == "Z")
    np.testing.assert_array_equal(sandbox.decode(MEASUREMENT, 100, **PLENTY), np.zeros((1, 2, 2)))
    assert process(sandbox) != before


def test_the_process_ends_with_the_service() -> None:
    sandbox = Sandbox()
    pid = process(sandbox)
    assert Path(f"/proc/{pid}").exists()
    sandbox.stop()
    assert not Path(f"/proc/{pid}").exists()


def test_files_are_decoded_side_by_side(tricked: Sandbox) -> None:
    tricked.start()
    slow = threading.Thread(target=lambda: tricked.decode(b"import time; time.sleep(3)\n" + OKAY, 100, **PLENTY))
    slow.start()
    tricked.decode(OKAY, 100, **PLENTY)
    assert slow.is_alive()
    slow.join()


def test_a_demanding_upload_is_413_and_leaves_nothing(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    def demanding(*_: object, **__: object) -> None:
        raise TooDemandingError("expected a file that can be decoded in 10 s and 512 MiB, got one that cannot")

    monkeypatch.setattr(Sandbox, "decode_measurement", demanding)
    assert "10 s" in problem(post(client), 413)["detail"]
    assert folders(client) == []


def test_uploads_leave_threads_to_the_other_calls(client: TestClient, monkeypatch: pytest.MonkeyPatch) -> None:
    released = threading.Event()
    decoded = Decoded(np.zeros((1, 2, 2), dtype=np.float32))
    monkeypatch.setattr(Sandbox, "decode_measurement", lambda *_, **__: released.wait(60) and decoded)
    uploads = [threading.Thread(target=post, args=[client]) for _ in range(50)]
    for upload in uploads:
        upload.start()
    time.sleep(0.5)
    answers = [client.get("/v1/jobs").status_code for _ in range(3)]
    released.set()
    for upload in uploads:
        upload.join()
    assert answers == [200, 200, 200]
    assert len(client.get("/v1/jobs?limit=100").json()["jobs"]) == 50


def test_no_address_in_a_request_is_ever_visited(client: TestClient) -> None:
    with socket.create_server(("127.0.0.1", 0)) as listener:
        listener.setblocking(False)
        url = f"http://127.0.0.1:{listener.getsockname()[1]}/x"
        assert post(client, url.encode()).status_code == 415
        assert post(client, given=spec(prior=url)).status_code == 422
        assert post(client, given=spec(operator={"name": url})).status_code == 422
        assert client.post("/v1/jobs", files={"spec": (None, "{}"), "measurement": (None, url)}).status_code == 422
        with pytest.raises(BlockingIOError):
            listener.accept()
