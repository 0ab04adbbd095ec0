"""Folders as diffusers writes them, against diffusers' own estimate of the clean image."""

import json
import shutil
from pathlib import Path

import pytest
import torch
from diffusers import DDIMScheduler, DDPMPipeline, DDPMScheduler, PNDMScheduler, ScoreSdeVeScheduler, UNet2DModel
from huggingface_hub import constants

import dpnp
from dpnp.priors import hub, weight_files
from dpnp.priors.diffusers import info
from tests.dpnp.priors.hostile import Bomb

SIZE = {"sample_size": 8, "block_out_channels": (8, 16), "norm_num_groups": 4, "attention_head_dim": 8, "layers_per_block": 1}
BLOCKS = {"down_block_types": ("DownBlock2D", "AttnDownBlock2D"), "up_block_types": ("AttnUpBlock2D", "UpBlock2D")}


def make_unet(**changes):
    torch.manual_seed(0)
    return UNet2DModel(**{**SIZE, **BLOCKS, "in_channels": 3, "out_channels": 3, **changes}).eval()


def write(folder, unet, scheduler, **options):
    unet.save_pretrained(folder, **options)
    if scheduler is not None:
        scheduler.save_pretrained(folder)
    return folder


@pytest.fixture(scope="module")
def original(tmp_path_factory):
    return write(tmp_path_factory.mktemp("diffusers") / "tiny", make_unet(), DDPMScheduler())


@pytest.fixture
def folder(original, tmp_path):
    return Path(shutil.copytree(original, tmp_path / "tiny"))


def edit(path, **changes):
    path.write_text(json.dumps({**json.loads(path.read_text()), **changes}))


def assert_same_as_diffusers(prior, unet, scheduler):
    """At the discrete times, D is the scheduler's own prediction of x0 from the raw network."""
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    scheduler.set_timesteps(scheduler.config.num_train_timesteps)
    for t in (3, 250, 800):
        abar = scheduler.alphas_cumprod[t]
        raw = unet(x, torch.tensor([t]), return_dict=False)[0]
        expected = scheduler.step(raw, t, x).pred_original_sample
        got = prior.denoise(x / abar.sqrt(), ((1 - abar) / abar).sqrt().reshape(1))
        assert torch.allclose(got, expected, rtol=1e-3, atol=1e-3 * expected.abs().max().item())


@pytest.mark.parametrize("prediction", ["epsilon", "sample", "v_prediction"])
@pytest.mark.parametrize("betas", ["linear", "scaled_linear", "squaredcos_cap_v2"])
@pytest.mark.parametrize("kind", [DDPMScheduler, DDIMScheduler])
def test_a_folder_answers_as_diffusers_itself(tmp_path, kind, betas, prediction):
    unet, scheduler = make_unet(), kind(beta_schedule=betas, prediction_type=prediction, clip_sample=False)
    prior = dpnp.load_prior(write(tmp_path / "tiny", unet, scheduler), device="cpu")
    assert prior.image_shape == (3, 8, 8)
    assert prior.name == "tiny"
    assert_same_as_diffusers(prior, unet, scheduler)


def test_pndm_folders_have_the_same_schedule(tmp_path):
    prior = dpnp.load_prior(write(tmp_path / "tiny", make_unet(), PNDMScheduler()), device="cpu")
    assert_same_as_diffusers(prior, make_unet(), DDIMScheduler(clip_sample=False))


def test_a_pipeline_with_learned_variance_and_zero_terminal_snr(tmp_path):
    scheduler = DDPMScheduler(variance_type="learned_range", prediction_type="v_prediction", rescale_betas_zero_snr=True)
    unet = make_unet(out_channels=6, sample_size=(8, 16))
    DDPMPipeline(unet, scheduler).save_pretrained(tmp_path / "pipeline")
    prior = dpnp.load_prior(tmp_path / "pipeline", device="cpu")
    assert prior.image_shape == (3, 8, 16)
    x = torch.randn(2, 3, 8, 16, generator=torch.Generator().manual_seed(1))
    abar = scheduler.alphas_cumprod[400]
    v = unet(x, torch.tensor([400]), return_dict=False)[0][:, :3]
    got = prior.denoise(x / abar.sqrt(), ((1 - abar) / abar).sqrt().expand(2))
    assert torch.allclose(got, abar.sqrt() * x - (1 - abar).sqrt() * v, atol=2e-3)


