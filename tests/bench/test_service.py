"""The service's benchmark, at a small size: nothing lost, nothing run twice, tables and numbers written."""

from __future__ import annotations

import json
import subprocess
import sys
from pathlib import Path

import pytest

from bench.service.load import Load
from bench.service.overhead import Overhead

ROOT = Path(__file__).parents[2]


@pytest.mark.timeout(300)
def test_a_small_storm_loses_nothing(tmp_path: Path) -> None:
    command = [sys.executable, "-W", "ignore", "-m", "bench.service", "--jobs", "12", "--clients", "4", "--iterations", "3"]
    command += ["--samples", "2", "--repeats", "1", "--out", str(tmp_path)]
    done = subprocess.run(command, cwd=ROOT, capture_output=True, text=True, timeout=280, check=False)
    assert done.returncode == 0, done.stderr
    results = json.loads((tmp_path / "results.json").read_text())
    load, overhead = Load(**results["load"]), Overhead(**results["overhead"])
    assert (load.jobs, load.lost, load.run_twice) == (12, 0, 0)
    assert 0 < load.submit_ms[0] <= load.submit_ms[1]
    assert min(*load.api_memory_mib, *load.worker_memory_mib) > 20
    assert overhead.library_cpu > 0
    assert overhead.service_seconds > 0
    page = (tmp_path / "README.md").read_text()
    assert "12 small jobs from 4 clients" in page
    assert "| lost | 0 |" in page
