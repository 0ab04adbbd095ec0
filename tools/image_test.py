"""``make image-test``: builds the image, starts it, waits until it is healthy and samples a job in it.

With Docker where its engine runs; else, as root on Debian, with buildah and podman on a base image that debootstrap makes, without a
registry: apt-get install --no-install-recommends buildah podman runc debootstrap. Where neither is possible it says so and ends well.
"""

from __future__ import annotations

import json
import os
import re
import shutil
import socket
import subprocess
import sys
import tempfile
import time
import urllib.request
from collections.abc import Iterator
from contextlib import contextmanager, suppress
from pathlib import Path

ROOT = Path(__file__).parent.parent
IMAGE, BASE, NAME = "localhost/dpnp:image-test", "localhost/dpnp-base:bookworm", "dpnp-image-test"
MIRROR = "http://deb.debian.org/debian"
TOOLS = ("buildah", "podman", "runc", "debootstrap")
HEALTHY_SECONDS, JOB_SECONDS, STOP_SECONDS = 600, 600, 60
PODMAN = """
[containers]
netns = "host"
default_ulimits = ["nofile=1024:1024", "nproc=1024:1024"]
[engine]
runtime = "runc"
cgroup_manager = "cgroupfs"
events_logger = "file"
"""
SPEC = {
    "operator": {"name": "super_resolution", "factor": 4, "noise_std": 0.1},
    "n_samples": 1,
    "sampler": {"name": "dpnp", "n_iterations": 2, "denoising_steps": 1},
}


def say(words: str) -> None:
    """Tell what happens."""
    print(f"image-test: {words}", flush=True)


def run(*command: str) -> str:
    """Run a command; its output goes to the terminal too. Raises ``CalledProcessError``."""
    say(" ".join(command)[:200])
    return subprocess.run(command, cwd=ROOT, check=True, stdout=subprocess.PIPE, text=True).stdout.strip()


def succeeds(*command: str) -> bool:
    """Whether a command can be run and ends well."""
    with suppress(FileNotFoundError):
        return subprocess.run(command, stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False).returncode == 0
    return False


def build_with_docker() -> None:
    """As a user does."""
    run("docker", "build", "-t", IMAGE, ".")


def build_with_buildah() -> None:
    """In a chroot, with this host's certificates and package index."""
    if not run("buildah", "images", "-q", "--filter", f"reference={BASE}"):
        make_base()
    with tempfile.TemporaryDirectory() as folder:
        mounts = [part for mount in pip_mounts(Path(folder)) for part in ("-v", mount)]
        options = ["--isolation", "chroot", "--format", "docker", "--pull-never", "--build-arg", f"BASE={BASE}", "-t", IMAGE]
        run("buildah", "bud", *options, *mounts, ".")


def make_base() -> None:
    """What ``python:slim`` is elsewhere: Debian with Python."""
    with tempfile.TemporaryDirectory() as folder:
        packages = "ca-certificates,python3,python3-pip,python3-venv"
        run("debootstrap", "--variant=minbase", f"--include={packages}", "bookworm", folder, MIRROR)
        (Path(folder) / "usr/bin/python").symlink_to("python3")
        container = run("buildah", "from", "scratch")
        run("buildah", "add", "-q", container, folder, "/")
        run("buildah", "commit", "-q", "--rm", container, BASE)


def pip_mounts(folder: Path) -> list[str]:
    """Read-only mounts that let pip in the build do what pip here does: its settings, and the files that they name."""
    text = subprocess.run([sys.executable, "-m", "pip", "config", "list"], check=True, stdout=subprocess.PIPE, text=True).stdout
    settings = dict(re.findall(r"^(?:global|:env:)\.([\w-]+)='(.*)'$", text, re.MULTILINE))
    (folder / "pip.conf").write_text("\n".join(["[global]", *(f"{name} = {value}" for name, value in settings.items())]) + "\n")
    named = {Path(path) for value in settings.values() for path in re.findall(r"(?:^|\s|file://)(/[^\s']+)", value)}
    named = {path.parent if path.name == "simple" else path for path in named}  # an index on disk has its files beside it
    certificates = Path("/etc/ssl/certs")
    paths = {path for path in {*named, certificates} if path.exists() and (path == certificates or certificates not in path.parents)}
    return [f"{folder / 'pip.conf'}:/etc/pip.conf:ro", *(f"{path}:{path}:ro" for path in sorted(paths))]


