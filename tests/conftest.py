"""Test-wide settings."""

import os

os.environ.setdefault("OMP_NUM_THREADS", "1")  # the networks here are tiny: threads would only wait for each other

import torch

torch.set_num_threads(1)
