"""The linear decoder beside a net, against one written out."""

import pytest
import torch

from skneurograph.nn import LinearPath
from tests.nn.test_modules import make_decoder, make_windows

N_IDENTITIES, N_COMPONENTS, N_TIMES, N_OUTPUTS = 4, 2, 3, 5


def make_path(n_times=N_TIMES, n_outputs=N_OUTPUTS, share=0.25):
    sizes = [
        (N_IDENTITIES,),
        (N_IDENTITIES, N_COMPONENTS),
        (N_COMPONENTS, n_times, n_outputs),
        (n_outputs,),
    ]
    return LinearPath(*(torch.randn(size, dtype=torch.float64) for size in sizes), share=share)


def make_inputs(identities=(2, 0, -1, 3, 1)):
    activity = torch.randn(6, len(identities), N_TIMES, dtype=torch.float64)
    present = torch.rand(6, len(identities)) < 0.7
    return activity, present, torch.tensor(identities)


def decoded(path, activity, present, identities):
    """The outputs of one window, neuron by neuron and frame by frame."""
    output = path.bias.clone()
    for neuron, identity in enumerate(identities.tolist()):
        if identity < 0 or not present[neuron]:
            continue
        for frame in range(N_TIMES):
            x = activity[neuron, frame] - path.mean[identity]
            output += x * (path.components[identity] @ path.weight[:, frame])
    return output


def test_it_reads_the_components_of_recorded_identified_neurons():
    path, (activity, present, identities) = make_path(), make_inputs()
    found = path(activity, present, identities)
    for window in range(len(activity)):
        expected = decoded(path, activity[window], present[window], identities)
        torch.testing.assert_close(found[window], expected)


def test_columns_may_stand_in_any_order():
    path, (activity, present, identities) = make_path(), make_inputs()
    order = torch.randperm(len(identities))
    moved = path(activity[:, order], present[:, order], identities[order])
    torch.testing.assert_close(moved, path(activity, present, identities))


def test_gradients_with_respect_to_activity():
    path, (activity, present, identities) = make_path(), make_inputs()
    activity.requires_grad_()
    assert torch.autograd.gradcheck(lambda x: path(x, present, identities), (activity,))


def test_nothing_of_it_is_trained():
    assert not list(make_path().parameters())


@pytest.mark.parametrize("share", [0.0, 0.25, 0.9])
def test_a_decoder_joins_it_in_prediction_and_not_in_training(share):
    identities, windows = torch.arange(N_IDENTITIES), make_windows(n_neurons=4, missing=((1, 2),))
    decoder = make_decoder(identities)
    n_outputs = decoder.readout.weight.shape[-1]
    path = make_path(windows.shape[2], n_outputs, share)
    activity, present = torch.nan_to_num(windows), ~torch.isnan(windows).any(dim=2)
    net, linear = decoder.eval()(windows), path(activity, present, identities)
    torch.manual_seed(1)
    trained = decoder.train()(windows)
    decoder.linear = path
    expected = (1 - share) * net + share * linear
    torch.testing.assert_close(decoder.eval()(windows), expected)
    torch.manual_seed(1)
    torch.testing.assert_close(decoder.train()(windows), trained)


def test_it_moves_to_single_precision_with_the_decoder():
    decoder = make_decoder(torch.arange(N_IDENTITIES))
    decoder.linear = make_path()
    decoder.float()
    assert decoder.linear.weight.dtype == torch.float32
