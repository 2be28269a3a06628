"""A node that reads the whole population at once."""

from __future__ import annotations

import math
from typing import cast

from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn._layers import MemberLinear, SharedDropout, identity_table, look_up

__all__ = ["PopulationNode"]


class PopulationNode(nn.Module):
    """Project the population on a few dimensions, and read their window out nonlinearly.

    Beside the nodes of single neurons this is the one that all of them send to: weights have
    a sign and belong to identified neurons, so that differences between neurons, which the
    mean over neurons blurs, are seen before anything is rectified.

    Parameters
    ----------
    n_members, n_identities, n_times, n_outputs : int
    n_dimensions : int
        On which the population is projected.
    hidden_size : int
        Features of the node.
    dropout : float
        Probability of dropping a feature in training.
    """

    def __init__(
        self,
        n_members: int,
        n_identities: int,
        n_times: int,
        n_outputs: int,
        *,
        n_dimensions: int,
        hidden_size: int,
        dropout: float,
    ) -> None:
        super().__init__()
        # So that projections of z-scored neurons start with unit variance.
        std = 1 / math.sqrt(max(1, n_identities))
        self.projection = identity_table(n_members, n_identities, n_dimensions, std=std)
        self.encoder = MemberLinear(n_members, n_dimensions * n_times, hidden_size)
        self.dropout = SharedDropout(dropout)
        self.readout = MemberLinear(n_members, hidden_size, n_outputs)

    def forward(self, activity: Tensor, present: Tensor, identities: Tensor) -> Tensor:
        """Map windows to what the node adds to the outputs of each member.

        Parameters
        ----------
        activity : Tensor of shape (n_members or 1, n_windows, n_neurons, n_times)
        present : bool Tensor of shape (n_members or 1, n_windows or 1, n_neurons)
            Neurons that send.
        identities : int Tensor of shape (n_neurons,)
            -1 for anonymous neurons, which do not send.

        Returns
        -------
        Tensor of shape (n_members, n_windows, n_outputs)
        """
        projection = look_up(self.projection, identities).transpose(1, 2)[:, None]
        dimensions = projection @ (activity * present[..., None])
        features = F.relu(self.encoder(dimensions.flatten(2)))
        return cast(Tensor, self.readout(self.dropout(features)))