def test_a_score_sde_folder_works_in_zero_to_one(tmp_path):
    skip = {"down_block_types": ("SkipDownBlock2D", "AttnSkipDownBlock2D"), "up_block_types": ("AttnSkipUpBlock2D", "SkipUpBlock2D")}
    channels = {"block_out_channels": (32, 64), "norm_num_groups": 32}  # these blocks have a fixed number of groups
    unet = make_unet(time_embedding_type="fourier", **skip, **channels)
    prior = dpnp.load_prior(write(tmp_path / "ve", unet, ScoreSdeVeScheduler(sigma_max=100.0)), device="cpu")
    assert prior.sigma_range == (0.02, 200.0)
    x = torch.rand(2, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    sigma = torch.tensor([0.3, 0.7])
    score = unet(x, sigma, return_dict=False)[0]
    expected = 2 * (x + sigma.square().reshape(-1, 1, 1, 1) * score) - 1
    assert torch.allclose(prior.denoise(2 * x - 1, 2 * sigma), expected, atol=1e-4)


def test_the_catalogue_needs_no_weights_and_tells_what_the_user_wrote(folder):
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    (folder / "about.json").write_text('{"licence": "CC0", "source": "shapes", "summary": "tiny"}')
    entry = info(folder)
    assert (entry.name, entry.image_shape, entry.licence, entry.source, entry.summary) == ("tiny", (3, 8, 8), "CC0", "shapes", "tiny")


def test_pickled_weights_are_read_as_tensors_alone(tmp_path, original):
    path = write(tmp_path / "tiny", make_unet(), DDPMScheduler(), safe_serialization=False)
    assert list(path.glob("*.bin"))
    x, sigma = torch.ones(1, 3, 8, 8), torch.tensor([0.5])
    assert torch.allclose(*(dpnp.load_prior(p, device="cpu").denoise(x, sigma) for p in (path, original)), atol=1e-6)


WHOLE, HALF, PARTS = (
    "diffusion_pytorch_model",
    "diffusion_pytorch_model.fp16",
    [f"diffusion_pytorch_model-0000{i}-of-00002" for i in (1, 2)],
)


@pytest.mark.parametrize(
    ("present", "read"),
    [
        ([f"{WHOLE}.safetensors", f"{WHOLE}.bin", f"{HALF}.safetensors", "optimizer.bin"], [f"{WHOLE}.safetensors"]),
        ([f"{WHOLE}.bin", f"{HALF}.bin"], [f"{WHOLE}.bin"]),
        ([f"{part}.safetensors" for part in PARTS] + [f"{WHOLE}.bin"], [f"{part}.safetensors" for part in PARTS]),
    ],
)
@pytest.mark.parametrize("place", [".", "unet"])
def test_the_weights_are_in_the_files_that_are_read(tmp_path, place, present, read):
    folder = tmp_path / place
    folder.mkdir(exist_ok=True)
    for name in ("config.json", *present):
        (folder / name).touch()
    assert weight_files(tmp_path) == [folder / name for name in read]


def test_a_pickle_with_code_is_refused_and_nothing_is_executed(folder, tmp_path):
    (folder / "diffusion_pytorch_model.safetensors").unlink()
    torch.save({"conv_in.weight": Bomb(tmp_path / "executed")}, folder / "diffusion_pytorch_model.bin")
    with pytest.raises(dpnp.PriorError, match="cannot be loaded"):
        dpnp.load_prior(folder, device="cpu")
    assert not (tmp_path / "executed").exists()


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"num_class_embeds": 10}, "class-conditional"),
        ({"class_embed_type": "timestep"}, "class-conditional"),
        ({"_class_name": "UNet2DConditionModel"}, "is a UNet2DConditionModel, expected an unconditional"),
        ({"in_channels": 4}, "maps 4 channels to 3"),
        ({"out_channels": 4}, "maps 3 channels to 4"),
        ({"sample_size": None}, "has sample_size None"),
        ({"block_out_channels": [8, 32]}, "cannot be loaded"),
        ({"layers_per_block": 2}, "do not fit|cannot be loaded"),
        ({"time_embedding_type": "fourier"}, "has a fourier time embedding, expected positional"),
    ],
)
def test_networks_that_are_no_prior_are_refused(folder, changes, message):
    edit(folder / "config.json", **changes)
    with pytest.raises(dpnp.PriorError, match=message):
        dpnp.load_prior(folder, device="cpu")


