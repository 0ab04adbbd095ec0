"""What a result's numbers mean: mixing of long runs, and sentences for what to doubt."""

from __future__ import annotations

from collections.abc import Mapping

from torch import Tensor

MIN_DRAWS = 4  # per chain, for split R-hat
MAX_PIXELS = 256  # pixels that the mixing diagnostics look at, evenly spaced
R_HAT_LIMIT, ESS_PER_CHAIN = 1.01, 50.0
LEAST_ACCEPTANCE = 0.2  # a high one is no doubt: steps start large, and HMC's are bounded
RESIDUAL_RANGE = (0.5, 1.5)
DEGENERATE = 0.1  # of the population


def mixing(draws: Tensor) -> dict[str, float]:
    """Worst rank-normalised split R-hat, bulk and tail effective sample size, and Monte Carlo error over pixels (Vehtari et al. 2021).

    ``draws`` (chains, draws, C, H, W). Computed by ArviZ. ``mcse_over_std`` is the Monte Carlo error of the mean in posterior standard
    deviations. Empty for fewer than four draws per chain, which cannot tell.
    """
    if draws.shape[1] < MIN_DRAWS:
        return {}
    import arviz

    flat = draws.flatten(2).double()
    stride = max(1, flat.shape[2] // MAX_PIXELS)
    data = arviz.convert_to_dataset({"x": flat[..., ::stride].numpy()})
    std = data["x"].std(("chain", "draw"))
    return {
        "r_hat_max": float(arviz.rhat(data)["x"].max()),
        "ess_bulk_min": float(arviz.ess(data, method="bulk")["x"].min()),
        "ess_tail_min": float(arviz.ess(data, method="tail")["x"].min()),
        "mcse_over_std_max": float((arviz.mcse(data)["x"] / std).max()),
    }


def doubts(numbers: Mapping[str, float], chains: int) -> list[str]:
    """Sentences about what the diagnostics say is wrong; empty when nothing is."""
    found: list[str] = []
    if numbers.get("r_hat_max", 1.0) > R_HAT_LIMIT:
        found.append(f"the chains have not mixed: R-hat is {numbers['r_hat_max']:.3f} at the worst pixel (1.01 is good); use more burn_in")
    if numbers.get("ess_bulk_min", float("inf")) < ESS_PER_CHAIN * chains:
        found.append(
            f"few effective draws: {numbers['ess_bulk_min']:.0f} at the worst pixel for {chains} chains ({ESS_PER_CHAIN:.0f} each are"
            " recommended); use more draws_per_chain or thinning"
        )
    acceptance = numbers.get("acceptance", 1.0)
    if acceptance < LEAST_ACCEPTANCE:
        found.append(
            f"the consistency chains accept {acceptance:.0%} of their steps (at least {LEAST_ACCEPTANCE:.0%} is healthy);"
            " use more mala_steps"
        )
    residual = numbers["data_residual"]
    if not RESIDUAL_RANGE[0] <= residual <= RESIDUAL_RANGE[1]:
        found.append(f"the samples do not fit the measurement as its noise level says: a residual of {residual:.2f} instead of 1")
    for name, what in (("effective_sample_size", "effective sample size"), ("distinct_ancestors", "number of distinct ancestors")):
        if name in numbers and numbers[name] < DEGENERATE * chains:
            found.append(f"the population is degenerate: its {what} is {numbers[name]:.0f} of {chains}; use more samples or iterations")
    return found
