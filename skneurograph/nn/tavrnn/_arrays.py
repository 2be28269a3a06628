"""The arrays that the recurrence fills, of all steps and split into steps."""

from __future__ import annotations

from typing import Any, NamedTuple, TypeVar

import torch
from torch import Tensor

from skneurograph.nn.tavrnn._plain import Weights
from skneurograph.nn.tavrnn._products import (
    last_of,
    looking_back,
    propagation_of_steps,
    scaled_keys,
    summed,
)
from skneurograph.nn.tavrnn._steps import Attention, Heard, Posterior, Slopes, Step, Unit

__all__ = ["Activations", "Gradients", "Inputs", "allocate", "by_step"]

_T = TypeVar("_T", bound=tuple[Any, ...])


class Inputs(NamedTuple):
    """What the steps read beside the features, as `run_recurrence` is given it."""

    propagation: Tensor
    noise: Tensor | None
    valid: Tensor | None


class Activations(NamedTuple):
    """What all steps leave behind, (n_snapshots, n_units, n_columns); see `Step`.

    ``attended`` are the keys and the queries, (n_snapshots, n_sequences, 2 * hidden_size), and
    ``shares`` the weights of the states, (n_snapshots, attention_width, n_sequences).
    """

    before: Tensor
    heard: Tensor
    products: Tensor
    codes: Tensor
    moments: Tensor
    latents: Tensor
    lifted: Tensor
    passed: Tensor
    gates: Tensor
    candidates: Tensor
    moved: Tensor
    attended: Tensor
    shares: Tensor

    def steps(self, inputs: Inputs) -> list[Step]:
        """Return the inputs and arrays of each step."""
        n_steps, size, _ = self.moved.shape
        d = self.latents.shape[1]
        heard = Heard(
            sums=self.heard,
            products=self.products,
            candidate=self.products[:, :size],
            code=self.products[:, size : 2 * size],
            gates=self.products[:, 2 * size :],
        )
        posterior = Posterior(
            code=self.codes,
            moment=self.moments,
            mean=self.moments[:, :d],
            raw=self.moments[:, d:],
            latent=self.latents,
        )
        unit = Unit(
            lifted=self.lifted,
            passed=self.passed,
            gates=self.gates,
            reset=self.gates[:, :size],
            keep=self.gates[:, size:],
            candidate=self.candidates,
        )
        parts = (
            propagation_of_steps(inputs.propagation),
            _where_partial(inputs.valid, n_steps),
            _each(inputs.noise, n_steps),
            self.before.unbind(),
            by_step(heard),
            by_step(posterior),
            by_step(unit),
            _attention_by_step(self.moved, self.attended, self.shares),
        )
        return list(map(Step, *parts))


class Gradients(NamedTuple):
    """Gradients of all steps, as `Activations`.

    ``products`` has those of the candidate's part of what is heard, of the code, of both gates,
    of the candidate, and of the moments: the first four are what the state gives, all but the
    first what the features give.
    """

    products: Tensor
    inner: Tensor
    lifted: Tensor
    moved: Tensor
    attended: Tensor
    scores: Tensor

    @classmethod
    def empty(cls, done: Activations) -> Gradients:
        """Make the arrays; what attention adds to starts at zero."""
        n_units = done.products.shape[1] + done.codes.shape[1] + done.moments.shape[1]
        n_steps, _, n_columns = done.codes.shape
        return cls(
            done.codes.new_empty(n_steps, n_units, n_columns),
            torch.empty_like(done.moments),
            torch.empty_like(done.lifted),
            torch.zeros_like(done.moved),
            torch.zeros_like(done.attended),
            torch.zeros_like(done.shares),
        )

    def steps(
        self, rises: Tensor | None, of_latents: Tensor, of_states: Tensor
    ) -> list[tuple[Slopes, Attention]]:
        """Return the slopes of each step."""
        size, d = self.lifted.shape[1], of_latents.shape[1]
        moments = self.products[:, 5 * size :]
        slopes = Slopes(
            heard=self.products[:, : 4 * size],
            heard_candidate=self.products[:, :size],
            code=self.products[:, size : 2 * size],
            gates=self.products[:, 2 * size : 4 * size],
            candidate=self.products[:, 4 * size : 5 * size],
            unit=self.products[:, 2 * size : 5 * size],
            moment=moments,
            mean=moments[:, :d],
            raw=moments[:, d:],
            inner=self.inner,
            lifted=self.lifted,
            rise=rises,
            latent=of_latents,
            state=of_states,
        )
        attention = _attention_by_step(self.moved, self.attended, self.scores)
        return list(zip(by_step(slopes), attention))

    def of_weights(self, done: Activations) -> Weights:
        """Sum the gradients of the weights over all steps."""
        size = self.lifted.shape[1]
        seen = _of_history(done.moved, done.shares.shape[2])
        return Weights(
            summed(self.products[:, : 4 * size], done.heard),
            summed(self.products[:, 2 * size : 5 * size], done.passed),
            summed(self.inner, done.codes),
            summed(self.lifted, done.latents),
            self.lifted.sum(dim=(0, 2))[:, None],
            scaled_keys(summed(self.attended.mT, seen)),
            self.scores.sum(dim=(0, 2)).flip(0),
        )


