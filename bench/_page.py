"""What the benchmarks' README pages have in common: tables between two markers, with the machine and the date."""

from __future__ import annotations

import datetime
import os
import platform
from collections.abc import Sequence
from pathlib import Path

import torch

BEGIN, END = "<!-- results: begin -->", "<!-- results: end -->"


def put_results(page: Path, text: str) -> None:
    """Replace what stands between the markers of ``page`` (made when absent) by ``text``."""
    old = page.read_text() if page.exists() else f"{BEGIN}\n{END}\n"
    page.write_text(old[: old.index(BEGIN)] + f"{BEGIN}\n{text}" + old[old.index(END) :])


def table(title: str, header: Sequence[str], rows: Sequence[Sequence[str]]) -> str:
    """A titled Markdown table."""
    lines = ["| " + " | ".join(cells) + " |" for cells in (header, ["---"] * len(header), *rows)]
    return f"\n**{title}**\n\n" + "\n".join(lines) + "\n"


def measured_on(device: torch.device) -> str:
    """Date and machine as a sentence."""
    name = torch.cuda.get_device_name(device) if device.type == "cuda" else f"{_processor()}, {os.cpu_count()} cores"
    return f"Measured on {datetime.date.today():%Y-%m-%d}: {name}, torch {torch.__version__}, {torch.get_num_threads()} thread(s).\n"


def _processor() -> str:
    """The processor's name where Linux tells it."""
    info = Path("/proc/cpuinfo")
    lines = info.read_text().splitlines() if info.exists() else []
    names = [line.split(":", 1)[1].strip() for line in lines if line.startswith("model name")]
    return names[0] if names else f"{platform.machine()} CPU"
