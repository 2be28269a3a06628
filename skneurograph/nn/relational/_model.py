"""Neural relational inference: a variational autoencoder whose latent is a graph."""

from __future__ import annotations

import math
from typing import Literal

import torch
from torch import Tensor, nn
from torch.nn import functional as F

from skneurograph.nn._layers import split_missing
from skneurograph.nn.relational._decoder import MarkovDecoder, StateDecoder
from skneurograph.nn.relational._encoder import FactorizedEncoder, PairEncoder

__all__ = ["RelationalModel", "computed_loss", "sample_types"]

# While the variance is annealed, its logarithm falls by about this much.
_FALL = 7.0
# Steps over which errors are averaged at least: an epoch has 16 or more.
_LEAST_MEMORY = 20
# Variances are kept above this, in units of standardised activity: a channel that can be
# predicted perfectly must not outweigh all others.
_LEAST_VARIANCE = 1e-6


def computed_loss(output: Tensor, target: Tensor, training: bool) -> Tensor:
    """Return the loss of each window, which `RelationalModel.forward` has computed."""
    return output


def sample_types(logits: Tensor, temperature: float, hard: bool) -> Tensor:
    """Draw edge types from the Gumbel softmax, a differentiable distribution.

    Parameters
    ----------
    logits : Tensor of shape (n_windows, n_types, ...)
    temperature : float
    hard : bool
        Whether to draw discrete types, with the gradient of soft ones (straight-through).

    Returns
    -------
    Tensor of the same shape
        Sums to one over the types.
    """
    # The negative logarithm of an exponential variable is a Gumbel variable.
    waiting = torch.empty_like(logits).exponential_()
    gumbel = -torch.log(waiting.clamp(min=torch.finfo(logits.dtype).tiny))
    soft = F.softmax((logits + gumbel) / temperature, dim=1)
    if not hard:
        return soft
    chosen = F.one_hot(soft.argmax(dim=1), logits.shape[1]).movedim(-1, 1).to(soft.dtype)
    return chosen + (soft - soft.detach())


