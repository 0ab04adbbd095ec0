"""Guided-diffusion state dicts: recognised from their shapes, and equal to a plain implementation of each block."""

import json

import pytest
import torch
from safetensors.torch import save_file

import dpnp
from dpnp.priors import adm
from dpnp.priors.adm.architecture import recognise
from dpnp.priors.adm.unet import Attention, ResBlock
from tests.dpnp.priors.hostile import Bomb
from tests.dpnp.priors.plain_adm import FFHQ_10M, IMAGENET_256, SMALL, VARIANTS, Plain, Spec, random_state, shapes

NOTES = {"image_size": 8, "head_channels": 16, "licence": "CC0", "source": "noise", "summary": "random"}


def write(path, state=None, **notes):
    torch.save(random_state(SMALL) if state is None else state, path)
    path.with_suffix(".json").write_text(json.dumps({**NOTES, **notes}))
    return path


@pytest.mark.parametrize(("spec", "millions"), [(IMAGENET_256, 552.8), (FFHQ_10M, 93.6)])
def test_the_two_published_architectures_have_exactly_these_tensors(spec, millions):
    wanted = shapes(spec)
    found = recognise(wanted)
    network = adm.build(found)
    assert {key: tuple(value.shape) for key, value in network.state_dict().items()} == wanted
    assert sum(p.numel() for p in network.parameters()) / 1e6 == pytest.approx(millions, abs=0.06)
    assert found.image_size == 256
    assert found.attention == tuple(2**level in spec.attention for level in range(6))


def assert_equals_plain(spec, head_channels, legacy):
    state = random_state(spec)
    network = adm.build(recognise(shapes(spec)), head_channels=head_channels, legacy=legacy)
    network.load_state_dict(state, assign=True)
    x = torch.randn(2, spec.colours, 8, 16, generator=torch.Generator().manual_seed(1))
    t = torch.tensor([3.0, 612.37])
    expected = Plain(state, spec, head_channels, legacy)(x, t)
    assert expected.std() > 0.3
    with torch.no_grad():
        assert (network(x, t) - expected).abs().max() < 1e-5 * expected.abs().max()


@pytest.mark.parametrize("name", VARIANTS)
def test_every_variant_equals_the_plain_implementation(name):
    assert_equals_plain(VARIANTS[name], head_channels=16, legacy=True)


def test_a_half_precision_file_of_ffhq_10m_has_the_activations_of_the_plain_implementation(tmp_path):
    """The very names, shapes and 64-channel heads of the published file, 187 MB of random numbers, on a quarter of its sides."""
    state = {name: value.half() for name, value in random_state(FFHQ_10M).items()}
    torch.save(state, tmp_path / "ffhq_10m.pt")
    network = dpnp.load_prior(tmp_path / "ffhq_10m.pt", device="cpu", precision="float32").network
    x, t = torch.randn(1, 3, 64, 64, generator=torch.Generator().manual_seed(1)), torch.tensor([612.37])
    expected = Plain({name: value.float() for name, value in state.items()}, FFHQ_10M, 64)(x, t)
    assert expected.std() > 0.1
    with torch.no_grad():
        assert (network(x, t) - expected).abs().max() < 1e-5 * expected.abs().max()


def test_the_new_order_of_attention_channels():
    assert_equals_plain(SMALL, head_channels=16, legacy=False)


def test_each_block_equals_its_plain_formula():
    spec = Spec(32, (1, 2), 1, (2,))
    state = random_state(spec)
    network, plain = adm.build(recognise(shapes(spec)), head_channels=16), Plain(state, spec, 16)
    network.load_state_dict(state, assign=True)
    network.double()
    g = torch.Generator().manual_seed(0)
    emb = torch.randn(2, 128, dtype=torch.float64, generator=g)
    for name, layer in network.named_modules():
        if isinstance(layer, ResBlock | Attention):
            channels = (layer.in_layers[0] if isinstance(layer, ResBlock) else layer.norm).num_channels
            x = torch.randn(2, channels, 4, 6, dtype=torch.float64, generator=g)
            change = {"up": adm_up, "down": adm_down, None: None}[getattr(layer, "direction", None)]
            expected = plain.attention(name, x) if isinstance(layer, Attention) else plain.res(name, x, emb, change)
            assert torch.allclose(layer(x, emb), expected, atol=1e-5), name


def adm_up(x):
    return x.repeat_interleave(2, -1).repeat_interleave(2, -2)


def adm_down(x):
    return x.unflatten(-1, (-1, 2)).mean(-1).unflatten(-2, (-1, 2)).mean(-2)


