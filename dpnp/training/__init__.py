"""Training of unconditional diffusion priors (``dpnp train``)."""

from dpnp.training.config import NetworkConfig, TrainConfig
from dpnp.training.data import DatasetError, ImageDataset, load_dataset
from dpnp.training.loop import About, Trainer

__all__ = ["About", "DatasetError", "ImageDataset", "NetworkConfig", "TrainConfig", "Trainer", "load_dataset"]
