"""Snapshots, the recurrence over them, and the variational model."""

import math

import numpy as np
import pytest
import torch
from torch.nn import functional as F

from skneurograph.nn import SnapshotModel, edge_likelihood, join_history
from skneurograph.nn.tavrnn._cell import SnapshotCell
from skneurograph.nn.tavrnn._plain import LEAST_SPREAD

N_TIMES, N_NEURONS, N_FEATURES, N_COMPONENTS, SIZE = 6, 4, 3, 2, 3


def doubles(*shape, grad=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=grad)


def make_propagation(n_times=N_TIMES, n_sequences=2, n_neurons=N_NEURONS, missing=()):
    n_snapshots = n_times * n_sequences
    adjacency = doubles(n_snapshots, n_neurons, n_neurons)
    adjacency = (adjacency + adjacency.mT) * (torch.rand_like(adjacency) > 0.4)
    adjacency = adjacency.triu(1) + adjacency.triu(1).mT
    recorded = torch.ones(n_snapshots, n_neurons, dtype=torch.bool)
    for snapshot, neuron in missing:
        recorded[snapshot, neuron] = False
    return join_history(adjacency, recorded).unflatten(0, (n_times, n_sequences))


def make_inputs(missing=((0, 1), (3, 0), (8, 2)), **shape):
    propagation = make_propagation(missing=missing, **shape)
    valid = propagation[..., 0, 1:] != 0
    features = (
        doubles(*propagation.shape[:2], propagation.shape[2] - 1, N_FEATURES) * valid[..., None]
    )
    levels = doubles(*propagation.shape[:2], 1)
    labels = torch.randint(-1, 2, propagation.shape[:2])
    return propagation, features, levels, labels


def make_reliability(n_identities):
    return torch.linspace(0.2, 1, 2 * (n_identities or 1)).view(-1, 2)


def make_model(n_identities=N_NEURONS, width=3, **options):
    settings = {
        "n_identities": n_identities,
        "own_gains": n_identities is not None,
        "hidden_size": SIZE,
        "n_components": N_COMPONENTS,
        "attention_width": width,
        "n_classes": 2,
        **options,
    }
    model = SnapshotModel(N_FEATURES, make_reliability(n_identities), 1, **settings).double()
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.add_(0.3 * torch.randn_like(parameter))
    return model


def test_neurons_are_normalised_by_degrees_and_the_history_node_hears_all_alike():
    adjacency = torch.tensor([[[9.0, 0.5, 0.0], [0.5, 9.0, -0.2], [0.0, -0.2, 9.0]]])
    propagation = join_history(adjacency, torch.ones(1, 3, dtype=torch.bool))[0]
    degree = torch.tensor([1.5, 1.7, 1.2])
    expected = torch.tensor([[1.0, 0.5, 0.0], [0.5, 1.0, -0.2], [0.0, -0.2, 1.0]])
    expected = expected / (degree[:, None] * degree).sqrt()
    torch.testing.assert_close(propagation[1:, 1:], expected)
    torch.testing.assert_close(propagation[0], torch.tensor([1.0] + [1 / math.sqrt(3)] * 3))
    assert torch.equal(propagation, propagation.T)


def test_a_neuron_that_is_not_recorded_has_no_edges_and_changes_no_others():
    adjacency = torch.rand(1, 4, 4)
    adjacency = adjacency + adjacency.mT
    recorded = torch.tensor([[True, False, True, True]])
    kept = [0, 2, 3]
    whole = join_history(adjacency, recorded)[0]
    alone = join_history(adjacency[:, kept][:, :, kept], torch.ones(1, 3, dtype=torch.bool))[0]
    assert (whole[2] == 0).all()
    torch.testing.assert_close(whole[[0, 1, 3, 4]][:, [0, 1, 3, 4]], alone)