class RelationalModel(nn.Module):
    """Infer a graph by which the frames of a window are predicted from those before.

    The negative evidence lower bound of Kipf et al. (2018), eq. 3 [1]_: an encoder gives
    every ordered pair of neurons a distribution over edge types, a decoder predicts frames
    with messages along edges drawn from it. The first type is "no edge" and passes no
    message. Missing neurons (NaN) neither send nor receive nor count.

    Parameters
    ----------
    n_times, n_features : int
        Frames of a window, and features of a neuron in each.
    n_edge_types, hidden_size : int
    encoder : {"mlp", "cnn"}
    decoder : {"mlp", "recurrent"}
    message : {"factorized", "mlp"}
        ``"mlp"`` is the published form of encoder and decoder, on all pairs.
    horizon, n_lags, n_burn_in : int
        See `MarkovDecoder` and `StateDecoder`.
    edge_prior : float
        Prior probability of an edge.
    variance : float or None
        Variance of the errors; None estimates one per feature, beginning with that of the
        activity.
    n_annealing_steps : int
        Training steps in which an estimated variance falls to that of the errors. As long
        as it is large, the prior keeps the edges undecided, and the decoder learns to use
        them before the encoder settles on a graph: without that, training often ends with
        the same graph for all windows.
    temperature, hard
        See `sample_types`.
    neighbors : int Tensor of shape (n_neurons, n_candidates) or None
        Candidate senders of each receiver; None for all.

    References
    ----------
    .. [1] T. Kipf, E. Fetaya, K.-C. Wang, M. Welling, R. Zemel (2018). Neural relational
       inference for interacting systems. ICML. arXiv:1802.04687
    """

    mean: Tensor
    scale: Tensor
    change: Tensor
    variance: Tensor
    log_prior: Tensor
    neighbors: Tensor | None

    def __init__(
        self,
        n_times: int,
        n_features: int,
        *,
        n_edge_types: int,
        hidden_size: int,
        encoder: Literal["mlp", "cnn"],
        decoder: Literal["mlp", "recurrent"],
        message: Literal["factorized", "mlp"],
        horizon: int,
        n_lags: int,
        n_burn_in: int,
        edge_prior: float,
        variance: float | None,
        n_annealing_steps: int,
        temperature: float,
        hard: bool,
        neighbors: Tensor | None = None,
    ) -> None:
        super().__init__()
        self.n_features = n_features
        self.temperature = temperature
        self.hard = hard
        self.fixed_variance = variance
        self.variance_rate = _FALL / max(n_annealing_steps, _FALL * _LEAST_MEMORY)
        n_scores = n_edge_types - 1
        form = FactorizedEncoder if message == "factorized" else PairEncoder
        self.encoder = form(n_times, n_features, hidden_size, n_scores, encoder)
        self.decoder: MarkovDecoder | StateDecoder
        if decoder == "mlp":
            self.decoder = MarkovDecoder(
                n_features, hidden_size, n_scores, message, horizon, n_lags
            )
        else:
            self.decoder = StateDecoder(
                n_features, hidden_size, n_scores, message, horizon, n_burn_in
            )
        prior = [math.log(1 - edge_prior)] + [math.log(edge_prior / n_scores)] * n_scores
        self.register_buffer("log_prior", torch.tensor(prior)[:, None, None])
        self.register_buffer("mean", torch.zeros(n_features))
        self.register_buffer("scale", torch.ones(n_features))
        self.register_buffer("change", torch.ones(n_features))
        self.register_buffer("variance", torch.full((n_features,), variance or 1.0))
        self.register_buffer("neighbors", neighbors)

    def set_scale(self, mean: Tensor, scale: Tensor, change: Tensor) -> None:
        """Standardise features by this mean and spread.

        Parameters
        ----------
        mean, scale : Tensor of shape (n_features,)
        change : Tensor of shape (n_features,)
            Root mean square of the change from frame to frame.
        """
        self.mean.copy_(mean)
        self.scale.copy_(scale)
        self.change.copy_(change / scale)
        if self.fixed_variance is not None:
            self.variance.copy_(self.fixed_variance / scale**2)

    def forward(self, windows: Tensor) -> Tensor:
        """Return the loss of each window per recorded neuron, in nats up to a constant.

        In training edges are drawn, otherwise the decoder is given their probabilities.

        Parameters
        ----------
        windows : Tensor of shape (n_windows, n_neurons, n_times * n_features)
            The features of a frame stand side by side.

        Returns
        -------
        Tensor of shape (n_windows,)
        """
        frames, recorded, valid = self._split(windows)
        logits = self._logits(frames, valid)
        types = F.softmax(logits, dim=1)
        if self.training:
            types = sample_types(logits, self.temperature, self.hard)
        weights = types[:, 1:] * valid[:, None]
        predicted = self.decoder(frames, weights, self.neighbors, self.change)
        n_recorded = recorded.sum(dim=1).clamp(min=1)
        error = (predicted - frames[:, :, -predicted.shape[2] :]).square()
        # A multiplication would keep the NaN of a forecast that went astray for nobody.
        error = torch.where(recorded[:, :, None, None], error, error.new_zeros(()))
        error = error.sum(dim=1) / n_recorded[:, None, None]
        error = error[:, -(frames.shape[2] - self._n_given()) :]
        if self.training and self.fixed_variance is None:
            self._follow_variance(error.detach(), recorded.any(dim=1))
        nll = 0.5 * (error / self.variance + torch.log(self.variance)).sum(dim=(1, 2))
        return nll + self._divergence(logits, valid) / n_recorded

    def posterior(self, windows: Tensor) -> Tensor:
        """Return the probability of each edge type.

        Parameters
        ----------
        windows : Tensor of shape (n_windows, n_neurons, n_times * n_features)

        Returns
        -------
        Tensor of shape (n_windows, n_edge_types, n_receivers, n_candidates)
            Undefined for pairs with a missing neuron, and of a neuron with itself.
        """
        frames, _, valid = self._split(windows)
        return F.softmax(self._logits(frames, valid), dim=1)

    def _split(self, windows: Tensor) -> tuple[Tensor, Tensor, Tensor]:
        """Standardised frames, who is recorded, and which pairs there are."""
        frames = (windows.unflatten(2, (-1, self.n_features)) - self.mean) / self.scale
        activity, recorded = split_missing(frames.flatten(2))
        if self.neighbors is None:
            others = ~torch.eye(windows.shape[1], dtype=torch.bool, device=windows.device)
            valid = recorded[:, :, None] & recorded[:, None, :] & others
        else:
            valid = recorded[:, :, None] & recorded[:, self.neighbors]
        return activity.view_as(frames), recorded, valid

    def _logits(self, frames: Tensor, valid: Tensor) -> Tensor:
        scores = self.encoder(frames, valid, self.neighbors)
        return torch.cat([torch.zeros_like(scores[:, :1]), scores], dim=1)

    def _n_given(self) -> int:
        """Frames at the beginning that do not count."""
        return max(self.decoder.n_lags, self.decoder.n_burn_in)

    def _follow_variance(self, error: Tensor, counted: Tensor) -> None:
        """Move the variance towards that of the errors, which is its optimum."""
        seen = error.mean(dim=1).sum(dim=0) / counted.sum().clamp(min=1)
        self.variance.lerp_(seen, self.variance_rate).clamp_(min=_LEAST_VARIANCE)

    def _divergence(self, logits: Tensor, valid: Tensor) -> Tensor:
        """Kullback-Leibler divergence of each window's edges from the prior, eq. 4."""
        log_posterior = F.log_softmax(logits, dim=1)
        divergence = (log_posterior.exp() * (log_posterior - self.log_prior)).sum(dim=1)
        return (divergence * valid).sum(dim=(1, 2))
