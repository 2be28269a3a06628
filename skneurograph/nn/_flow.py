"""Network and contrastive loss of MARBLE."""

from __future__ import annotations

import math

import torch
from torch import Tensor, nn
from torch.nn import functional as F

__all__ = ["ContrastiveFlow", "FlowEncoder", "TimeGrid"]


class FlowEncoder(nn.Module):
    """A perceptron that corrects the leading principal components of the features.

    The embedding is ``normalise(s[:n_components] / a + mlp(s / b))`` with constants a and b:
    before training the last layer is zero, and the embedding is that of the leading
    components alone. Weight decay pulls back to it. All embeddings have length one.

    Parameters
    ----------
    scale : Tensor of shape (n_inputs,)
        Root mean square of each principal component, falling.
    n_components, hidden_size : int
    dropout : float
    """

    of_leading: Tensor
    of_first: Tensor

    def __init__(
        self, scale: Tensor, n_components: int, hidden_size: int, dropout: float = 0.0
    ) -> None:
        super().__init__()
        n_inputs = len(scale)
        self.n_straight = min(n_inputs, n_components)
        self.n_missing = n_components - self.n_straight
        leading = torch.linalg.vector_norm(scale[: self.n_straight])
        self.register_buffer("of_leading", 1 / _positive(leading))
        self.register_buffer("of_first", 1 / _positive(scale[0]))
        last = nn.Linear(hidden_size, n_components)
        with torch.no_grad():
            last.weight[:n_inputs] = 0
            last.bias[:] = 0
            # Components that all start at zero would have no gradient to leave it.
            last.weight[n_inputs:] *= 0.1
        self.mlp = nn.Sequential(
            nn.Linear(n_inputs, hidden_size), nn.ReLU(), nn.Dropout(dropout), last
        )

    def forward(self, scores: Tensor) -> Tensor:
        """Embed principal components (n_points, n_inputs) as (n_points, n_components)."""
        straight = scores[:, : self.n_straight] * self.of_leading
        if self.n_missing:
            straight = F.pad(straight, (0, self.n_missing))
        return F.normalize(straight + self.mlp(scores * self.of_first), dim=-1)


class TimeGrid(nn.Module):
    """A diffusion time that can be learnt, and how to interpolate between tabulated times.

    Tables at the Chebyshev points of [0, longest] determine the polynomial through them;
    what diffusion does to a signal is so smooth a function of time that it hardly differs.

    Parameters
    ----------
    initial, longest : float
    n_times : int
    """

    times: Tensor
    barycentric: Tensor

    def __init__(self, initial: float, longest: float, n_times: int) -> None:
        super().__init__()
        angle = torch.arange(n_times, dtype=torch.float64) * (math.pi / max(1, n_times - 1))
        self.longest = longest
        self.register_buffer("times", (longest / 2) * (1 - torch.cos(angle)))
        weights = (-1.0) ** torch.arange(n_times, dtype=torch.float64)
        weights[[0, -1]] /= 2
        self.register_buffer("barycentric", weights)
        share = initial / longest
        self.logit = nn.Parameter(torch.tensor(math.log(share / (1 - share))))

    @property
    def time(self) -> Tensor:
        """The diffusion time."""
        return self.longest * torch.sigmoid(self.logit)

    def forward(self) -> Tensor:
        """Weights of the tables, (n_times,), which sum to one."""
        away = self.time.to(self.times.dtype) - self.times
        exact = away == 0
        if exact.any():
            return exact.to(self.times.dtype)
        weights = self.barycentric / away
        return weights / weights.sum()


class ContrastiveFlow(nn.Module):
    """Draw each point to one that belongs to it, and push it away from random ones.

    For a point i and its partner i+, the loss is the cross entropy of telling the partner
    from those of the other points of the mini-batch by the scalar product over the
    temperature: ``-log(exp(z_i z_i+ / T) / sum_k exp(z_i z_k+ / T))``.

    Parameters
    ----------
    encoder : FlowEncoder
    tables : Tensor of shape (n_times, n_points, n_inputs)
        Principal components of the features; not part of the state of the module.
    starts : int Tensor of shape (n_points + 1,)
        Where the partners of each point start in ``partners``.
    partners : int Tensor
        The points from which the partner of a point is drawn.
    temperature : float
    learn_temperature : bool
    grid : TimeGrid or None
        Needed for more than one table.
    """

    def __init__(
        self,
        encoder: FlowEncoder,
        tables: Tensor,
        starts: Tensor,
        partners: Tensor,
        *,
        temperature: float,
        learn_temperature: bool = False,
        grid: TimeGrid | None = None,
    ) -> None:
        super().__init__()
        self.encoder = encoder
        self.grid = grid
        logarithm = torch.tensor(math.log(temperature))
        self.log_temperature = nn.Parameter(logarithm, requires_grad=learn_temperature)
        # Plain attributes: they are data, which a fitted estimator need not keep.
        self._tables: Tensor | None = tables
        self._starts: Tensor | None = starts
        self._partners: Tensor | None = partners

    def forward(self, points: Tensor) -> Tensor:
        """Return the loss of each of some points (n_batch, 1)."""
        assert self._starts is not None
        assert self._partners is not None
        rows = points[:, 0].long()
        start = self._starts[rows]
        count = self._starts[rows + 1] - start
        drawn = (torch.rand(len(rows), device=rows.device) * count).long()
        partner = self._partners[start + torch.minimum(drawn, count - 1)]
        embedded = self.encoder(self._scores(torch.cat([rows, partner])))
        anchors, positives = embedded.chunk(2)
        similarity = (anchors * torch.exp(-self.log_temperature)) @ positives.T
        target = torch.arange(len(rows), device=rows.device)
        return F.cross_entropy(similarity, target, reduction="none")

    def release(self) -> None:
        """Let go of the data."""
        self._tables = self._starts = self._partners = None

    def _scores(self, rows: Tensor) -> Tensor:
        assert self._tables is not None
        if self.grid is None:
            return self._tables[0, rows]
        weights = self.grid().to(self._tables.dtype)
        return torch.einsum("k,kri->ri", weights, self._tables[:, rows])


def _positive(scale: Tensor) -> Tensor:
    return torch.where(scale > 0, scale, torch.ones_like(scale))