def pairwise_likelihood(latents, bias, propagation):
    """Pair by pair, from the definition."""
    total = []
    for z, matrix in zip(latents, propagation):
        recorded = [i for i in range(len(z)) if matrix[0, i + 1] != 0]
        pairs = [(i, j) for i in recorded for j in recorded if i < j]
        n_edges = sum(bool(matrix[i + 1, j + 1] != 0) for i, j in pairs)
        snapshot = torch.zeros((), dtype=z.dtype)
        for i, j in pairs:
            edge = bool(matrix[i + 1, j + 1] != 0)
            weight = len(pairs) / (2 * (n_edges if edge else len(pairs) - n_edges))
            if n_edges in (0, len(pairs)):
                weight = 1.0
            score = z[i] @ z[j] + bias
            snapshot = snapshot + weight * F.logsigmoid(score if edge else -score)
        total.append(snapshot)
    return torch.stack(total)


@pytest.mark.parametrize("block", [1, 10**9])
def test_the_likelihood_of_edges_is_that_of_a_loop_over_pairs(monkeypatch, block):
    monkeypatch.setattr("skneurograph.nn.tavrnn._snapshots._BLOCK_ELEMENTS", block)
    propagation = make_propagation(n_sequences=1, missing=((0, 1), (2, 3)))[:, 0]
    latents, bias = doubles(N_TIMES, N_NEURONS, 2, grad=True), doubles(1, grad=True)[0]
    expected = pairwise_likelihood(latents, bias, propagation)
    found = edge_likelihood(latents, bias, propagation)
    torch.testing.assert_close(found, expected)
    upstream = doubles(N_TIMES)
    ours = torch.autograd.grad(found, (latents, bias), upstream)
    naive = torch.autograd.grad(expected, (latents, bias), upstream)
    for gradient, value in zip(ours, naive):
        torch.testing.assert_close(gradient, value)


def test_gradients_of_the_likelihood_match_finite_differences():
    propagation = make_propagation(n_sequences=1, missing=((0, 1),))[:, 0]
    arguments = (doubles(N_TIMES, N_NEURONS, 2, grad=True), doubles(1, grad=True)[0])
    assert torch.autograd.gradcheck(lambda z, b: edge_likelihood(z, b, propagation), arguments)


@pytest.mark.parametrize("weight", [0.0, 1.0])
def test_complete_and_empty_graphs_have_a_finite_likelihood_and_gradient(weight):
    adjacency = torch.full((1, 4, 4), weight)
    propagation = join_history(adjacency, torch.ones(1, 4, dtype=torch.bool))
    latents = torch.randn(1, 4, 2, requires_grad=True)
    likelihood = edge_likelihood(latents, torch.zeros(()), propagation)
    likelihood.sum().backward()
    pairs = torch.triu_indices(4, 4, 1)
    scores = (latents[0] @ latents[0].T)[pairs[0], pairs[1]].detach()
    torch.testing.assert_close(
        likelihood.detach()[0], F.logsigmoid(scores if weight else -scores).sum()
    )
    assert latents.grad.isfinite().all()
    assert (latents.grad != 0).any()


@pytest.mark.parametrize("n_recorded", [0, 1])
def test_snapshots_of_fewer_than_two_neurons_have_no_pairs(n_recorded):
    recorded = torch.arange(4)[None] < n_recorded
    propagation = join_history(torch.ones(1, 4, 4), recorded)
    latents = torch.randn(1, 4, 2, requires_grad=True)
    likelihood = edge_likelihood(latents, torch.zeros(()), propagation)
    likelihood.sum().backward()
    assert likelihood.item() == 0
    assert (latents.grad == 0).all()