def allocate(
    given: Tensor, weights: Weights, n_sequences: int, is_kept: bool
) -> tuple[Tensor, Activations]:
    """Make the states before and after all steps, the first zero, and the other arrays."""
    n_steps, _, n_columns = given.shape
    size, d = weights.lift.shape

    def buffer(n_rows: int, n_steps: int = n_steps) -> Tensor:
        return given.new_empty(n_steps, n_rows, n_columns)

    def scratch(n_rows: int) -> Tensor:
        # What only the gradient needs later is overwritten at each step without one.
        return buffer(n_rows) if is_kept else buffer(n_rows, 1).expand(n_steps, -1, -1)

    states = buffer(size, n_steps + 1)
    states[0] = 0
    # At the beginning there is less to look back at.
    shares = given.new_zeros(n_steps, len(weights.age), n_sequences)
    shares[:, -1] = 1
    return states, Activations(
        before=states[:-1],
        heard=scratch(size),
        products=scratch(4 * size),
        codes=scratch(size),
        moments=buffer(2 * d),
        latents=buffer(d),
        lifted=scratch(size),
        passed=scratch(size),
        gates=scratch(2 * size),
        candidates=scratch(size),
        moved=buffer(size),
        attended=given.new_empty(n_steps, n_sequences, 2 * size),
        shares=shares,
    )


def by_step(arrays: _T) -> list[_T]:
    """Split the arrays of all steps into those of each."""
    n_steps = len(arrays[0])
    return list(map(type(arrays), *(_each(array, n_steps) for array in arrays)))


def _attention_by_step(moved: Tensor, products: Tensor, shares: Tensor) -> list[Attention]:
    """Give what attention reads and gives at each step; views, so that gradients add up."""
    size, (width, n_sequences) = moved.shape[1], shares.shape[1:]
    past, keys = moved, products[..., :size]
    if n_sequences == 1:
        past, keys = past.flatten(1), keys[:, 0]
    parts = (
        moved.unbind(),
        looking_back(past, width),
        _of_history(moved, n_sequences).unbind(),
        products.unbind(),
        products[..., size:].unbind(),
        looking_back(keys, width),
        last_of(shares, width),
    )
    return list(map(Attention, *parts))


def _of_history(values: Tensor, n_sequences: int) -> Tensor:
    """Return the columns of the history nodes, (n_snapshots, n_units, n_sequences)."""
    return values.unflatten(2, (n_sequences, -1))[..., 0]


def _each(values: Tensor | None, n_steps: int) -> tuple[Tensor | None, ...]:
    return (None,) * n_steps if values is None else values.unbind()


def _where_partial(valid: Tensor | None, n_steps: int) -> list[Tensor | None]:
    """Which columns are valid, at the steps where not all are."""
    if valid is None:
        return [None] * n_steps
    is_whole = valid.all(dim=1).tolist()
    return [None if whole else columns for whole, columns in zip(is_whole, valid)]
