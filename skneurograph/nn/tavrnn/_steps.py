"""The parts of a step from snapshot to snapshot, each with its gradient beside it.

A part writes into the arrays of its step. Its gradient reads them, in the opposite order, and
writes into the slopes of the step. What a step computes is plainer in `plain_recurrence`.
"""

from __future__ import annotations

from typing import NamedTuple

import torch
from torch import Tensor
from torch.nn import functional as F

from skneurograph.nn.tavrnn._plain import LEAST_SPREAD, Weights
from skneurograph.nn.tavrnn._products import mix, propagate, scores, unmix, unscore

__all__ = [
    "Attention",
    "Given",
    "Heard",
    "Posterior",
    "Scratch",
    "ScratchBack",
    "Slopes",
    "Step",
    "Unit",
    "attend",
    "attend_backward",
    "hear",
    "hear_backward",
    "infer",
    "infer_backward",
    "lift",
    "lift_backward",
    "move",
    "move_backward",
]

_sigmoid_backward = torch.ops.aten.sigmoid_backward.grad_input
_softmax_backward = torch.ops.aten._softmax_backward_data.out
_relu_backward = torch.ops.aten.threshold_backward.grad_input
_tanh_backward = torch.ops.aten.tanh_backward.grad_input


class Given(NamedTuple):
    """What the features add to the code, to the unit, and to the moments of the latents."""

    code: Tensor
    unit: Tensor
    moment: Tensor


class Heard(NamedTuple):
    """The states that a node hears, and their products with the weights, whole and in parts."""

    sums: Tensor
    products: Tensor
    candidate: Tensor
    code: Tensor
    gates: Tensor


class Posterior(NamedTuple):
    """The code of the encoder, the moments (``mean`` and ``raw``) and the latent drawn."""

    code: Tensor
    moment: Tensor
    mean: Tensor
    raw: Tensor
    latent: Tensor


class Unit(NamedTuple):
    """The gated recurrent unit: the lifted latent, as passed on; the gates; the candidate."""

    lifted: Tensor
    passed: Tensor
    gates: Tensor
    reset: Tensor
    keep: Tensor
    candidate: Tensor


class Attention(NamedTuple):
    """What attention reads and gives, or the gradients of that.

    Attributes
    ----------
    moved : Tensor of shape (hidden_size, n_columns)
        The state that the unit gives.
    past : Tensor of shape (n_looked_at, hidden_size, n_columns)
        That and those before; (n_looked_at, hidden_size * n_columns) of a single sequence.
    seen : Tensor of shape (hidden_size, n_sequences)
        The state of the history nodes.
    products, query : Tensor of shape (n_sequences, 2 * hidden_size) and half of it
        Key and query of the state that the unit gives.
    keys : Tensor of shape (n_looked_at, n_sequences, hidden_size)
        Or (n_looked_at, hidden_size) of a single sequence.
    share : Tensor of shape (n_looked_at, n_sequences)
        Weights of the states; as a gradient, that of the scores before the softmax.
    """

    moved: Tensor
    past: Tensor
    seen: Tensor
    products: Tensor
    query: Tensor
    keys: Tensor
    share: Tensor


class Step(NamedTuple):
    """The inputs of a step and what it leaves behind."""

    matrix: Tensor
    valid: Tensor | None
    noise: Tensor | None
    state: Tensor
    heard: Heard
    posterior: Posterior
    unit: Unit
    attention: Attention


class Scratch(NamedTuple):
    """Room for what a step forgets.

    Attributes
    ----------
    moments : Tensor of shape (2 * n_components, n_columns)
        Before they are propagated.
    unit, gates, candidate : Tensor of shape (3 * hidden_size, n_columns), and parts of it
        Inputs of the unit.
    """

    moments: Tensor
    unit: Tensor
    gates: Tensor
    candidate: Tensor

    @classmethod
    def like(cls, given: Given) -> Scratch:
        """Make room for a step that is given this."""
        unit, size = torch.empty_like(given.unit), len(given.code)
        return cls(torch.empty_like(given.moment), unit, unit[: 2 * size], unit[2 * size :])


class ScratchBack(NamedTuple):
    """Room for gradients that a step forgets.

    Attributes
    ----------
    state : Tensor of shape (hidden_size, n_columns)
    gates, reset, keep : Tensor of shape (2 * hidden_size, n_columns), and halves of it
    """

    state: Tensor
    gates: Tensor
    reset: Tensor
    keep: Tensor

    @classmethod
    def like(cls, unit: Unit) -> ScratchBack:
        """Make room for a step with this unit."""
        gates, size = torch.empty_like(unit.gates), len(unit.reset)
        return cls(torch.empty_like(unit.lifted), gates, gates[:size], gates[size:])


class Slopes(NamedTuple):
    """Gradients of a step, but those of attention.

    Attributes
    ----------
    heard : Tensor of shape (4 * hidden_size, n_columns)
        Of all products with the states; the first part of it is ``heard_candidate``.
    unit : Tensor of shape (3 * hidden_size, n_columns)
        Of what features and latents add: ``gates`` and ``candidate``.
    code, moment, mean, raw : Tensor
    inner : Tensor of shape (2 * n_components, n_columns)
        Of the moments before they are propagated.
    lifted : Tensor of shape (hidden_size, n_columns)
    rise : Tensor of shape (n_components, n_columns) or None
        Of the latent by ``raw``; None without noise.
    latent, state : Tensor
        What reaches the latent, and the state that the step met, from the loss.
    """

    heard: Tensor
    heard_candidate: Tensor
    code: Tensor
    gates: Tensor
    candidate: Tensor
    unit: Tensor
    moment: Tensor
    mean: Tensor
    raw: Tensor
    inner: Tensor
    lifted: Tensor
    rise: Tensor | None
    latent: Tensor
    state: Tensor