def node_by_node(cell, propagation, features, noise):
    """One sequence, one node after the other, with gradients by automatic differentiation."""
    n_times, n_nodes, _ = features.shape
    size, width = cell.attention.shape[1], len(cell.age)
    key, query = cell.attention.chunk(2)
    candidate, encoder, reset, update = cell.state.chunk(4)
    reset_l, update_l, candidate_l = cell.latent.chunk(3)
    blocks = [size, size, size, size, 2 * cell.n_components]
    on_code, on_reset, on_update, on_candidate, on_moments = cell.features.split(blocks)
    bias = [b[:, 0] for b in cell.features_bias.split(blocks)]
    h = [torch.zeros(size, dtype=features.dtype)] * n_nodes
    own, means, spreads, latents, befores, attention = [], [], [], [], [], []
    for t in range(n_times):
        step = propagation[t]

        def conv(values, step=step):
            return [sum(step[i, j] * values[j] for j in range(n_nodes)) for i in range(n_nodes)]

        befores.append(torch.stack(h))
        x, s = conv(list(features[t])), conv(h)
        code = [torch.relu(on_code @ x[i] + bias[0] + encoder @ s[i]) for i in range(n_nodes)]
        moment = conv([cell.moments @ c for c in code])
        moment = [m + on_moments @ x[i] + bias[4] for i, m in enumerate(moment)]
        mean = torch.stack([m[: cell.n_components] for m in moment])
        spread = torch.stack([F.softplus(m[cell.n_components :]) + LEAST_SPREAD for m in moment])
        z = mean if noise is None else mean + spread * noise[t]
        f = conv([torch.relu(cell.lift @ z[i] + cell.lift_bias[:, 0]) for i in range(n_nodes)])
        moved = []
        for i in range(n_nodes):
            r = torch.sigmoid(on_reset @ x[i] + bias[1] + reset_l @ f[i] + reset @ s[i])
            u = torch.sigmoid(on_update @ x[i] + bias[2] + update_l @ f[i] + update @ s[i])
            n = torch.tanh(
                on_candidate @ x[i] + bias[3] + candidate_l @ f[i] + r * (candidate @ s[i])
            )
            new = u * h[i] + (1 - u) * n
            moved.append(new if step[0, i] != 0 else h[i])
        own.append(torch.stack(moved))
        ages = range(min(width, t + 1))
        scores = [
            (key @ own[t - k][0]) @ (query @ own[t][0]) / math.sqrt(size) + cell.age[k]
            for k in ages
        ]
        share = torch.softmax(torch.stack(scores), dim=0) if width > 1 else torch.ones(1).double()
        h = list(sum(share[k] * own[t - k] for k in ages))
        means.append(mean)
        spreads.append(spread)
        latents.append(z)
        attention.append(F.pad(share, (0, width - len(share))))
    return [torch.stack(part) for part in (means, spreads, latents, befores, attention)]


@pytest.mark.parametrize("n_sequences", [1, 2])
@pytest.mark.parametrize("width", [1, 3, 9])
@pytest.mark.parametrize("is_drawn", [True, False])
def test_the_cell_and_its_gradient_agree_with_a_loop_over_nodes(n_sequences, width, is_drawn):
    missing = ((0, 1), (3, 0), (4, 2))
    propagation = make_propagation(n_sequences=n_sequences, missing=missing)
    features = doubles(N_TIMES, n_sequences, 1 + N_NEURONS, SIZE, grad=True)
    noise = doubles(N_TIMES, n_sequences, 1 + N_NEURONS, N_COMPONENTS) if is_drawn else None
    cell = SnapshotCell(SIZE, N_COMPONENTS, width).double()
    inputs = [features, *cell.parameters()]
    found = cell(propagation, features, noise)
    one_by_one = [
        node_by_node(
            cell, propagation[:, k], features[:, k], None if noise is None else noise[:, k]
        )
        for k in range(n_sequences)
    ]
    expected = [torch.stack(parts, dim=1) for parts in zip(*one_by_one)]
    valid = (propagation[..., 0, :] != 0)[..., None]
    for k, (ours, theirs) in enumerate(zip(found, expected)):
        counted = valid if k < 3 else 1
        torch.testing.assert_close(ours * counted, theirs * counted)
    weights = [doubles(*part.shape) for part in expected[:4]]

    def gradient(trajectory):
        total = sum(
            (w * part * (valid if k < 3 else 1)).sum()
            for k, (w, part) in enumerate(zip(weights, trajectory[:4]))
        )
        return torch.autograd.grad(total, inputs, allow_unused=True)

    for ours, theirs in zip(gradient(found), gradient(expected)):
        if theirs is None:
            assert ours is None or (ours == 0).all()
        else:
            torch.testing.assert_close(ours, theirs)


def test_every_parameter_of_the_model_is_trained():
    model = make_model(width=3).train()
    model(*make_inputs()).sum().backward()
    for name, parameter in model.named_parameters():
        assert parameter.grad is not None, name
        assert (parameter.grad != 0).any(), name


