"""The node that reads the population, against one written out."""

import pytest
import torch
from torch.nn import functional as F

from skneurograph.nn import PopulationNode
from tests.nn.test_modules import make_decoder, make_windows

SIZES = {"n_dimensions": 3, "hidden_size": 4, "dropout": 0.0}
IDENTITIES = torch.tensor([2, 0, -1, 3, 1])


def make_node(n_members=2, **changed):
    return PopulationNode(n_members, 4, 3, 2, **{**SIZES, **changed}).double()


def make_inputs(n_windows=6):
    activity = torch.randn(1, n_windows, len(IDENTITIES), 3, dtype=torch.float64)
    return activity, torch.rand(1, n_windows, len(IDENTITIES)) < 0.7


def read(node, member, activity, present):
    """What one member reads in one window, neuron by neuron."""
    dimensions = torch.zeros(3, 3, dtype=torch.float64)
    for neuron, identity in enumerate(IDENTITIES.tolist()):
        if identity >= 0 and present[neuron]:
            weights = node.projection[member, identity + 1]
            dimensions += weights[:, None] * activity[neuron]
    inner, outer = node.encoder, node.readout
    features = F.relu(dimensions.flatten() @ inner.weight[member] + inner.bias[member, 0])
    return features @ outer.weight[member] + outer.bias[member, 0]


def test_it_projects_identified_neurons_that_are_present():
    node, (activity, present) = make_node(), make_inputs()
    found = node(activity, present, IDENTITIES)
    assert found.shape == (2, 6, 2)
    for member, window in [(0, 0), (0, 5), (1, 2)]:
        expected = read(node, member, activity[0, window], present[0, window])
        torch.testing.assert_close(found[member, window], expected)


def test_gradients():
    node, (activity, present) = make_node(), make_inputs(3)
    inputs = (activity.requires_grad_(), *node.parameters())
    names = [name for name, _ in node.named_parameters()]

    def output(x, *parameters):
        given = dict(zip(names, parameters))
        return torch.func.functional_call(node, given, (x, present, IDENTITIES))

    assert torch.autograd.gradcheck(output, inputs)


def test_columns_may_stand_in_any_order():
    node, (activity, present) = make_node(), make_inputs()
    order = torch.randperm(len(IDENTITIES))
    moved = node(activity[:, :, order], present[:, :, order], IDENTITIES[order])
    torch.testing.assert_close(moved, node(activity, present, IDENTITIES))


def test_anonymous_neurons_get_no_weights():
    node, (activity, present) = make_node(), make_inputs()
    node(activity, present, IDENTITIES).sum().backward()
    assert not node.projection.grad[:, 0].any()
    changed = activity.clone()
    changed[:, :, 2] = 5
    torch.testing.assert_close(
        node(changed, present, IDENTITIES), node(activity, present, IDENTITIES)
    )


@pytest.mark.parametrize("n_members", [1, 2, 3, 4])
def test_every_second_member_of_a_decoder_has_it(n_members):
    windows, identities = make_windows(), torch.tensor([0, 1, 2, 3, -1, -1])
    decoder = make_decoder(identities, n_members=n_members, population_size=3).eval()
    found = decoder(windows)
    node, decoder.population = decoder.population, None
    without = decoder(windows)
    present = ~torch.isnan(windows).any(dim=2)
    activity = torch.where(present[..., None], windows, 0.0)
    added = node(activity[None] * decoder.fading, present[None], identities)
    torch.testing.assert_close(found[::2], without[::2] + added)
    torch.testing.assert_close(found[1::2], without[1::2])


def test_a_dropped_neuron_does_not_send_to_it():
    windows = make_windows(missing=())
    identities = torch.arange(6)
    decoder = make_decoder(identities, n_members=2, population_size=3, neuron_dropout=1.0)
    windows.requires_grad_()
    decoder.train()(windows).sum().backward()
    assert not windows.grad.any()


def test_without_identified_neurons_there_is_none():
    assert make_decoder(torch.full((6,), -1), "bilinear", population_size=3).population is None
