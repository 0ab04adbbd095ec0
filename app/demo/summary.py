"""The numbers of the demonstration."""

from __future__ import annotations

import math
from typing import Any

import numpy as np

PEAK = 2.0  # peak to peak of the [-1, 1] scale


def psnr(image: np.ndarray, truth: np.ndarray) -> float:
    """Peak signal-to-noise ratio in dB, 10 log10(peak² / mean squared error), in [-1, 1] scale with peak-to-peak 2."""
    error = float(np.mean(np.square(image.astype(np.float64) - truth.astype(np.float64))))
    return math.inf if error == 0 else 10 * math.log10(PEAK**2 / error)


def summarise(truth: np.ndarray, samples: np.ndarray, mean: np.ndarray, result: dict[str, Any], seconds: float) -> dict[str, Any]:
    """What ``summary.json`` holds. ``result`` is the service's JSON of the result."""
    per_sample = [psnr(image, truth) for image in samples]
    nfe = int(result["nfe"])
    return {
        "psnr_mean_db": round(psnr(mean, truth), 3),
        "psnr_samples_db": [round(value, 3) for value in per_sample],
        "psnr_samples_mean_db": round(sum(per_sample) / len(per_sample), 3),
        "data_residual": result["diagnostics"].get("data_residual"),
        "denoiser_calls_per_sample": nfe,
        "denoiser_calls": nfe * len(samples),
        "seconds": round(seconds, 2),
        **{key: result.get(key) for key in ("operator", "prior", "sampler", "n_samples", "seed", "diagnostics", "warnings")},
        **{key: result.get(key) for key in ("timings", "device", "versions")},
    }
