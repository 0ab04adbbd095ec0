"""Training of unconditional diffusion priors (``dpnp train``)."""

from dpnp.training.checkpoint import CheckpointError
from dpnp.training.config import NetworkConfig, TrainConfig
from dpnp.training.data import DatasetError, ImageDataset, TrainingData
from dpnp.training.kernels import KernelDataset
from dpnp.training.load import load_dataset
from dpnp.training.loop import About, Trainer
from dpnp.training.pictures import Preparation

__all__ = [
    "About",
    "CheckpointError",
    "DatasetError",
    "ImageDataset",
    "KernelDataset",
    "NetworkConfig",
    "Preparation",
    "TrainConfig",
    "Trainer",
    "TrainingData",
    "load_dataset",
]