def test_attention_weights_sum_to_one_and_look_back_no_further_than_told():
    for width in (1, 2, 5):
        propagation, features, levels, _ = make_inputs()
        attention = make_model(width=width).eval().run(propagation, features, levels).attention
        assert attention.shape == (N_TIMES, 2, width)
        torch.testing.assert_close(attention.sum(dim=-1), torch.ones(N_TIMES, 2).double())
        for t in range(min(width, N_TIMES)):
            assert (attention[t, :, t + 1 :] == 0).all()


def test_states_stay_bounded_over_thousands_of_snapshots():
    model = make_model().eval()
    propagation, features, levels, _ = make_inputs(n_times=2000, n_sequences=1, missing=())
    with torch.no_grad():
        trajectory = model.run(propagation, 10 * features, levels)
    assert trajectory.before.abs().max() <= 1
    assert all(part.isfinite().all() for part in trajectory)


@pytest.mark.parametrize("n_sequences", [1, 2])
def test_without_a_gradient_the_trajectory_is_the_same(n_sequences):
    model = make_model().eval()
    inputs = make_inputs(n_sequences=n_sequences, missing=((0, 1), (3, 0)))[:3]
    kept = model.run(*inputs)
    with torch.no_grad():
        found = model.run(*inputs)
    for ours, theirs in zip(found, kept):
        torch.testing.assert_close(ours, theirs.detach(), rtol=0, atol=0)


def test_what_comes_later_changes_nothing_before():
    model = make_model().eval()
    inputs = make_inputs()
    changed = [value.clone() for value in inputs[:3]]
    changed[0][4:] = make_propagation()[4:]
    changed[1][4:] += 1
    changed[2][4:] -= 1
    first, second = model.run(*inputs[:3]), model.run(*changed)
    for ours, theirs in zip(first, second):
        torch.testing.assert_close(ours[:4], theirs[:4])
        assert not torch.allclose(ours[4:], theirs[4:])


def test_a_shorter_sequence_beside_a_longer_one_is_as_alone():
    model = make_model().eval()
    propagation, features, levels, labels = make_inputs()
    alone = [part[:4, 1:] for part in (propagation, features, levels, labels)]
    ended = [part.clone() for part in (propagation, features, levels, labels)]
    for part in ended:
        part[4:, 1] = 0
    torch.testing.assert_close(model(*ended)[:4, 1:], model(*alone))
    assert (model(*ended)[4:, 1] == 0).all()


@pytest.mark.parametrize("width", [1, 3])
def test_a_neuron_that_is_never_recorded_changes_nothing(width):
    missing = [(s, 2) for s in range(2 * N_TIMES)]
    propagation, features, levels, labels = make_inputs(missing=missing)
    model = make_model(n_identities=None, width=width).eval()
    kept = [0, 1, 2, 4]
    narrow = propagation[:, :, kept][..., kept]
    fewer = (narrow, features[:, :, [0, 1, 3]], levels, labels)
    torch.testing.assert_close(model(propagation, features, levels, labels), model(*fewer))


@pytest.mark.parametrize("width", [1, 3])
def test_exchangeable_neurons_in_another_order_are_embedded_in_that_order(width):
    propagation, features, levels, labels = make_inputs()
    model = make_model(n_identities=None, width=width).eval()
    order = torch.tensor([2, 0, 3, 1])
    nodes = torch.cat([torch.zeros(1, dtype=torch.long), 1 + order])
    turned = (propagation[:, :, nodes][..., nodes], features[:, :, order], levels)
    straight, found = model.run(propagation, features, levels), model.run(*turned)
    torch.testing.assert_close(found.mean, straight.mean[:, :, nodes])
    torch.testing.assert_close(found.before, straight.before[:, :, nodes])
    torch.testing.assert_close(model(*turned, labels), model(propagation, features, levels, labels))


