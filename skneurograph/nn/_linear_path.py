"""A linear decoder that stands beside a net."""

from __future__ import annotations

import torch
from torch import Tensor, nn

__all__ = ["LinearPath"]


class LinearPath(nn.Module):
    """Read a window of a few components of the population linearly, and join it with a net.

    The components and their weights are given, not trained.

    Parameters
    ----------
    mean : Tensor of shape (n_identities,)
        Of each identified neuron.
    components : Tensor of shape (n_identities, n_components)
        What each identified neuron adds to the components.
    weight : Tensor of shape (n_components, n_times, n_outputs)
    bias : Tensor of shape (n_outputs,)
    share : float
        Of the linear decoder in what is joined.
    """

    mean: Tensor
    components: Tensor
    weight: Tensor
    bias: Tensor

    def __init__(
        self, mean: Tensor, components: Tensor, weight: Tensor, bias: Tensor, *, share: float
    ) -> None:
        super().__init__()
        self.register_buffer("mean", mean)
        self.register_buffer("components", components)
        self.register_buffer("weight", weight)
        self.register_buffer("bias", bias)
        self.share = share

    def forward(self, activity: Tensor, present: Tensor, identities: Tensor) -> Tensor:
        """Decode windows.

        Parameters
        ----------
        activity : Tensor of shape (n_windows, n_neurons, n_times)
        present : bool Tensor of shape (n_windows, n_neurons)
            Neurons that count; the others are at their mean.
        identities : int Tensor of shape (n_neurons,)
            -1 for anonymous neurons, which do not count.

        Returns
        -------
        Tensor of shape (n_windows, n_outputs)
        """
        known = identities >= 0
        rows = identities[known]
        centred = (activity[:, known] - self.mean[rows, None]) * present[:, known, None]
        scores = self.components[rows].T @ centred
        return scores.flatten(1) @ self.weight.flatten(0, 1) + self.bias

    def join(self, output: Tensor, linear: Tensor) -> Tensor:
        """Average the outputs of the members of a net (n_members, ...) with the linear ones."""
        return torch.lerp(output, linear.expand_as(output), self.share)
