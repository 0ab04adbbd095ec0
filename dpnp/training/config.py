"""Every number of a training run in one place; saved in the checkpoint and in the prior's card."""

from __future__ import annotations

from typing import Literal

from pydantic import BaseModel, ConfigDict, Field

from dpnp.priors.base import ImageShape


class NetworkConfig(BaseModel):
    """Size of the ``diffusers.UNet2DModel``: one resolution per entry of ``channels``, attention at the coarsest.

    The network sees ``patch`` x ``patch`` pixels as channels of one: on a CPU, wide layers on few pixels beat narrow layers on many.
    """

    model_config = ConfigDict(frozen=True, extra="forbid")

    patch: int = Field(2, ge=1)
    channels: tuple[int, ...] = (64, 128, 192)
    layers_per_block: int = Field(1, ge=1)
    attention_head_dim: int = 32
    norm_groups: int = 32
    dropout: float = Field(0.0, ge=0, lt=1)

    def padded(self, image_shape: ImageShape) -> tuple[int, int]:
        """The smallest sides (H, W) not under the image's that the network can halve once per resolution after the first."""
        unit = self.patch * 2 ** (len(self.channels) - 1)
        return -(-image_shape[1] // unit) * unit, -(-image_shape[2] // unit) * unit

    def unet_arguments(self, image_shape: ImageShape, in_channels: int | None = None) -> dict[str, object]:
        """Keyword arguments of ``diffusers.UNet2DModel`` for images of ``image_shape`` (and more input channels than the image's)."""
        depth, pixels = len(self.channels), self.patch**2
        height, width = self.padded(image_shape)
        return {
            "sample_size": (height // self.patch, width // self.patch),
            "in_channels": (in_channels or image_shape[0]) * pixels,
            "out_channels": image_shape[0] * pixels,
            "layers_per_block": self.layers_per_block,
            "block_out_channels": list(self.channels),
            "down_block_types": ["DownBlock2D"] * (depth - 1) + ["AttnDownBlock2D"],
            "up_block_types": ["AttnUpBlock2D"] + ["UpBlock2D"] * (depth - 1),
            "attention_head_dim": self.attention_head_dim,
            "norm_num_groups": self.norm_groups,
            "resnet_time_scale_shift": "scale_shift",
            "dropout": self.dropout,
        }


class TrainConfig(BaseModel):
    """An EDM training run (Karras et al. 2022): loss weighting, log-normal noise levels, EMA, cosine learning rate."""

    model_config = ConfigDict(frozen=True, extra="forbid")

    steps: int = Field(5000, ge=1)
    batch_size: int = Field(32, ge=1)
    learning_rate: float = Field(1e-3, gt=0)
    warmup_steps: int = Field(200, ge=0)
    ema_decay: float = Field(0.999, ge=0, lt=1)
    gradient_clip: float = Field(1.0, gt=0)
    horizontal_flips: bool = True
    linear_rank: int = Field(256, ge=0, description="principal components of the linear denoiser; 0 is EDM's scalar skip connection")
    log_sigma_mean: float = Field(-0.7, description="ln(sigma) of training noise is normal with this mean ...")
    log_sigma_std: float = Field(1.3, gt=0, description="... and this standard deviation")
    seed: int = 0
    precision: Literal["float32", "bfloat16"] = "bfloat16"
    compile: bool = False
    accumulate: int = Field(1, ge=1, description="parts that a batch is computed in, when it does not fit into memory at once")
    sample_images: int = Field(8, ge=0, description="unconditional samples that are drawn at every check; 0 for none")
    validate_every: int = Field(250, ge=1)
    validation_images: int = Field(128, ge=1, description="images of the checks during training; the last one uses all")
    checkpoint_every: int = Field(100, ge=1)
    network: NetworkConfig = NetworkConfig()