def test_identified_neurons_in_another_order_follow_their_parameters():
    propagation, features, levels, labels = make_inputs()
    model = make_model().eval()
    expected = model(propagation, features, levels, labels)
    order = torch.tensor([2, 0, 3, 1])
    nodes = torch.cat([torch.zeros(1, dtype=torch.long), 1 + order])
    turned = (propagation[:, :, nodes][..., nodes], features[:, :, order], levels, labels)
    assert not torch.allclose(model(*turned), expected)
    with torch.no_grad():
        for name in ("gains", "offsets", "joins", "loadings", "baselines", "reliability"):
            getattr(model, name).copy_(getattr(model, name)[order].clone())
    torch.testing.assert_close(model(*turned), expected)


def test_weights_of_the_correlations_reach_the_convolution():
    propagation, features, levels, _ = make_inputs(missing=())
    model = make_model().eval()
    other = propagation.clone()
    other[..., 1:, 1:] *= 0.5
    assert not torch.allclose(
        model.run(propagation, features, levels).mean, model.run(other, features, levels).mean
    )


def test_the_divergence_is_that_of_normal_distributions():
    propagation, features, levels, _ = make_inputs()
    model = make_model().eval()
    trajectory = model.run(propagation, features, levels)
    expected, raw = model.prior(trajectory.before).chunk(2, dim=-1)
    posterior = torch.distributions.Normal(trajectory.mean, trajectory.spread)
    prior = torch.distributions.Normal(expected, F.softplus(raw) + LEAST_SPREAD)
    valid = (propagation[..., 0, :] != 0)[..., None]
    divergence = (torch.distributions.kl_divergence(posterior, prior) * valid).sum(dim=(2, 3))
    torch.testing.assert_close(
        model.terms(trajectory, propagation, features).divergence, divergence
    )


def test_the_divergence_is_divided_by_the_number_of_neurons_once():
    propagation, features, levels, _ = make_inputs(missing=())
    model = make_model().eval()
    trajectory = model.run(propagation, features, levels)
    terms = model.terms(trajectory, propagation, features)
    bound = model.bound(trajectory, propagation, features)
    parts = terms.edges * 2 / (N_NEURONS - 1) + terms.features
    expected = (parts - terms.divergence) / N_NEURONS
    torch.testing.assert_close(bound, expected)


def test_evaluation_draws_nothing_and_training_draws_alike_in_both_precisions():
    inputs = make_inputs()
    model = make_model().eval()
    torch.testing.assert_close(model(*inputs), model(*inputs), rtol=0, atol=0)
    model.train()
    torch.manual_seed(1)
    double = model(*inputs)
    torch.manual_seed(1)
    single = model.float()(*(part.float() for part in inputs[:3]), inputs[3])
    np.testing.assert_allclose(single.detach(), double.detach(), rtol=1e-3, atol=1e-3)
    assert not torch.equal(model(*(p.float() for p in inputs[:3]), inputs[3]), single)


@pytest.fixture
def _memory_starts_as_nan():
    torch.use_deterministic_algorithms(True)
    yield
    torch.use_deterministic_algorithms(False)


@pytest.mark.usefixtures("_memory_starts_as_nan")
@pytest.mark.parametrize("n_times", [1, N_TIMES])
@pytest.mark.parametrize("width", [1, 3])
def test_nothing_is_read_from_memory_before_it_is_written(n_times, width):
    model = make_model(width=width)
    loss = model(*make_inputs(n_times=n_times, missing=((0, 1),)))
    loss.sum().backward()
    assert loss.isfinite().all()
    assert all(
        value.grad.isfinite().all() for value in model.parameters() if value.grad is not None
    )


def test_activity_is_explained_by_a_gaussian_as_far_as_it_is_reliable():
    propagation, features, levels, _ = make_inputs()
    model = make_model().eval()
    trajectory = model.run(propagation, features, levels)
    total = torch.zeros(N_TIMES, 2).double()
    for neuron in range(N_NEURONS):
        mean = trajectory.latents[:, :, 0] @ model.loadings[neuron] + model.baselines[neuron]
        normal = torch.distributions.Normal(mean, (-model.precision / 2).exp())
        logarithm = normal.log_prob(features[:, :, neuron, 1:]) + 0.5 * math.log(2 * math.pi)
        recorded = propagation[..., 0, 1 + neuron] != 0
        total = total + (model.reliability[neuron] * logarithm).sum(dim=-1) * recorded
    torch.testing.assert_close(model.terms(trajectory, propagation, features).features, total)