@pytest.mark.parametrize(
    ("changes", "message"),
    [
        ({"_class_name": "KarrasVeScheduler"}, "unknown scheduler 'KarrasVeScheduler'.*known: DDPMScheduler"),
        ({"prediction_type": "flow"}, "'flow', expected one of"),
        ({"beta_schedule": "none"}, "cannot be used"),
    ],
)
def test_unknown_schedules_are_refused(folder, changes, message):
    edit(folder / "scheduler_config.json", **changes)
    with pytest.raises(dpnp.PriorError, match=message):
        dpnp.load_prior(folder, device="cpu")


def test_a_missing_scheduler_is_refused(folder):
    (folder / "scheduler_config.json").unlink()
    with pytest.raises(dpnp.PriorError, match=r"has no scheduler_config\.json"):
        dpnp.load_prior(folder, device="cpu")


def test_truncated_weights_are_refused(folder):
    weights = folder / "diffusion_pytorch_model.safetensors"
    weights.write_bytes(weights.read_bytes()[:-100])
    with pytest.raises(dpnp.PriorError, match="cannot be loaded"):
        dpnp.load_prior(folder, device="cpu")


def test_a_latent_pipeline_is_refused(folder):
    parts = {"unet": ["diffusers", "UNet2DModel"], "vqvae": ["diffusers", "VQModel"], "scheduler": ["diffusers", "DDIMScheduler"]}
    (folder / "model_index.json").write_text(json.dumps({"_class_name": "LDMPipeline", **parts}))
    with pytest.raises(dpnp.PriorError, match="also has vqvae"):
        dpnp.load_prior(folder, device="cpu")


def fill_cache(cache, folder, repo_id="someone/tiny-ddpm"):
    """The folder as the Hub's client keeps it."""
    commit = "0" * 40
    repo = cache / f"models--{repo_id.replace('/', '--')}"
    (repo / "refs").mkdir(parents=True)
    (repo / "refs" / "main").write_text(commit)
    shutil.copytree(folder, repo / "snapshots" / commit)
    return repo_id


@pytest.fixture
def offline(tmp_path, monkeypatch):
    """What HF_HUB_OFFLINE=1 and HF_HUB_CACHE set when the Hub's client is imported."""
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", True)
    monkeypatch.setattr(constants, "HF_HUB_CACHE", str(tmp_path / "hub"))
    return tmp_path / "hub"


def test_cached_models_load_offline_by_their_id(offline, original):
    prior = dpnp.load_prior(fill_cache(offline, original), device="cpu")
    assert (prior.name, prior.image_shape) == ("someone/tiny-ddpm", (3, 8, 8))


def test_what_is_not_cached_is_a_clear_error_offline(offline):
    message = r"no folder 'someone/else', and the Hugging Face model of that id is neither in the cache .*HF_HUB_OFFLINE is set"
    with pytest.raises(dpnp.PriorError, match=message):
        dpnp.load_prior("someone/else", device="cpu")


def test_no_network_is_a_clear_error(offline, monkeypatch):
    monkeypatch.setattr(constants, "HF_HUB_OFFLINE", False)
    monkeypatch.setattr(constants, "ENDPOINT", "http://127.0.0.1:9")
    with pytest.raises(dpnp.PriorError, match=r"neither in the cache .* nor to be had from the Hub: "):
        dpnp.load_prior("someone/else", device="cpu")


def test_only_ids_are_asked_for():
    assert hub.is_id("google/ddpm-cifar10-32")
    assert not any(hub.is_id(name) for name in ("faces-64", "a/b/c", "../x", "/x/y", "./runs/x"))