def test_a_file_becomes_the_denoiser_of_its_epsilon(tmp_path):
    prior = dpnp.load_prior(write(tmp_path / "mine.pt"), device="cpu")
    assert (prior.name, prior.image_shape) == ("mine", (3, 8, 8))
    x = torch.randn(1, 3, 8, 8, generator=torch.Generator().manual_seed(1))
    abar = torch.cumprod(1 - torch.linspace(1e-4, 0.02, 1000, dtype=torch.float64), 0)[[300]].reshape(1, 1, 1, 1)
    epsilon = Plain(random_state(SMALL), SMALL, 16)(x, torch.tensor([300.0]))[:, :3]
    sigma = ((1 - abar) / abar).sqrt()
    expected = x / abar.sqrt() - sigma * epsilon
    got = prior.denoise((x / abar.sqrt()).float(), sigma.flatten().float())
    assert (got - expected).abs().max() < 1e-3  # the time is right to float32's seven digits of 1000


def test_half_precision_and_safetensors_files_are_the_same_prior(tmp_path):
    half = {k: v.half() for k, v in random_state(SMALL).items()}
    first = dpnp.load_prior(write(tmp_path / "half.pt", half), device="cpu")
    save_file({k: v.float() for k, v in half.items()}, tmp_path / "full.safetensors")
    (tmp_path / "full.json").write_text(json.dumps(NOTES))
    second = dpnp.load_prior(tmp_path / "full.safetensors", device="cpu")
    x, sigma = torch.ones(1, 3, 8, 8), torch.tensor([0.7])
    assert first.state_dict()["out.2.weight"].dtype == torch.float32
    assert torch.allclose(first.denoise(x, sigma), second.denoise(x, sigma), atol=1e-6)


def test_the_cosine_schedule_is_diffusers(tmp_path):
    from diffusers import DDPMScheduler

    prior = dpnp.load_prior(write(tmp_path / "cosine.pt", noise_schedule="cosine", steps=500), device="cpu")
    abar = DDPMScheduler(500, beta_schedule="squaredcos_cap_v2").alphas_cumprod.double()
    low, high = ((1 - abar) / abar).sqrt()[[0, -1]].tolist()
    assert prior.sigma_range == pytest.approx((low, high), rel=1e-3)


def test_the_catalogue_reads_shapes_alone(tmp_path):
    entry = dpnp.priors.prior_info(write(tmp_path / "mine.pt"))
    assert (entry.name, entry.image_shape, entry.licence, entry.source, entry.summary) == ("mine", (3, 8, 8), "CC0", "noise", "random")


def test_a_pickle_with_code_is_refused_and_nothing_is_executed(tmp_path):
    path = write(tmp_path / "bad.pt", {"out.2.weight": Bomb(tmp_path / "executed")})
    with pytest.raises(dpnp.PriorError, match="something else than tensors in it; nothing in it was executed"):
        dpnp.load_prior(path, device="cpu")
    assert not (tmp_path / "executed").exists()


def without(state, key):
    return {k: v for k, v in state.items() if k != key}


@pytest.mark.parametrize(
    ("state", "message"),
    [
        ({**random_state(SMALL), "label_emb.weight": torch.zeros(1000, 128)}, r"class-conditional \(1000 classes\)"),
        (
            without(random_state(SMALL), "middle_block.0.in_layers.0.bias"),
            r"middle_block\.0\.in_layers\.0\.bias is missing.*; 1 tensors differ",
        ),
        ({**random_state(SMALL), "further": torch.zeros(1)}, r"further is \(1,\), expected none"),
        (
            {"weight": torch.zeros(2, 2)},
            "not the state dict of a guided-diffusion U-Net: 'time_embed.0.weight' is missing; it holds weight",
        ),
        ({"model": random_state(SMALL)}, "is no state dict of tensors, it holds model"),
        (torch.zeros(3), "is no state dict of tensors, it holds Tensor"),
        (random_state(Spec(32, (1, 2), 1, (2,), out=5)), "maps 3 channels to 5"),
    ],
)
def test_other_files_are_refused(tmp_path, state, message):
    with pytest.raises(dpnp.PriorError, match=message):
        dpnp.load_prior(write(tmp_path / "other.pt", state), device="cpu")


@pytest.mark.parametrize(
    ("notes", "message"),
    [
        ({"image_size": None}, r"write it into mine\.json, as image_size"),
        ({"image_size": [8, 10]}, "multiples of 4, got 8 x 10"),
        ({"head_channels": 48}, "cannot have heads of 48"),
        ({"colour": 1}, "colour: Extra inputs are not permitted"),
    ],
)
def test_notes_that_do_not_fit_are_refused(tmp_path, notes, message):
    with pytest.raises(dpnp.PriorError, match=message):
        dpnp.load_prior(write(tmp_path / "mine.pt", **notes), device="cpu")


@pytest.mark.parametrize("suffix", [".pt", ".safetensors"])
def test_damaged_files_are_refused(tmp_path, suffix):
    (tmp_path / f"x{suffix}").write_bytes(b"no weights")
    with pytest.raises(dpnp.PriorError, match=r"damaged|cannot be read"):
        dpnp.load_prior(tmp_path / f"x{suffix}", device="cpu")
