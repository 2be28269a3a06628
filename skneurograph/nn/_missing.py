"""Neurons that were not recorded, expected from those that were."""

from __future__ import annotations

from typing import Any

import torch
from torch import Tensor, nn

__all__ = ["MissingNeurons"]

# Sets of recorded neurons whose coefficients are remembered: those of so many organisms.
_REMEMBERED = 32


class MissingNeurons(nn.Module):
    """Expect each frame of missing neurons from the recorded ones of the same frame.

    The conditional mean of a Gaussian that is given, not trained. Anonymous neurons neither
    tell of others nor are told.

    Parameters
    ----------
    mean, scale : Tensor of shape (n_identities,)
        Of each identified neuron.
    correlation : Tensor of shape (n_identities, n_identities)
        Positive definite.
    """

    mean: Tensor
    scale: Tensor
    correlation: Tensor

    def __init__(self, mean: Tensor, scale: Tensor, correlation: Tensor) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("scale", scale)
        self.register_buffer("correlation", correlation)
        self._coefficients: dict[bytes, Tensor] = {}

    def forward(
        self, activity: Tensor, recorded: Tensor, identities: Tensor
    ) -> tuple[Tensor, Tensor]:
        """Fill missing neurons in.

        Parameters
        ----------
        activity : Tensor of shape (n_windows, n_neurons, n_times)
        recorded : bool Tensor of shape (n_windows, n_neurons)
        identities : int Tensor of shape (n_neurons,)
            -1 for anonymous neurons. Of several columns with an identity, the first recorded
            one counts; a neuron is missing if none is recorded, and then filled in once.

        Returns
        -------
        activity : Tensor of shape (n_windows, n_neurons, n_times)
        told : bool Tensor of shape (n_windows, n_neurons)
            Neurons that were filled in.
        """
        known = identities >= 0
        present = recorded & known
        told = torch.zeros_like(recorded)
        if (present == known).all():
            return activity, told
        filled = activity.clone()
        columns = self._columns(known, identities)
        sets, which = torch.unique(present, dim=0, return_inverse=True)
        for index, members in enumerate(sets):
            sources = self._columns(members, identities)
            here, there = sources >= 0, (sources < 0) & (columns >= 0)
            if not here.any() or not there.any():
                continue
            rows, targets = (which == index).nonzero(), columns[there]
            x = (activity[rows, sources[here]] - self.mean[here, None]) / self.scale[here, None]
            expected = self._regress(here, there) @ x
            filled[rows, targets] = self.mean[there, None] + self.scale[there, None] * expected
            told[rows, targets] = True
        return filled, told

    def _columns(self, some: Tensor, identities: Tensor) -> Tensor:
        """Find the first of some columns that holds each identity; -1 if none does."""
        places = some.nonzero()[:, 0]
        found = torch.full_like(self.mean, len(some), dtype=torch.long)
        found = found.scatter_reduce(0, identities[places], places, "amin")
        return torch.where(found < len(some), found, -1)

    def _regress(self, here: Tensor, there: Tensor) -> Tensor:
        """Coefficients of neurons that are not there on those that are, (n_missing, n_told)."""
        key = torch.cat([here, there]).cpu().numpy().tobytes()
        found = self._coefficients.get(key)
        if found is None or found.dtype != self.mean.dtype or found.device != self.mean.device:
            told = self.correlation[here][:, here]
            found = torch.linalg.solve(told, self.correlation[here][:, there]).T
            if len(self._coefficients) >= _REMEMBERED:
                self._coefficients.clear()
            self._coefficients[key] = found
        return found

    def __getstate__(self) -> dict[str, Any]:
        return {**self.__dict__, "_coefficients": {}}
