"""From a watched movement and the trainee's traces to one weight update; knows no chip."""

import torch
from torch import Tensor

from smallbot.one_shot.model import ModelConfig, OneShotModel
from smallbot.snn.eligibility import Eligibility, eprop_update
from smallbot.snn.filters import filtered
from smallbot.snn.unroll import Trial, unroll

__all__ = ['Eligibility', 'generator_trial', 'learning_signals', 'weight_update']


def generator_trial(config: ModelConfig, weights: dict[str, Tensor], tip_path: Tensor,
                    products: torch.dtype | None = None) -> tuple[Tensor, Trial]:
    """Run the learning signal generator over the tool-tip path of demonstrated movements.

    Parameters: `tip_path` [B, T, 3], m, the tool tip after each step; `products` as in `unroll`.
    Returns learning signals [T, B, N] and what the generator's K neurons did; differentiable in
    the weights.
    Source: Ortner et al. 2025, equation 17; the population code is ours.
    """
    path = tip_path.transpose(0, 1)
    rates = torch.gradient(path, spacing=config.step_seconds, dim=0)[0]
    ahead = (torch.arange(config.steps) + config.preview_steps).clamp_max(config.steps - 1)
    path, rates = path[ahead], rates[ahead]
    clock = config.clock(tip_path)[:, None].expand(-1, path.shape[1], -1)
    inputs = torch.cat([config.encode(path, rates), clock], dim=-1)
    trial = unroll(inputs @ weights['generator_in'].T, weights['generator_rec'].T,
                   weights['generator_out'].T, config.generator, products)
    return filtered(trial.output, config.readout_decay), trial


@torch.no_grad()
def learning_signals(model: OneShotModel, tip_path: Tensor) -> Tensor:
    """Return the learning signals [B, T, N] for tool-tip paths [B, T, 3] in metres."""
    signals, _ = generator_trial(model.config, model.weights, tip_path.float())
    return signals.transpose(0, 1)


@torch.no_grad()
def weight_update(model: OneShotModel, eligibility: Eligibility, signals: Tensor) -> Tensor:
    """Return the one update dW [B, N, N_in + N] for learning signals [B, T, N].

    Self-connections, which do not exist, get exactly zero.
    """
    delta = eprop_update(eligibility, signals.transpose(0, 1), model.config.inner_rate)
    return delta.transpose(1, 2) * model.config.synapse_mask()