def hear(step: Step, weights: Weights) -> None:
    """Multiply the states of the neighbours by the weights of all that read them."""
    sums = propagate(step.state, step.matrix, step.heard.sums)
    torch.mm(weights.state, sums, out=step.heard.products)


def hear_backward(step: Step, slopes: Slopes, turned: Weights, spare: ScratchBack) -> Tensor:
    """Return the gradient of the state by what the nodes hear."""
    return propagate(turned.state @ slopes.heard, step.matrix, spare.state)


def infer(step: Step, given: Given, weights: Weights, spare: Scratch) -> None:
    """Return the posterior of the latents, and draw them if there is noise."""
    own = step.posterior
    torch.add(given.code, step.heard.code, out=own.code).relu_()
    torch.mm(weights.moments, own.code, out=spare.moments)
    propagate(spare.moments, step.matrix, own.moment).add_(given.moment)
    if step.noise is None:
        own.latent.copy_(own.mean)
    else:
        spread = F.softplus(own.raw).add_(LEAST_SPREAD)
        torch.addcmul(own.mean, spread, step.noise, out=own.latent)


def infer_backward(step: Step, slopes: Slopes, of_latent: Tensor, turned: Weights) -> None:
    """Go from the gradient of the latents to those of the moments and the code."""
    slopes.mean.add_(of_latent)
    if slopes.rise is not None:
        slopes.raw.addcmul_(of_latent, slopes.rise)
    propagate(slopes.moment, step.matrix, slopes.inner)
    of_code = turned.moments @ slopes.inner
    _relu_backward(of_code, step.posterior.code, 0, grad_input=slopes.code)


def lift(step: Step, weights: Weights) -> None:
    """Bring the latents to the size of a state, and pass them on to the neighbours."""
    own, latent = step.unit, step.posterior.latent
    torch.addmm(weights.lift_bias, weights.lift, latent, out=own.lifted).relu_()
    propagate(own.lifted, step.matrix, own.passed)


def lift_backward(step: Step, slopes: Slopes, turned: Weights, spare: ScratchBack) -> Tensor:
    """Return the whole gradient of the latents."""
    of_lifted = propagate(turned.latent @ slopes.unit, step.matrix, spare.state)
    _relu_backward(of_lifted, step.unit.lifted, 0, grad_input=slopes.lifted)
    return torch.addmm(slopes.latent, turned.lift, slopes.lifted)


def move(step: Step, given: Given, weights: Weights, spare: Scratch) -> None:
    """Move the states by the gated recurrent unit; those of nodes that are not valid stay."""
    own, state, moved = step.unit, step.state, step.attention.moved
    torch.addmm(given.unit, weights.latent, own.passed, out=spare.unit)
    torch.add(spare.gates, step.heard.gates, out=own.gates).sigmoid_()
    torch.addcmul(spare.candidate, own.reset, step.heard.candidate, out=own.candidate).tanh_()
    torch.lerp(own.candidate, state, own.keep, out=moved)
    if step.valid is not None:
        torch.where(step.valid, moved, state, out=moved)


def move_backward(step: Step, slopes: Slopes, of_moved: Tensor, spare: ScratchBack) -> Tensor:
    """Return the gradient of the state as far as it is kept; write those of what moves it."""
    own, valid = step.unit, step.valid
    slope = of_moved if valid is None else torch.where(valid, of_moved, 0)
    kept = slope * own.keep
    _tanh_backward(slope - kept, own.candidate, grad_input=slopes.candidate)
    torch.mul(slopes.candidate, own.reset, out=slopes.heard_candidate)
    torch.mul(slopes.candidate, step.heard.candidate, out=spare.reset)
    torch.mul(slope, step.state - own.candidate, out=spare.keep)
    _sigmoid_backward(spare.gates, own.gates, grad_input=slopes.gates)
    return kept if valid is None else torch.where(valid, kept, of_moved)


def attend(own: Attention, age: Tensor, turned: Tensor, after: Tensor) -> None:
    """Mix the last states into the one ``after`` the step.

    ``turned`` are the weights of attention, scaled (`scaled_keys`) and transposed.
    """
    torch.mm(own.seen.mT, turned, out=own.products)
    torch.softmax(scores(own.keys, own.query).add_(age), dim=0, out=own.share)
    mix(own.share, own.past, after)


def attend_backward(own: Attention, slopes: Attention, turned: Tensor, of_after: Tensor) -> Tensor:
    """Return the gradient of the moved state; later steps have added theirs to it."""
    of_share = unmix(own.share, own.past, of_after, slopes.past)
    _softmax_backward(of_share, own.share, 0, of_share.dtype, grad_input=slopes.share)
    unscore(slopes.share, own.keys, own.query, slopes.keys, slopes.query)
    slopes.seen.addmm_(turned, slopes.products.mT)
    return slopes.moved
