"""Where training starts: the history node tells the principal components of the activity."""

from __future__ import annotations

import math

import torch
from torch import Tensor

from skneurograph.nn.tavrnn._model import SnapshotModel

__all__ = ["start_at_components"]

# Features that are hardly reliable have no loading to speak of.
_LEAST_ROOT = 0.1


@torch.no_grad()
def start_at_components(model: SnapshotModel, axes: Tensor, sizes: Tensor) -> None:
    """Let the latent of the history node be the principal components of the activity.

    A draw of initial values makes of the activity a few random sums, which training then
    turns, from each draw towards another end. Here the mean of the history node's latent
    starts at the scores of the leading components, in units of their spread, on its linear
    path, and the loadings at what explains the features from them. All else stays as it
    was drawn.

    Parameters
    ----------
    model : SnapshotModel
        With parameters of each neuron's own; its features are all to be explained.
    axes : Tensor of shape (n_neurons, n_features, n_axes)
        Principal axes of the features times the roots of their reliability.
    sizes : Tensor of shape (n_axes,)
        Standard deviation along each of them, above 0. Axes that are more than there are
        components or hidden units are left out.
    """
    n_neurons = len(model.gains)
    hidden_size = model.gains.shape[2]
    n_axes = min(len(sizes), model.n_components, hidden_size)
    axes, sizes = axes[..., :n_axes], sizes[:n_axes]
    dtype = model.gains.dtype
    # The history node hears each neuron by the root of their number.
    model.gains[:, :, :n_axes] = (axes / sizes * math.sqrt(n_neurons)).to(dtype)
    model.offsets[:, :n_axes] -= model.offsets[:, :n_axes].mean(dim=0)
    model.level_gains[:, :n_axes] = 0
    model.level_offset[:n_axes] = 0
    means = model.cell.features[4 * hidden_size :][:n_axes]
    means.zero_()
    means[:, :n_axes].fill_diagonal_(1)
    roots = model.reliability.to(axes.dtype).sqrt().clamp(min=_LEAST_ROOT)
    model.loadings[:, :n_axes] = (axes * sizes / roots[..., None]).mT.to(dtype)
