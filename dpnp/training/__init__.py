"""Training of unconditional diffusion priors (``dpnp train``)."""

from dpnp.training.config import NetworkConfig, TrainConfig
from dpnp.training.data import DatasetError, ImageDataset, TrainingData, load_dataset
from dpnp.training.kernels import KernelDataset
from dpnp.training.loop import About, Trainer

__all__ = [
    "About",
    "DatasetError",
    "ImageDataset",
    "KernelDataset",
    "NetworkConfig",
    "TrainConfig",
    "Trainer",
    "TrainingData",
    "load_dataset",
]
