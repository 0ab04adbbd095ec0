"""``dpnp train``: fit an EDM denoiser to a data set and leave a folder that ``load_prior`` takes."""

from __future__ import annotations

import copy
import math
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path

import torch
from torch import Tensor
from tqdm import tqdm

from dpnp.errors import PriorError
from dpnp.priors.edm import EDMDenoiser, EDMPrior
from dpnp.priors.folder import save_prior
from dpnp.priors.linear import LinearDenoiser
from dpnp.priors.network import NetworkPrior, channels_last
from dpnp.training.checkpoint import Progress, check_same_network, load_checkpoint, save_checkpoint, update_ema
from dpnp.training.config import TrainConfig
from dpnp.training.data import TrainingData
from dpnp.training.loss import VALIDATION_SIGMAS, denoising_psnr, edm_loss, training_sigmas
from dpnp.training.samples import save_grid, unconditional_samples
from operators.rng import TRAINING, generator_for

SIGMA_QUANTILE = 3.0  # the card's trained range: this many standard deviations of ln(sigma) each way


def learning_rate(config: TrainConfig, step: int) -> float:
    """Linear warm-up, then half a cosine down to zero at ``config.steps``."""
    warm = min(1.0, (step + 1) / max(1, config.warmup_steps))
    return config.learning_rate * warm * 0.5 * (1 + math.cos(math.pi * min(1.0, step / config.steps)))


def training_batch(data: TrainingData, config: TrainConfig, step: int) -> tuple[Tensor, Tensor, Tensor]:
    """(clean, sigma, noise) of one step: a function of (seed, step) alone, so a resumed run sees the same batches."""
    generator = generator_for(config.seed, TRAINING, step)
    clean = data.batch(config.batch_size, generator)
    if config.horizontal_flips:
        flip = torch.rand(config.batch_size, generator=generator) < 0.5
        clean = torch.where(flip.reshape(-1, 1, 1, 1), clean.flip(-1), clean)
    sigma = training_sigmas(config.batch_size, config.log_sigma_mean, config.log_sigma_std, generator)
    return clean, sigma, torch.randn(clean.shape, generator=generator)


def new_denoiser(data: TrainingData, config: TrainConfig) -> EDMDenoiser:
    """An untrained network around the linear denoiser fitted to the training images."""
    from diffusers import UNet2DModel  # takes seconds to import: only for those who train

    images = data.reference
    if config.linear_rank == 0:
        linear = LinearDenoiser.isotropic(data.image_shape, images.std().item())
    else:
        mirrored = torch.cat([images, images.flip(-1)])[torch.randperm(2 * len(images))] if config.horizontal_flips else images
        linear = LinearDenoiser.fit(mirrored, min(config.linear_rank, images[0].numel(), len(images)))
    channels = data.image_shape[0] * (2 if linear.rank else 1)
    network = UNet2DModel(**config.network.unet_arguments(data.image_shape, channels))
    return EDMDenoiser(network, linear, config.network.patch, config.network.padded(data.image_shape))


@dataclass(frozen=True)
class About:
    """What the prior's card tells people: where the images are from, the weights' licence, one line on what it is a prior of."""

    source: str
    licence: str = "unknown"
    summary: str = ""


