"""The recurrence with its gradient written out, beside the plain one that it must agree with."""

import pytest
import torch

from skneurograph.nn import join_history
from skneurograph.nn.tavrnn._plain import Weights, plain_recurrence
from skneurograph.nn.tavrnn._recurrence import run_recurrence

N_NEURONS, SIZE, N_COMPONENTS = 4, 3, 2


def doubles(*shape):
    return torch.randn(*shape, dtype=torch.float64)


def make_propagation(lengths):
    """Sequences of some lengths, with neurons that come and go and a gap in the first one."""
    n_times, n_sequences = max(lengths), len(lengths)
    recorded = torch.rand(n_times, n_sequences, N_NEURONS) > 0.2
    recorded[1, 0] = False
    recorded[0] = True  # a step at which every column is valid
    adjacency = doubles(n_times, n_sequences, N_NEURONS, N_NEURONS)
    adjacency = (adjacency + adjacency.mT) * (adjacency + adjacency.mT > 0.3)
    flat = join_history(adjacency.flatten(0, 1), recorded.flatten(0, 1))
    propagation = flat.unflatten(0, (n_times, n_sequences))
    for k, length in enumerate(lengths):
        propagation[length:, k] = 0
    return propagation


def make_weights(width):
    shapes = [(4 * SIZE, SIZE), (3 * SIZE, SIZE), (2 * N_COMPONENTS, SIZE), (SIZE, N_COMPONENTS)]
    shapes += [(SIZE, 1), (2 * SIZE, SIZE), (width,)]
    return Weights(*(doubles(*shape) for shape in shapes))


@pytest.mark.parametrize("lengths", [(7,), (7, 7), (7, 4, 1)])
@pytest.mark.parametrize("width", [1, 2, 3, 9])
@pytest.mark.parametrize("is_drawn", [True, False])
@pytest.mark.parametrize("is_masked", [True, False])
def test_values_and_gradients_are_those_of_the_plain_recurrence(
    lengths, width, is_drawn, is_masked
):
    propagation = make_propagation(lengths)
    n_times, n_sequences, n_nodes, _ = propagation.shape
    n_columns = n_sequences * n_nodes
    given = doubles(n_times, 4 * SIZE + 2 * N_COMPONENTS, n_columns)
    noise = doubles(n_times, N_COMPONENTS, n_columns) if is_drawn else None
    valid = (propagation[..., 0, :] != 0).flatten(1) if is_masked else None
    weights = make_weights(width)
    upstream, results = None, []
    for run in (run_recurrence, plain_recurrence):
        inputs = [part.clone().requires_grad_() for part in (given, *weights)]
        *values, attention = run(propagation, inputs[0], noise, valid, Weights(*inputs[1:]))
        upstream = upstream or [doubles(*part.shape) for part in values]
        gradients = torch.autograd.grad(values, inputs, upstream, materialize_grads=True)
        results.append([*values, attention, *gradients])
    for found, expected in zip(*results):
        torch.testing.assert_close(found, expected, rtol=1e-11, atol=1e-12)


@pytest.mark.parametrize("n_sequences", [1, 2])
@pytest.mark.parametrize("width", [1, 2])
@pytest.mark.parametrize("is_whole", [True, False])
def test_gradients_match_finite_differences(n_sequences, width, is_whole):
    n_times, n_columns = 3, 2 * n_sequences
    propagation = doubles(n_times, n_sequences, 2, 2)
    propagation = propagation + propagation.mT
    valid = None if is_whole else torch.rand(n_times, n_columns) > 0.3
    weights = [part.requires_grad_() for part in make_weights(width)]
    given = doubles(n_times, 4 * SIZE + 2 * N_COMPONENTS, n_columns).requires_grad_()
    noise = doubles(n_times, N_COMPONENTS, n_columns)

    def run(given, *weights):
        return run_recurrence(propagation, given, noise, valid, Weights(*weights))[:3]

    assert torch.autograd.gradcheck(run, (given, *weights))
