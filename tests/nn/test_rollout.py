"""Modules that forecast frame by frame: gradients, rollouts, masks, an independent twin."""

import itertools

import pytest
import torch

from skneurograph.nn import (
    FixedEdges,
    GraphRollout,
    NeuronDynamics,
    PerceptronRollout,
    RecurrentRollout,
    rollout_error,
)
from skneurograph.nn._changes import change_ahead, roughness
from skneurograph.nn._edges import DenseGraph, SharedGraph
from skneurograph.nn._layers import MemberLinear

N_NEURONS, N_TIMES, N_LAGS, N_DIRECT = 5, 7, 3, 2
KINDS = ["perceptron", "lstm", "gru", "identity", "bilinear", "mlp", "sigmoid", "prior", "fixed"]
EDGES = {"sigmoid": "identity", "prior": "identity"}


def make(kind, *, n_members=2, n_inside=2, n_ahead=2, neuron_dropout=0.0, dropout=0.0, seed=0):
    torch.manual_seed(seed)
    shared = {
        "n_lags": N_LAGS,
        "n_inside": n_inside,
        "n_ahead": n_ahead,
        "neuron_dropout": neuron_dropout,
        "dropout": dropout,
        "hidden_size": 6,
    }
    dynamics = NeuronDynamics(
        mean=torch.linspace(-1, 1, N_NEURONS),
        scale=torch.linspace(0.5, 2, N_NEURONS),
        low=torch.full((N_NEURONS,), -50.0),
        high=torch.full((N_NEURONS,), 50.0),
        knots=torch.tensor([0.2, 0.4, 0.6]),
        shared=0.1 * torch.randn(3, 5, N_DIRECT),
        own=0.1 * torch.randn(N_NEURONS, 5, N_DIRECT),
        directions=torch.randn(3, N_NEURONS, 4),
        coupling=0.1 * torch.randn(4, N_NEURONS, N_DIRECT),
        identities=torch.tensor([0, 1, 2, 1, -1]),
    )
    if kind == "perceptron":
        module = PerceptronRollout(n_members, dynamics, 50.0, **shared)
    elif kind in ("lstm", "gru"):
        module = RecurrentRollout(n_members, dynamics, 50.0, projection_size=4, cell=kind, **shared)
    else:
        module = GraphRollout(
            n_members,
            dynamics,
            50.0,
            n_rounds=2,
            edge_model=EDGES.get(kind, kind),
            edge_activation="sigmoid" if kind == "sigmoid" else "softmax",
            prior=torch.arange(16.0).reshape(4, 4) if kind in ("prior", "fixed") else None,
            **shared,
        )
    with torch.no_grad():
        # The readouts start at zero; away from there every parameter has a gradient.
        for parameter in module.parameters():
            parameter += 0.2 * torch.randn_like(parameter)
    return module.double()


def make_windows(n_windows=4, missing=True):
    torch.manual_seed(1)
    windows = torch.randn(n_windows, N_NEURONS, N_TIMES, dtype=torch.float64)
    if missing:
        windows[0, 3] = torch.nan
        windows[2, 1, 4] = torch.nan
    return windows


@pytest.fixture(params=KINDS)
def module(request):
    return make(request.param)


def test_gradients_agree_with_finite_differences(module):
    windows = make_windows()
    target = torch.randn(4, N_NEURONS, 2, dtype=torch.float64)
    target[1, 2] = torch.nan
    names = [name for name, _ in module.named_parameters()]

    def loss(*parameters):
        named = dict(zip(names, parameters))
        output = torch.func.functional_call(module, named, (windows,))
        return rollout_error(output, target, True).sum()

    parameters = tuple(p.detach().clone().requires_grad_() for p in module.parameters())
    torch.manual_seed(2)
    assert torch.autograd.gradcheck(loss, parameters, fast_mode=True)


def test_training_rolls_out_what_forecasting_does(module):
    module.eval()
    windows = make_windows()
    forecast, seen, recorded, _ = module(windows)
    assert seen.shape == (4, N_NEURONS, 2)
    earlier = module.forecast(windows[:, :, :-2], 4)
    dynamics = module.dynamics
    inside = forecast.mean(dim=0) * dynamics.scale[:, None] + dynamics.mean[:, None]
    torch.testing.assert_close(recorded, ~torch.isnan(windows).any(dim=2))
    # A neuron that is NaN at the end alone is missing in the whole window, not in its beginning.
    torch.testing.assert_close(inside[[0, 1, 3]][:, :3], earlier[[0, 1, 3]][:, :3])