def test_what_is_not_reliable_is_neither_heard_nor_explained():
    propagation, features, levels, labels = make_inputs()
    model = make_model().eval()
    changed = features.clone()
    changed[..., 2, 1] += 1
    assert not torch.allclose(
        model(propagation, changed, levels, labels), model(propagation, features, levels, labels)
    )
    model.reliability[2, 0] = 0
    torch.testing.assert_close(
        model(propagation, changed, levels, labels), model(propagation, features, levels, labels)
    )


@pytest.mark.parametrize("width", [1, 3])
@pytest.mark.parametrize("is_shuffled", [False, True])
def test_graphs_picked_from_a_stack_are_as_those_side_by_side(width, is_shuffled):
    model = make_model(width=width).eval()
    propagation, *others = make_inputs(n_sequences=3)
    rows = torch.arange(N_TIMES * 3).view(3, N_TIMES).T
    rows = rows.flip(0) if is_shuffled else rows.clone()
    stack = torch.empty(N_TIMES * 3, *propagation.shape[2:]).double()
    stack[rows] = propagation
    rows[4:, 1] = -1
    for part in (propagation, *others):
        part[4:, 1] = 0  # ended
    parameters = list(model.parameters())
    found = []
    for inputs in ((propagation, *others), (stack.expand(N_TIMES, -1, -1, -1), *others, rows)):
        loss = model(*inputs)
        gradients = torch.autograd.grad(loss.sum(), parameters, allow_unused=True)
        found.append([loss, *gradients])
    torch.testing.assert_close(*found)


@pytest.mark.parametrize("n_rows", [1, 3, 9])
def test_edges_of_large_graphs_some_rows_at_a_time_are_as_likely(monkeypatch, n_rows):
    propagation = make_propagation(n_sequences=1, n_neurons=7, missing=((0, 1), (2, 3), (2, 6)))[
        :, 0
    ]
    propagation[4:] = 0  # ended
    latents, bias = doubles(N_TIMES, 7, 2, grad=True), doubles(1, grad=True)[0]
    upstream, found = doubles(N_TIMES), []
    monkeypatch.setattr("skneurograph.nn.tavrnn._snapshots._ROWS", n_rows)
    for large in (10**9, 1):
        monkeypatch.setattr("skneurograph.nn.tavrnn._snapshots.LARGE", large)
        likelihood = edge_likelihood(latents, bias, propagation)
        found.append([likelihood, *torch.autograd.grad(likelihood, (latents, bias), upstream)])
    torch.testing.assert_close(*found)


def test_surprising_edges_have_their_likelihood_in_single_precision():
    latents = torch.tensor([[[30.0], [30.0], [-30.0]]], requires_grad=True)
    recorded = torch.ones(1, 3, dtype=torch.bool)
    graph = torch.zeros(1, 3, 3)
    graph[0, 0, 2] = graph[0, 2, 0] = 1  # at a logit of -900
    likelihood = edge_likelihood(latents, torch.zeros(()), join_history(graph, recorded))
    likelihood.sum().backward()
    assert likelihood.item() == pytest.approx(-1.5 * 900 - 0.75 * 900)
    assert latents.grad.isfinite().all()


def test_a_sequence_that_has_ended_has_no_edges_to_explain(monkeypatch):
    monkeypatch.setattr("skneurograph.nn.tavrnn._snapshots._BLOCK_ELEMENTS", 1)
    propagation = make_propagation(n_sequences=1)[:, 0]
    propagation[4:] = 0
    latents = doubles(N_TIMES, N_NEURONS, 2, grad=True)
    likelihood = edge_likelihood(latents, torch.zeros(()).double(), propagation)
    likelihood.sum().backward()
    assert (likelihood[4:] == 0).all()
    assert (latents.grad[4:] == 0).all()
    torch.testing.assert_close(
        likelihood[:4], edge_likelihood(latents[:4], torch.zeros(()).double(), propagation[:4])
    )
