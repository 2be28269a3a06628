"""Missing neurons inside the decoder: expectation, gradients, members that leave them out."""

import pickle

import numpy as np
import pytest
import torch

from skneurograph.nn import MissingNeurons
from tests.nn.test_modules import make_decoder, make_windows


def make_missing(n_identities=4):
    factors = torch.randn(n_identities, n_identities, dtype=torch.float64)
    products = factors @ factors.T + torch.eye(n_identities)
    deviation = products.diagonal().sqrt()
    matrix = products / deviation[:, None] / deviation
    mean = torch.randn(n_identities, dtype=torch.float64)
    return MissingNeurons(mean, 1 + mean**2, matrix)


def expected_of(missing, frame, recorded, identities):
    """Conditional mean of one frame, neuron by neuron, in numpy."""
    mean, scale, matrix = (
        part.numpy() for part in (missing.mean, missing.scale, missing.correlation)
    )
    covariance = matrix * np.outer(scale, scale)
    told = [i for i, known in zip(identities, recorded) if known and i >= 0]
    here = [c for c, known in enumerate(recorded) if known and identities[c] >= 0]
    filled = frame.copy()
    for column, identity in enumerate(identities):
        if identity >= 0 and not recorded[column] and told:
            inverse = np.linalg.inv(covariance[np.ix_(told, told)])
            filled[column] = mean[identity] + covariance[identity, told] @ inverse @ (
                frame[here] - mean[told]
            )
    return filled


def split(windows):
    recorded = ~torch.isnan(windows).any(dim=2)
    return torch.where(recorded[..., None], windows, 0.0), recorded


def test_missing_neurons_take_their_conditional_mean():
    missing, identities = make_missing(), torch.tensor([2, 0, -1, 3, 1, -1])
    activity, recorded = split(make_windows())
    filled, told = missing(activity, recorded, identities)
    for w, t in np.ndindex(5, 3):
        frame = activity[w, :, t].numpy()
        expected = expected_of(missing, frame, recorded[w].numpy(), identities.tolist())
        np.testing.assert_allclose(filled[w, :, t].numpy(), expected, atol=1e-12)
    torch.testing.assert_close(told, ~recorded & (identities >= 0))


def test_windows_without_any_identified_neuron_stay_as_they_are():
    missing, identities = make_missing(), torch.tensor([0, 1, 2, 3, -1])
    activity = torch.randn(2, 5, 3, dtype=torch.float64)
    recorded = torch.tensor([[False] * 4 + [True], [True] * 5])
    filled, told = missing(activity, recorded, identities)
    torch.testing.assert_close(filled, activity)
    assert not told.any()


def test_a_neuron_that_another_column_holds_is_not_missing():
    missing, windows = make_missing(), make_windows(n_windows=3, n_neurons=5, missing=())
    windows[0, 1], windows[1, 4], windows[2, [0, 4]] = torch.nan, torch.nan, torch.nan
    twice = missing(*split(windows), torch.tensor([3, 0, 1, 2, 3]))
    alone = windows[:, :4].clone()
    alone[0, 0], alone[1, 0] = windows[0, 0], windows[1, 0]
    once = missing(*split(alone), torch.tensor([3, 0, 1, 2]))
    torch.testing.assert_close(twice[0][:, :4], once[0])
    assert twice[1].tolist() == [[False, True] + 3 * [False], 5 * [False], [True] + 4 * [False]]


def test_what_is_remembered_changes_nothing_and_is_not_pickled():
    missing, identities = make_missing(), torch.tensor([0, 1, 2, 3])
    activity, recorded = split(make_windows(n_windows=4, n_neurons=4, missing=((0, 1), (2, 3))))
    first = missing(activity, recorded, identities)[0]
    torch.testing.assert_close(missing(activity, recorded, identities)[0], first)
    other = pickle.loads(pickle.dumps(missing))
    assert other._coefficients == {}
    torch.testing.assert_close(other(activity, recorded, identities)[0], first)
    single = missing.float()(activity.float(), recorded, identities)[0]
    torch.testing.assert_close(single, first.float())


IDENTITIES = [0, 1, 2, -1, -1, 3]


@pytest.mark.parametrize("pooling", ["mean", "attention"])
def test_gradients_of_a_decoder_that_infers_match_finite_differences(pooling):
    module = make_decoder(IDENTITIES, pooling=pooling, missing=make_missing(), n_inferring=1)
    windows = make_windows(n_windows=2, missing=((0, 1), (1, 5)))
    names, values = zip(*module.named_parameters())

    def output(*parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), (windows,))

    assert torch.autograd.gradcheck(output, values, eps=1e-6, atol=1e-5)


def test_some_members_infer_and_the_others_leave_out():
    missing, windows = make_missing(), make_windows(missing=((0, 1), (2, 5), (3, 0)))
    module = make_decoder(IDENTITIES, missing=missing, n_inferring=1)
    activity, recorded = split(windows)
    filled = missing(activity, recorded, module.identities)[0]
    found = module(windows)
    module.missing = None
    torch.testing.assert_close(found[0], module(windows)[0])
    torch.testing.assert_close(found[1], module(filled)[1])


def test_the_order_of_neurons_does_not_matter_to_members_that_infer():
    windows = make_windows(missing=((0, 1), (2, 5), (3, 0)))
    module = make_decoder(IDENTITIES, missing=make_missing(), n_inferring=2)
    order = torch.randperm(6)
    torch.testing.assert_close(module(windows[:, order], module.identities[order]), module(windows))


def test_an_anonymous_neuron_that_is_absent_is_left_out_by_all_members():
    windows = make_windows(missing=((0, 3),))
    module = make_decoder(IDENTITIES, missing=make_missing(), n_inferring=2)
    alone = torch.tensor([0, 1, 2, 4, 5])
    torch.testing.assert_close(
        module(windows)[:, 0], module(windows[:, alone], module.identities[alone])[:, 0]
    )