def test_the_linear_forecast_is_fed_back_for_more_steps_than_it_gives():
    dynamics = make("perceptron").dynamics
    frames = make_windows(missing=False)[:, :, -5:]
    module = make("perceptron")
    recorded = torch.ones(4, N_NEURONS, dtype=torch.bool)
    plan = module.plan(frames, recorded, dynamics, 4)
    rough, last = roughness(frames), frames[..., -1:]
    torch.testing.assert_close(plan[..., :2], change_ahead(frames, rough, dynamics))
    later = torch.cat([frames[..., 2:], last + plan[..., :2]], dim=-1)
    expected = plan[..., 1:2] + change_ahead(later, rough, dynamics)
    torch.testing.assert_close(plan[..., 2:], expected)


def test_a_part_of_what_a_net_adds_is_carried_to_the_next_step():
    """A net that always adds as much is ahead of the linear forecast by a geometric sum."""
    module = make("perceptron", n_members=1).eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter.zero_()
        module.readout.bias.fill_(0.1)
    windows = make_windows(missing=False)
    frames, recorded = module.standardise(windows, module.dynamics)
    plan = module.plan(frames, recorded, module.dynamics, 4)
    last, scale = windows[..., -1:], module.dynamics.scale[:, None]
    added = (module.forecast(windows, 4) - last) / scale - plan
    torch.testing.assert_close(
        added, torch.tensor([0.1, 0.18, 0.244, 0.2952]).double().expand_as(added)
    )
    module.reversion = 0.5
    half = (module.forecast(windows, 4) - last) / scale - plan
    torch.testing.assert_close(half, added / 2)


def kind_of_edges(edges):
    if isinstance(edges, FixedEdges):
        return "fixed"
    kind = "identity" if edges.prior is None else "prior"
    return "sigmoid" if edges.activation == "sigmoid" else kind


def first_member(module):
    kinds = {"PerceptronRollout": "perceptron", "GraphRollout": "identity"}
    kind = kinds[type(module).__name__]
    if kind == "identity":
        kind = kind_of_edges(module.edges)
    alone = make(kind, n_members=1)
    with torch.no_grad():
        for mine, theirs in zip(alone.parameters(), module.parameters()):
            mine.copy_(theirs[:1])
    return alone.eval()


def test_members_never_mix():
    for kind in ("perceptron", "identity"):
        both = make(kind).eval()
        alone = first_member(both)
        windows = make_windows()
        torch.testing.assert_close(both(windows)[0][:1], alone(windows)[0])


def test_missing_neurons_change_nothing_for_the_others(module):
    module.eval()
    windows = make_windows(missing=False)
    windows[:, 3] = torch.nan
    other = windows.clone()
    other[:, 3, :-1] = 1e6
    torch.testing.assert_close(module.forecast(windows, 4), module.forecast(other, 4))


def test_forecasts_stay_within_the_limit(module):
    module.eval()
    with torch.no_grad():
        for parameter in module.parameters():
            parameter *= 20
    steps = module.forecast(make_windows(missing=False), 200)
    dynamics = module.dynamics
    distance = ((steps - dynamics.mean[:, None]) / dynamics.scale[:, None]).abs()
    assert distance.max() <= module.limit + 1e-9


@pytest.mark.parametrize("kind", KINDS)
def test_neurons_dropped_in_training_tell_the_others_nothing_beside_the_linear_part(kind):
    """With all of them dropped, a change of one neuron reaches another by the coupling alone."""
    module = make(kind, neuron_dropout=1.0, n_inside=0, n_ahead=1).train()
    windows = make_windows(missing=False)
    other = windows.clone()
    other[:, 0] += 1.0
    coupled = module(other)[0] - module(windows)[0]
    frames = [module.standardise(part, module.dynamics) for part in (other, windows)]
    one, two = (module.plan(*part, module.dynamics, 1) for part in frames)
    torch.testing.assert_close(coupled[:, :, 1:], (one - two)[:, 1:].expand_as(coupled[:, :, 1:]))
    module.given_coupling.zero_()
    forecast, changed = module(windows)[0], module(other)[0]
    torch.testing.assert_close(forecast[:, :, 1:], changed[:, :, 1:])
    assert not torch.allclose(forecast[:, :, 0], changed[:, :, 0])


