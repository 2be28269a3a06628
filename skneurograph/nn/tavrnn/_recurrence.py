"""Recurrence of the TAVRNN over snapshots, with a hand-written gradient.

A step is made of some thirty small products and element-wise maps; recording each of them
for automatic differentiation costs more than computing it. Written out, what does not
depend on the state is done for all steps at once, the gradient of the weights among it.
Arrays are laid out with the units before the nodes, so that the gates, whose weights
stand side by side, are contiguous.
"""

from __future__ import annotations

from typing import Any, NamedTuple, cast

import torch
from torch import Tensor
from torch.autograd.function import once_differentiable
from torch.nn import functional as F

from skneurograph.nn.tavrnn._products import (
    last_of,
    looking_back,
    mix,
    propagate,
    propagation_of_steps,
    scaled_keys,
    scores,
    summed,
    unmix,
    unscore,
)

__all__ = ["LEAST_SPREAD", "Weights", "run_recurrence"]

# Standard deviations of latents are kept above this.
LEAST_SPREAD = 1e-3

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_softmax_backward = torch.ops.aten._softmax_backward_data.out
_relu_backward = torch.ops.aten.threshold_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class Weights(NamedTuple):
    """Weights of a step; a matrix is multiplied from the left.

    Attributes
    ----------
    state : Tensor of shape (4 * hidden_size, hidden_size)
        Of the candidate (after the reset), the encoder, the reset and the update gate.
    latent : Tensor of shape (3 * hidden_size, hidden_size)
        Of the reset and the update gate and the candidate.
    moments : Tensor of shape (2 * n_components, hidden_size)
    lift : Tensor of shape (hidden_size, n_components)
    lift_bias : Tensor of shape (hidden_size, 1)
    attention : Tensor of shape (2 * hidden_size, hidden_size)
        Of the key and the query.
    age : Tensor of shape (attention_width,)
        Added to the score of the state ``k`` snapshots before.
    """

    state: Tensor
    latent: Tensor
    moments: Tensor
    lift: Tensor
    lift_bias: Tensor
    attention: Tensor
    age: Tensor


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
        weights = Weights(*w)
        n_times, _, n_columns = given.shape
        size, d = weights.lift.shape
        n_sequences, width = propagation.shape[1], len(weights.age)

        def buffer(n_rows: int, n_steps: int = n_times) -> Tensor:
            return given.new_empty(n_steps, n_rows, n_columns)

        def scratch(n_rows: int) -> Tensor:
            # What only the gradient needs later is overwritten at each step without one.
            return buffer(n_rows) if is_kept else buffer(n_rows, 1).expand(n_times, -1, -1)

        heard, encoded, lifted, passed, new = (scratch(size) for _ in range(5))
        recurrent, gates = scratch(4 * size), scratch(2 * size)
        before, own = buffer(size, n_times + 1), buffer(size)
        moments, latents = buffer(2 * d), buffer(d)
        attended = given.new_empty(n_times, n_sequences, 2 * size)
        # At the beginning there is less to look back at.
        attention = given.new_zeros(n_times, width, n_sequences)
        attention[:, -1] = 1
        ages = weights.age.flip(0)[:, None].expand(n_times, width, 1)
        before[0] = 0
        to_attention = scaled_keys(weights.attention).T
        inner, inputs = given.new_empty(2 * d, n_columns), given.new_empty(3 * size, n_columns)
        inner_gates, inner_new = inputs[: 2 * size], inputs[2 * size :]
        history = own.unflatten(2, (n_sequences, -1))[..., 0].mT
        steps = zip(
            propagation_of_steps(propagation),
            given[:, :size].unbind(),
            given[:, size : 4 * size].unbind(),
            given[:, 4 * size :].unbind(),
            [None] * n_times if noise is None else noise.unbind(),
            _where_partial(valid, n_times),
            before.unbind(),
            before[1:].unbind(),
            heard.unbind(),
            recurrent.unbind(),
            recurrent[:, :size].unbind(),
            recurrent[:, size : 2 * size].unbind(),
            recurrent[:, 2 * size :].unbind(),
            encoded.unbind(),
            moments.unbind(),
            moments[:, :d].unbind(),
            moments[:, d:].unbind(),
            latents.unbind(),
            lifted.unbind(),
            passed.unbind(),
            gates.unbind(),
            gates[:, :size].unbind(),
            gates[:, size:].unbind(),
            new.unbind(),
            own.unbind(),
            looking_back(own, width),
            history.unbind(),
            attended.unbind(),
            attended[..., size:].unbind(),
            looking_back(attended[..., :size], width),
            last_of(ages, width),
            last_of(attention, width),
        )
        for (
            matrix, given_code, given_gates, given_moment, draw, at, state, after, hear,
            from_state, from_reset, from_encoder, from_gates, code, moment, mean, raw, latent,
            lift, passes, gate, reset, keep, candidate, moved, past, seen, attend, query,
            keys, age, share,
        ) in steps:  # fmt: skip
            torch.mm(weights.state, propagate(state, matrix, hear), out=from_state)
            torch.add(given_code, from_encoder, out=code).relu_()
            torch.mm(weights.moments, code, out=inner)
            propagate(inner, matrix, moment).add_(given_moment)
            if draw is None:
                latent.copy_(mean)
            else:
                torch.addcmul(mean, F.softplus(raw).add_(LEAST_SPREAD), draw, out=latent)
            torch.addmm(weights.lift_bias, weights.lift, latent, out=lift).relu_()
            propagate(lift, matrix, passes)
            torch.addmm(given_gates, weights.latent, passes, out=inputs)
            torch.add(inner_gates, from_gates, out=gate).sigmoid_()
            torch.addcmul(inner_new, reset, from_reset, out=candidate).tanh_()
            torch.lerp(candidate, state, keep, out=moved)
            if at is not None:
                torch.where(at, moved, state, out=moved)
            if width > 1:
                torch.mm(seen, to_attention, out=attend)
                torch.softmax(scores(keys, query).add_(age), dim=0, out=share)
                mix(share, past, after)
            else:
                after.copy_(moved)
        before = before[:-1]
        ctx.save_for_backward(
            propagation, noise, valid, before, heard, encoded, lifted, passed, new, own,
            recurrent, gates, moments, latents, attention, attended, *weights,
        )  # fmt: skip
        ctx.mark_non_differentiable(attention)
        return moments, latents, before, attention

    @staticmethod
    @once_differentiable
    def backward(ctx: Any, *upstream: Any) -> tuple[Tensor | None, ...]:
        (
            propagation, noise, valid, before, heard, encoded, lifted, passed, new, own,
            recurrent, gates, moments, latents, attention, attended, *w,
        ) = ctx.saved_tensors  # fmt: skip
        weights = Weights(*w)
        n_times, size, n_columns = before.shape
        n_sequences = propagation.shape[1]
        width, d = len(weights.age), weights.lift.shape[1]

        def buffer(n_rows: int) -> Tensor:
            return before.new_empty(n_times, n_rows, n_columns)

        # Reset candidate, encoder, reset, update, candidate, moments: the first four are what
        # the state gives, the last five what the features give.
        slopes, inner_slopes, lift_slopes = buffer(5 * size + 2 * d), buffer(2 * d), buffer(size)
        moment_slopes = slopes[:, 5 * size :]
        moment_slopes.copy_(upstream[0])
        rise = None if noise is None else torch.sigmoid(moments[:, d:]).mul_(noise)
        own_slopes, attended_slopes = torch.zeros_like(own), torch.zeros_like(attended)
        score_slopes = torch.zeros_like(attention)
        by_sequence = (n_sequences, n_columns // n_sequences)
        from_latent, from_state, from_lift = weights.latent.T, weights.state.T, weights.lift.T
        from_moments, from_attention = weights.moments.T, scaled_keys(weights.attention).T
        gate_slope, unit_slope = torch.empty_like(gates[0]), torch.empty_like(before[0])
        for_reset, for_keep = gate_slope[:size], gate_slope[size:]
        slope, spare = torch.zeros_like(before[0]), torch.empty_like(before[0])
        steps = zip(
            propagation_of_steps(propagation),
            [None] * n_times if rise is None else rise.unbind(),
            _where_partial(valid, n_times),
            upstream[1].unbind(),
            upstream[2].unbind(),
            before.unbind(),
            recurrent[:, :size].unbind(),
            encoded.unbind(),
            lifted.unbind(),
            gates.unbind(),
            gates[:, :size].unbind(),
            gates[:, size:].unbind(),
            new.unbind(),
            slopes[:, :size].unbind(),
            slopes[:, size : 2 * size].unbind(),
            slopes[:, 2 * size : 4 * size].unbind(),
            slopes[:, 4 * size : 5 * size].unbind(),
            slopes[:, : 4 * size].unbind(),
            slopes[:, 2 * size : 5 * size].unbind(),
            moment_slopes.unbind(),
            moment_slopes[:, :d].unbind(),
            moment_slopes[:, d:].unbind(),
            inner_slopes.unbind(),
            lift_slopes.unbind(),
            looking_back(own, width),
            own_slopes.unbind(),
            own_slopes.unflatten(2, by_sequence)[..., 0].unbind(),
            looking_back(own_slopes, width),
            attended[..., size:].unbind(),
            looking_back(attended[..., :size], width),
            attended_slopes.mT.unbind(),
            attended_slopes[..., size:].unbind(),
            looking_back(attended_slopes[..., :size], width),
            last_of(attention, width),
            last_of(score_slopes, width),
        )
        for (
            matrix, rises, at, of_latent, of_before, state, from_reset, code, lift, gate, reset,
            keep, candidate, of_reset_part, of_code, of_gate, of_new, of_recurrent, of_inputs,
            of_moment, of_mean, of_raw, of_inner, of_lift, past, of_own, of_seen, of_past, query,
            keys, of_attend, of_query, of_keys, share, of_score,
        ) in reversed(list(steps)):  # fmt: skip
            if width > 1:
                of_share = unmix(share, past, slope, of_past)
                _softmax_backward(of_share, share, 0, share.dtype, grad_input=of_score)
                unscore(of_score, keys, query, of_keys, of_query)
                of_seen.addmm_(from_attention, of_attend)
                slope = of_own
            kept = None
            if at is not None:
                kept = torch.where(at, 0, slope)
                slope = torch.where(at, slope, 0)
            direct = slope * keep
            _tanh_backward(slope - direct, candidate, grad_input=of_new)
            torch.mul(of_new, reset, out=of_reset_part)
            torch.mul(of_new, from_reset, out=for_reset)
            torch.mul(slope, state - candidate, out=for_keep)
            _sigmoid_backward(gate_slope, gate, grad_input=of_gate)
            propagate(from_latent @ of_inputs, matrix, unit_slope)
            _relu_backward(unit_slope, lift, 0, grad_input=of_lift)
            of_drawn = torch.addmm(of_latent, from_lift, of_lift)
            of_mean.add_(of_drawn)
            if rises is not None:
                of_raw.addcmul_(of_drawn, rises)
            propagate(of_moment, matrix, of_inner)
            _relu_backward(from_moments @ of_inner, code, 0, grad_input=of_code)
            slope = propagate(from_state @ of_recurrent, matrix, spare)
            slope.add_(direct).add_(of_before)
            if kept is not None:
                slope.add_(kept)
        seen = own.unflatten(2, by_sequence)[..., 0]
        of_weights = Weights(
            summed(slopes[:, : 4 * size], heard),
            summed(slopes[:, 2 * size : 5 * size], passed),
            summed(inner_slopes, encoded),
            summed(lift_slopes, latents),
            lift_slopes.sum(dim=(0, 2))[:, None],
            scaled_keys(summed(attended_slopes.mT, seen)),
            score_slopes.sum(dim=(0, 2)).flip(0),
        )
        return None, None, slopes[:, size:], None, None, *of_weights


def _where_partial(valid: Tensor | None, n_times: int) -> list[Tensor | None]:
    """Which columns are valid, at the steps where not all are."""
    if valid is None:
        return [None] * n_times
    is_whole = valid.all(dim=1).tolist()
    return [None if whole else columns for whole, columns in zip(is_whole, valid)]


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
    return cast(
        Any, _Recurrence.apply(torch.is_grad_enabled(), propagation, given, noise, valid, *weights)
    )