@contextmanager
def container(engine: str, port: int) -> Iterator[str]:
    """The image, running on ``port`` of this host's loopback."""
    network = ["-p", f"127.0.0.1:{port}:8000"] if engine == "docker" else ["-e", f"DPNP_PORT={port}", "-e", "DPNP_HOST=127.0.0.1"]
    subprocess.run([engine, "rm", "-f", NAME], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL, check=False)
    run(engine, "run", "-d", "--name", NAME, "-e", "DPNP_DEVICE=cpu", *network, IMAGE)
    try:
        yield f"http://127.0.0.1:{port}"
    except BaseException:
        subprocess.run([engine, "logs", "--tail", "40", NAME], check=False)
        raise
    finally:
        run(engine, "rm", "-f", NAME)


def wait_until_healthy(engine: str) -> None:
    """Wait for the image's own health check, which Docker runs by itself and podman when it is told to."""
    state = (engine, "inspect", "--format", "{{.State.Health.Status}}", NAME)
    deadline = time.monotonic() + HEALTHY_SECONDS
    while time.monotonic() < deadline:
        healthy = run(*state) == "healthy" if engine == "docker" else succeeds("podman", "healthcheck", "run", NAME)
        if healthy:
            return say("healthy")
        time.sleep(3)
    raise TimeoutError(f"not healthy within {HEALTHY_SECONDS} s")


def multipart(parts: dict[str, bytes]) -> tuple[bytes, dict[str, str]]:
    """A multipart body, without a library: this script must run before anything is installed."""
    head = '--x\r\nContent-Disposition: form-data; name="{0}"; filename="{0}"\r\n\r\n'
    body = b"".join(head.format(name).encode() + content + b"\r\n" for name, content in parts.items()) + b"--x--\r\n"
    return body, {"Content-Type": "multipart/form-data; boundary=x"}


def sample(url: str) -> None:
    """A photograph is measured and sampled in the container."""
    spec = json.dumps(SPEC).encode()
    problem = json.dumps({"operator": SPEC["operator"]}).encode()
    photograph = (ROOT / "app/examples/astronaut.png").read_bytes()
    measurement = call(f"{url}/v1/simulate", *multipart({"image": photograph, "spec": problem}))
    job = json.loads(call(f"{url}/v1/jobs", *multipart({"measurement": measurement, "spec": spec})))
    deadline = time.monotonic() + JOB_SECONDS
    while job["status"] in ("queued", "running") and time.monotonic() < deadline:
        time.sleep(1)
        job = json.loads(call(f"{url}/v1/jobs/{job['id']}"))
    if job["status"] != "succeeded":
        raise RuntimeError(f"the job is {job['status']}: {job['error']}")
    picture = call(f"{url}/v1/jobs/{job['id']}/result/mean.png")
    say(f"sampled; the mean is a picture of {len(picture)} bytes")


def call(url: str, body: bytes | None = None, headers: dict[str, str] | None = None) -> bytes:
    """The body of an answer. Raises ``HTTPError``."""
    with urllib.request.urlopen(urllib.request.Request(url, body, headers or {}), timeout=60) as answer:
        content: bytes = answer.read()
        return content


def check(engine: str) -> None:
    """Start the image and try it."""
    with socket.socket() as listener:
        listener.bind(("127.0.0.1", 0))
        port = listener.getsockname()[1]
    with container(engine, port) as url:
        wait_until_healthy(engine)
        if run(engine, "exec", NAME, "id", "-u") != "10001":
            raise RuntimeError("the service does not run as its own user")
        sample(url)
        started = time.monotonic()
        run(engine, "stop", "-t", str(STOP_SECONDS), NAME)
        say(f"stopped in {time.monotonic() - started:.0f} s")
        if time.monotonic() - started > STOP_SECONDS:
            raise RuntimeError("the service did not end when it was asked to")


def main() -> int:
    """Build and check, or say why not."""
    if succeeds("docker", "info"):
        build_with_docker()
        check("docker")
    elif all(map(shutil.which, TOOLS)) and os.geteuid() == 0:
        with tempfile.TemporaryDirectory() as folder:
            (Path(folder) / "containers.conf").write_text(PODMAN)
            os.environ["CONTAINERS_CONF"] = f"{folder}/containers.conf"
            build_with_buildah()
            check("podman")
    else:
        say(f"skipped: no Docker engine runs here, and {', '.join(TOOLS)} as root are not all there")
        return 0
    say("passed")
    return 0


if __name__ == "__main__":
    sys.exit(main())
