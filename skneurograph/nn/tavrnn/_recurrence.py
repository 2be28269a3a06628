"""Recurrence of the TAVRNN over snapshots, with a hand-written gradient.

A step is made of some thirty small products and element-wise maps; recording each of them
for automatic differentiation (`plain_recurrence`) costs more than computing it. Written out,
what does not depend on the state is done for all steps at once, the gradient of the weights
among it. Arrays are laid out with the units before the nodes, so that the gates, whose
weights stand side by side, are contiguous.
"""

from __future__ import annotations

from typing import Any, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable

from skneurograph.nn.tavrnn._arrays import Activations, Gradients, Inputs, allocate, by_step
from skneurograph.nn.tavrnn._plain import Weights
from skneurograph.nn.tavrnn._products import last_of, scaled_keys
from skneurograph.nn.tavrnn._steps import (
    Attention,
    Given,
    Scratch,
    ScratchBack,
    Slopes,
    Step,
    attend,
    attend_backward,
    hear,
    hear_backward,
    infer,
    infer_backward,
    lift,
    lift_backward,
    move,
    move_backward,
)

__all__ = ["run_recurrence"]


class _Recurrence(torch.autograd.Function):
    """Forward and backward through time; arguments as in `run_recurrence`."""

    @staticmethod
    def forward(
        ctx: Any,
        is_kept: bool,
        propagation: Tensor,
        given: Tensor,
        noise: Tensor | None,
        valid: Tensor | None,
        *w: Any,
    ) -> tuple[Tensor, ...]:
        inputs, weights = Inputs(propagation, noise, valid), Weights(*w)
        states, done = allocate(given, weights, propagation.shape[1], is_kept)
        _run(done.steps(inputs), given, weights, states)
        ctx.save_for_backward(*inputs, *done, *weights)
        ctx.mark_non_differentiable(done.shares)
        return done.moments, done.latents, done.before, done.shares

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor | None, ...]:
        of_moments, of_latents, of_states, _ = upstream
        saved, n_inputs = ctx.saved_tensors, len(Inputs._fields)
        inputs = Inputs(*saved[:n_inputs])
        done = Activations(*saved[n_inputs : -len(Weights._fields)])
        weights = Weights(*saved[-len(Weights._fields) :])
        size, d = weights.lift.shape
        found = Gradients.empty(done)
        found.products[:, 5 * size :].copy_(of_moments)
        rises = None
        if inputs.noise is not None:
            rises = torch.sigmoid(done.moments[:, d:]).mul_(inputs.noise)
        _run_backward(done.steps(inputs), found.steps(rises, of_latents, of_states), weights)
        return None, None, found.products[:, size:], None, None, *found.of_weights(done)


def _run(steps: list[Step], given: Tensor, weights: Weights, states: Tensor) -> None:
    """Run through the steps, which are written."""
    size, width = len(weights.lift), len(weights.age)
    to_attention = scaled_keys(weights.attention).mT
    ages = weights.age.flip(0)[:, None].expand(len(steps), width, 1)
    features = by_step(Given(given[:, :size], given[:, size : 4 * size], given[:, 4 * size :]))
    spare = Scratch.like(features[0])
    every = zip(steps, features, last_of(ages, width), states[1:].unbind())
    for step, own, age, after in every:
        hear(step, weights)
        infer(step, own, weights, spare)
        lift(step, weights)
        move(step, own, weights, spare)
        if width > 1:
            attend(step.attention, age, to_attention, after)
        else:
            after.copy_(step.attention.moved)


def _run_backward(
    steps: list[Step], slopes: list[tuple[Slopes, Attention]], weights: Weights
) -> None:
    """Run back through the steps; their slopes are written."""
    width = len(weights.age)
    from_attention = scaled_keys(weights.attention).mT
    turned = Weights(*(weight.mT if weight.ndim == 2 else weight for weight in weights))
    spare = ScratchBack.like(steps[0].unit)
    of_state = torch.zeros_like(spare.state)
    for step, (slope, of_attention) in zip(reversed(steps), reversed(slopes)):
        if width > 1:
            of_state = attend_backward(step.attention, of_attention, from_attention, of_state)
        kept = move_backward(step, slope, of_state, spare)
        of_latent = lift_backward(step, slope, turned, spare)
        infer_backward(step, slope, of_latent, turned)
        of_state = hear_backward(step, slope, turned, spare).add_(kept).add_(slope.state)


def run_recurrence(
    propagation: Tensor, given: Tensor, noise: Tensor | None, valid: Tensor | None, weights: Weights
) -> tuple[Tensor, Tensor, Tensor, Tensor]:
    """Run over the snapshots of sequences that go side by side.

    Columns are the nodes of all sequences, one sequence after the other.

    Parameters
    ----------
    propagation : Tensor of shape (n_snapshots, n_sequences, n_nodes, n_nodes)
        Symmetric.
    given : Tensor of shape (n_snapshots, 4 * hidden_size + 2 * n_components, n_columns)
        What the features add to the encoder, the reset and the update gate, the candidate,
        and the moments of the latents.
    noise : Tensor of shape (n_snapshots, n_components, n_columns) or None
        Standard normal. None takes the means of the latents.
    valid : bool Tensor of shape (n_snapshots, n_columns) or None
        The states of other nodes stay. None for all.
    weights : Weights

    Returns
    -------
    moments : Tensor of shape (n_snapshots, 2 * n_components, n_columns)
        Mean of the latents, and their spread before `softplus`.
    latents : Tensor of shape (n_snapshots, n_components, n_columns)
    before : Tensor of shape (n_snapshots, hidden_size, n_columns)
        The state that each snapshot meets.
    attention : Tensor of shape (n_snapshots, attention_width, n_sequences)
        Weights of the last states, the current one last; without gradient.
    """
    is_kept = torch.is_grad_enabled()
    found = _Recurrence.apply(is_kept, propagation, given, noise, valid, *weights)
    return cast(Any, found)
