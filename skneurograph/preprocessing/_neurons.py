"""Missing neurons, inferred from the recorded ones."""

from __future__ import annotations

from collections.abc import Sequence
from numbers import Real
from typing import Any, ClassVar, Literal, Self

import numpy as np
from numpy.typing import ArrayLike, NDArray
from sklearn.base import _fit_context
from sklearn.utils._param_validation import Interval, StrOptions

from skneurograph.base._described import described
from skneurograph.base._fitting import all_or_nothing
from skneurograph.base._memory import require_memory
from skneurograph.base._missing import Correlations, learn_correlations
from skneurograph.base._parameters import SHARED
from skneurograph.base._validation import check_groups, check_identities
from skneurograph.data._lazy import LazyWindows
from skneurograph.preprocessing._base import WindowsToWindows

__all__ = ["NeuronImputer"]


@described(SHARED)
class NeuronImputer(WindowsToWindows):
    r"""Infer missing neurons from the recorded ones, frame by frame.

    Animals lack different neurons. An missing neuron :math:`a` takes the value that is
    expected given the recorded ones :math:`r` of the same frame,

    .. math:: \hat x_a = \mu_a + \Sigma_{ar} \Sigma_{rr}^{-1} (x_r - \mu_r),

    where mean and covariance come from the training windows alone, by expectation
    maximisation [1]_ since no animal has all neurons, and correlations between neurons are
    shrunk towards zero. Shrinkage says how far recorded neurons are trusted to tell of
    others: it is chosen so that neurons are told best that are hidden in organisms which
    were left out. No label is used, nothing is fitted to the windows that are transformed,
    and nothing of the future enters a frame.

    Parameters
    ----------
    shrinkage : float or "auto"
        Above 0 (correlations nearly as they are) up to 1 (missing neurons take their mean).
        ``"auto"`` chooses among 0.1, 0.2, ..., 1.
    identities : {"all", "none"} or array-like of int of shape (n_neurons,)
        Which columns hold the same neuron in every organism, as
        `Windows.identities` gives it. Anonymous columns (-1) tell nothing of others; where
        they are missing they take their mean.

    Attributes
    ----------
    correlation_ : ndarray of shape (n_neurons, n_neurons)
        Correlations, shrunk. Its inverse is, up to scale, the graph of partial correlations.
    mean_, scale_ : ndarray of shape (n_neurons,)
        Mean and standard deviation of each neuron over the frames that hold it; zero and
        one for neurons that were never recorded.
    shrinkage_ : float
        The shrinkage used.
    explained_ : float
        Part of the variance of hidden neurons that was explained in organisms left out, at
        ``shrinkage_``; NaN with a given shrinkage.
    recorded_ : ndarray of bool of shape (n_neurons,)
        Neurons that some training window holds. The others are set to zero in every window.
    n_features_in_, n_times_in_

    See Also
    --------
    WindowImputer : Fill in the mean.

    References
    ----------
    .. [1] T. Schneider (2001). Analysis of incomplete climate data: estimation of mean
       values and covariance matrices and imputation of missing values. Journal of Climate
       14, 853-871.

    Examples
    --------
    >>> import numpy as np
    >>> from skneurograph import make_worms, sliding_windows
    >>> from skneurograph.preprocessing import NeuronImputer
    >>> worms = make_worms(3, duration=60, random_state=0).recordings
    >>> windows = sliding_windows([worm.zscore() for worm in worms], 8)
    >>> imputer = NeuronImputer().fit(windows.X, groups=windows.groups)
    >>> bool(np.isnan(windows.X).any()), bool(np.isnan(imputer.transform(windows.X)).any())
    (True, False)
    """

    # Groups are wanted whenever metadata routing is on, without a set_fit_request.
    __metadata_request__fit: ClassVar[dict[str, bool]] = {"groups": True}
    _parameter_constraints: ClassVar[dict[str, list[Any]]] = {
        "shrinkage": [StrOptions({"auto"}), Interval(Real, 0, 1, closed="right")],
        "identities": [StrOptions({"all", "none"}), "array-like"],
    }

    def __init__(
        self,
        *,
        shrinkage: float | Literal["auto"] = "auto",
        identities: Literal["all", "none"] | Sequence[int] | NDArray[np.integer] = "all",
    ) -> None:
        self.shrinkage = shrinkage
        self.identities = identities

    @all_or_nothing
    @_fit_context(prefer_skip_nested_validation=True)
    def fit(
        self, X: ArrayLike | LazyWindows, y: Any = None, groups: ArrayLike | None = None
    ) -> Self:
        """Learn how neurons vary together.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows
            A neuron with any NaN (or masked value) in a window is missing in it.
        y : ignored
        groups : array-like of shape (n_windows,), optional
            Organism of each window, for the choice of shrinkage. Without it, windows with
            the same neurons are taken to be of one organism.

        Returns
        -------
        self

        Raises
        ------
        ValueError
            If the input does not fit; the message names the argument.
        MemoryError
            If the correlations of so many neurons do not fit in memory.
        """
        windows, _ = self._checked(X, reset=True)
        organisms = check_groups(groups, len(windows))
        n_neurons = self.n_features_in_
        self._usable = check_identities(self.identities, n_neurons) >= 0
        # The matrix, and what shrinking and completing it takes.
        require_memory(
            40 * n_neurons**2,
            f"NeuronImputer.fit: correlations of {n_neurons:,} neurons",
            "use a WindowImputer",
        )
        given = None if isinstance(self.shrinkage, str) else float(self.shrinkage)
        learnt = learn_correlations(windows, organisms, self._usable, given)
        known, self.shrinkage_, self.explained_ = learnt
        self.mean_, self.scale_, self.correlation_ = known
        self.recorded_ = ~np.isnan(windows).any(axis=2).all(axis=0)
        return self

    def transform(self, X: ArrayLike | LazyWindows) -> NDArray[np.floating]:
        """Fill in missing neurons; recorded ones stay as they are.

        Parameters
        ----------
        X : array-like of shape (n_windows, n_neurons, n_times) or LazyWindows

        Returns
        -------
        ndarray of the shape of X
            Without NaN.
        """
        windows, is_flat = self._checked(X, reset=False)
        filled = windows.copy()
        filled[:, ~self.recorded_] = np.nan
        known = Correlations(self.mean_, self.scale_, self.correlation_)
        known.fill(filled, self._usable)
        return self._give(filled, X, is_flat)