class Trainer:
    """One training run in ``folder``: ``checkpoint.pt`` to resume from, ``best/``, the best prior so far, and ``samples/``."""

    def __init__(self, data: TrainingData, config: TrainConfig, folder: Path, *, about: About, device: torch.device) -> None:
        self.data, self.config, self.folder, self.about, self.device = data, config, folder, about, device
        torch.manual_seed(config.seed)
        self.model = channels_last(new_denoiser(data, config).to(device))
        self.ema = copy.deepcopy(self.model).requires_grad_(False)
        self.optimizer = torch.optim.AdamW(self.model.parameters(), lr=config.learning_rate, betas=(0.9, 0.99), weight_decay=0.0)
        self.progress = Progress()
        self._loss: Callable[..., Tensor] = torch.compile(edm_loss) if config.compile else edm_loss

    def resume(self) -> bool:
        """Load ``checkpoint.pt`` if there is one; True when it was. Raises :class:`CheckpointError` when it does not fit this run."""
        state = load_checkpoint(self.folder)
        if state is None:
            return False
        check_same_network(state, self.model, self.config)
        self.model.load_state_dict(state["model"])
        self.ema.load_state_dict(state["ema"])
        self.optimizer.load_state_dict(state["optimizer"])
        self.progress = Progress(**state["progress"])
        return True

    def start_from(self, prior: NetworkPrior) -> None:
        """Begin with the weights of ``prior`` instead of new ones. Raises :class:`dpnp.PriorError` when its network is another."""
        weights = prior.state_dict()
        try:
            self.model.load_state_dict(weights)
        except RuntimeError as error:
            raise PriorError(f"training cannot start from prior {prior.name!r}, its network has other shapes: {error}") from error
        self.ema.load_state_dict(weights)

    def run(self) -> Path:
        """Train to ``config.steps``; returns the folder of the best prior by validation PSNR."""
        config = self.config
        self.folder.mkdir(parents=True, exist_ok=True)
        with tqdm(total=config.steps, initial=self.progress.step, unit="step", dynamic_ncols=True) as bar:
            while self.progress.step < config.steps:
                started = time.perf_counter()
                loss = self.step()
                self.progress.step += 1
                self.progress.seconds += time.perf_counter() - started
                step = self.progress.step
                bar.update()
                bar.set_postfix_str(f"loss {loss:.4f}{self._best()}", refresh=False)
                if step % config.validate_every == 0 or step == config.steps:
                    bar.write(self.validate(last=step == config.steps))
                if step % config.checkpoint_every == 0 or step == config.steps:
                    save_checkpoint(self.folder, self.model, self.ema, self.optimizer, self.progress, config)
        return self.folder / "best"

    def _best(self) -> str:
        best = self.progress.best_psnr
        return f", val {best:.2f} dB" if math.isfinite(best) else ""

    def step(self) -> float:
        """One gradient step on one batch; returns its loss."""
        config, step = self.config, self.progress.step
        for group in self.optimizer.param_groups:
            group["lr"] = learning_rate(config, step)
        self.optimizer.zero_grad(set_to_none=True)
        value = self._backward(training_batch(self.data, config, step))
        torch.nn.utils.clip_grad_norm_(self.model.parameters(), config.gradient_clip)
        self.optimizer.step()
        update_ema(self.ema, self.model, config.ema_decay, step)
        if not math.isfinite(value):
            raise FloatingPointError(f"the training loss is {value} at step {step}; lower the learning rate")
        return value

    def _backward(self, batch: tuple[Tensor, Tensor, Tensor]) -> float:
        """The gradient of the batch's mean loss, in ``config.accumulate`` parts; returns the loss."""
        n, total = len(batch[0]), torch.zeros((), device=self.device)
        for part in zip(*(t.to(self.device).chunk(self.config.accumulate) for t in batch), strict=True):
            clean, sigma, noise = part
            with torch.autocast(self.device.type, torch.bfloat16, enabled=self.config.precision == "bfloat16"):
                loss = self._loss(self.model, clean.to(memory_format=torch.channels_last), sigma, noise) * (len(clean) / n)
            loss.backward()
            total += loss.detach()
        return total.item()

    def validate(self, *, last: bool) -> str:
        """Score the EMA weights on the first validation images; the best so far becomes ``best/``. Returns a line.

        The choice is always made on the same images; after the last step the card gets the scores on all of them.
        """
        low, high = (math.exp(self.config.log_sigma_mean + k * SIGMA_QUANTILE * self.config.log_sigma_std) for k in (-1, 1))
        prior = EDMPrior(copy.deepcopy(self.ema), self.data.image_shape, sigma_range=(low, high))
        images = self.data.validation[: self.config.validation_images]
        scores = self.psnr(prior, images)
        mean = sum(scores.values()) / len(scores)
        if mean >= self.progress.best_psnr:
            self.progress.best_psnr = mean
            if last:
                images = self.data.validation
                scores = self.psnr(prior, images)
            about = self.about
            card = self.card(scores, len(images))
            save_prior(prior, self.folder / "best", training=card, licence=about.licence, summary=about.summary, extra=self.data.card)
        if self.config.sample_images:
            samples = unconditional_samples(prior, self.config.sample_images)
            save_grid(samples, self.folder / "samples" / f"step-{self.progress.step:06d}.png")
        listed = ", ".join(f"{v:.2f} dB at sigma {k}" for k, v in scores.items())
        return f"step {self.progress.step}: denoising PSNR on {len(images)} validation images {listed}"

    def psnr(self, prior: EDMPrior, images: Tensor) -> dict[str, float]:
        """Denoising PSNR by noise level."""
        return {f"{s:g}": denoising_psnr(prior, images, s) for s in VALIDATION_SIGMAS}

    def card(self, scores: dict[str, float], n_images: int) -> dict[str, object]:
        """What the prior's card says of this run."""
        return {
            "data": self.about.source,
            "train_images": self.data.train_images,
            "steps": self.progress.step,
            "hours": round(self.progress.seconds / 3600, 2),
            "device": str(self.device),
            "parameters": sum(p.numel() for p in self.model.parameters()),
            "validation": {"images": n_images, "denoising_psnr_db": {k: round(v, 2) for k, v in scores.items()}},
            "config": self.config.model_dump(mode="json"),
        }