def test_the_graph_model_agrees_with_a_simple_implementation():
    """Loops over neurons and senders instead of products over all of them."""
    module = make("identity", n_members=1).eval()
    windows = make_windows(n_windows=2, missing=False)
    dynamics = module.dynamics
    frames = (windows - dynamics.mean[:, None]) / dynamics.scale[:, None]
    labels = dynamics.identities.tolist()

    def row(table, label):
        return table[0, label + 1] if label >= 0 else torch.zeros_like(table[0, 0])

    lags = frames[0, :, -3:]
    features = []
    for i, label in enumerate(labels):
        gain, offset = row(module.identity.table, label).chunk(2)
        encoded = lags[i] @ module.encoder.weight[0] + module.encoder.bias[0, 0]
        features.append(torch.relu((1 + gain) * encoded + offset))
    weights = torch.zeros(N_NEURONS, N_NEURONS, dtype=torch.float64)
    for i, receiver in enumerate(labels):
        query = row(module.edges.table, receiver).chunk(2)[0]
        scores = [query @ row(module.edges.table, s).chunk(2)[1] / 8**0.5 for s in labels]
        others = [j for j in range(N_NEURONS) if j != i]
        shares = torch.softmax(torch.stack([scores[j] for j in others]), dim=0)
        weights[i, others] = shares
    torch.testing.assert_close(module.infer_graph(windows)[0], weights)
    for own, sent in zip(module.own, module.sent):
        messages = [
            sum(weights[i, j] * (features[j] @ sent.weight[0]) for j in range(5)) for i in range(5)
        ]
        features = [
            h + torch.relu(h @ own.weight[0] + own.bias[0, 0] + message)
            for h, message in zip(features, messages)
        ]
    recorded = torch.ones(2, N_NEURONS, dtype=torch.bool)
    planned = module.plan(frames, recorded, dynamics, 1)[0, :, 0]
    change = []
    for i, label in enumerate(labels):
        own = module.own_shared[0, 0, 0] + row(module.own_identity, label)
        read = module.read_shared[0, 0, 0] + row(module.read_identity, label)
        change.append(own @ lags[i] + planned[i] + read @ features[i])
    expected = (lags[:, -1] + torch.stack(change)) * dynamics.scale + dynamics.mean
    torch.testing.assert_close(module.forecast(windows, 1)[0, :, 0], expected)


def test_the_loss_weighs_a_step_by_its_inverse_and_leaves_out_what_is_missing():
    forecast = torch.zeros(1, 2, 3, 2, dtype=torch.float64)
    seen = torch.tensor([1.0, 2.0, 3.0], dtype=torch.float64)[None, :, None].repeat(2, 1, 1)
    target = torch.tensor([4.0, torch.nan, 5.0], dtype=torch.float64)[None, :, None].repeat(2, 1, 1)
    recorded = torch.tensor([[True, True, True], [True, True, False]])
    error = rollout_error((forecast, seen, recorded, torch.ones(2, 2)), target, True)
    first = (1 + 4 + 9 + (16 + 25) / 2) / (3 + 2 / 2)
    second = (1 + 4 + 16 / 2) / (2 + 1 / 2)
    torch.testing.assert_close(error, torch.tensor([first, second], dtype=torch.float64))
    nothing = rollout_error((forecast, seen, recorded & False, torch.ones(2, 2)), target, True)
    assert nothing.tolist() == [0.0, 0.0]


def relative(module, windows):
    """Standardised distance of the first forecast from the last frame."""
    step = module.forecast(windows, 1)
    return (step - windows[:, :, -1:]) / module.dynamics.scale[:, None]


def test_levels_beyond_those_of_training_shift_the_forecast_and_nothing_else(module):
    module.eval()
    module.given_low.fill_(-1.0)
    module.given_high.fill_(1.0)
    windows = make_windows(missing=False)
    beyond = windows + 40 * module.dynamics.scale[:, None]
    further = beyond + 1000 * module.dynamics.scale[:, None]
    torch.testing.assert_close(relative(module, beyond), relative(module, further))
    assert not torch.allclose(relative(module, windows), relative(module, beyond))


def test_training_reads_the_level_of_what_comes_before_what_it_forecasts(module):
    module.eval()
    module.reversion = 0.5
    windows = make_windows(missing=False)
    other = windows.clone()
    other[:, :, -2:] += 5.0
    torch.testing.assert_close(module(windows)[0], module(other)[0])


def test_a_frame_beyond_the_limit_is_not_cut_off():
    module = make("perceptron")
    given = module.given_own, module.given_shared, module.given_coupling
    for parameter in (*module.parameters(), *given):
        parameter.detach().zero_()
    windows = make_windows(missing=False)
    windows[0, 1, -1] = 1e4
    torch.testing.assert_close(module.forecast(windows, 5), windows[:, :, -1:].expand(-1, -1, 5))


def test_silent_neurons_stay_and_change_nothing_for_the_others(module):
    module.eval()
    module.given_scale[3] = 0
    windows = make_windows(missing=False)
    other = windows.clone()
    other[:, 3] *= 1e6
    forecast, changed = module.forecast(windows, 4), module.forecast(other, 4)
    assert torch.equal(changed[:, 3], other[:, 3, -1:].expand(-1, 4))
    assert torch.equal(forecast[:, [0, 1, 2, 4]], changed[:, [0, 1, 2, 4]])
    recorded = module(windows)[2]
    assert recorded.all(dim=0).tolist() == [True, True, True, False, True]


def test_thinned_rollouts_are_whole_ones_of_the_first_windows(module):
    windows = make_windows(n_windows=8)
    whole, _, _, alike = module(windows)
    module.thins = True
    thinned, _, _, reached = module(windows)
    assert alike.tolist() == [[1.0] * 4] * 8
    for step, n_left in enumerate([8, 4, 3, 2]):
        torch.testing.assert_close(thinned[:, :n_left, :, step], whole[:, :n_left, :, step])
        assert reached[:, step].tolist() == [8 / n_left] * n_left + [0.0] * (8 - n_left)
    module.eval()
    torch.testing.assert_close(module(windows)[0], whole)


def test_thinned_rollouts_have_the_same_loss_on_average():
    module = make("identity")
    windows = make_windows(n_windows=4)
    target = torch.randn(4, N_NEURONS, 2, dtype=torch.float64)
    whole = rollout_error(module(windows), target, True).mean()
    module.thins = True
    losses = [
        rollout_error(module(windows[order]), target[order], True).mean()
        for order in map(list, itertools.permutations(range(4)))
    ]
    torch.testing.assert_close(torch.stack(losses).mean(), whole)


@pytest.mark.parametrize("alike", [True, False])
def test_messages_are_passed_on_as_they_are_sent(alike):
    torch.manual_seed(0)
    n_members, n_windows, n_features = 2, 4, 3
    recorded = torch.rand(n_members, 1 if alike else n_windows, N_NEURONS) > 0.4
    recorded = recorded.expand(-1, n_windows, -1).double()
    affinity = torch.rand(n_members, N_NEURONS, N_NEURONS, dtype=torch.float64)
    norm = 1 + torch.rand(n_members, n_windows, N_NEURONS, dtype=torch.float64)
    norm = norm[:, :1].expand_as(norm) if alike else norm
    features = torch.randn(n_members, N_NEURONS, n_windows, n_features, dtype=torch.float64)
    own = torch.randn_like(features)
    layer = MemberLinear(n_members, n_features, n_features, bias=False).double()
    graph = SharedGraph(affinity, recorded, norm)
    expected = own + graph.send(layer(features).transpose(1, 2)).transpose(1, 2)
    torch.testing.assert_close(graph.pass_on(features, layer, own), expected)
    torch.testing.assert_close(DenseGraph(graph.dense()).pass_on(features, layer, own), expected)
    first = graph.narrow(2).pass_on(features[:, :, :2], layer, own[:, :, :2])
    torch.testing.assert_close(first, expected[:, :, :2])
