"""The torch modules: gradients, invariances, agreement with naive implementations."""

import itertools

import pytest
import torch
from torch.nn import functional as F

from skneurograph.nn import (
    GraphDecoder,
    IdentityEdges,
    MemberLinear,
    PairEdges,
    Pooling,
    RecurrentDecoder,
    SharedDropout,
    pair_scores,
)

OPTIONS = list(
    itertools.product(
        ("identity", "bilinear", "mlp"), ("softmax", "sigmoid"), ("mean", "attention")
    )
)


# Edges with a prior, and edges that are given.
WITH_PRIOR = [
    ("identity", "softmax"),
    ("identity", "sigmoid"),
    ("bilinear", "softmax"),
    ("mlp", "sigmoid"),
    ("fixed", "softmax"),
]


def make_prior(n_identities=4):
    """Weights of pairs of identities: some zero, some unknown, row 0 for anonymous neurons."""
    prior = torch.rand(n_identities + 1, n_identities + 1, dtype=torch.float64)
    prior[1, 3] = prior[2, 1] = 0
    prior[3, 2] = torch.nan
    prior[0] = prior[:, 0] = torch.nan
    return prior


def make_decoder(
    identities, edge_model="identity", activation="softmax", pooling="mean", **options
):
    settings = {
        "n_members": 2,
        "time_constant": 2.0,
        "hidden_size": 4,
        "n_rounds": 2,
        "dropout": 0.0,
        "neuron_dropout": 0.0,
        **options,
    }
    return GraphDecoder(
        3,
        2,
        torch.as_tensor(identities),
        edge_model=edge_model,
        edge_activation=activation,
        pooling=pooling,
        **settings,
    ).double()


def make_windows(n_windows=5, n_neurons=6, n_times=3, missing=((0, 1), (2, 5), (3, 0), (3, 2))):
    windows = torch.randn(n_windows, n_neurons, n_times, dtype=torch.float64)
    for window, neuron in missing:
        windows[window, neuron, 1] = torch.nan
    return windows


def naive_pair_scores(receivers, senders, weight):
    """Apply the network to every concatenated pair, one by one."""
    n_windows, n_neurons, _ = receivers.shape
    scores = torch.zeros(n_windows, n_neurons, n_neurons, dtype=receivers.dtype)
    for w, i, j in itertools.product(range(n_windows), range(n_neurons), range(n_neurons)):
        scores[w, i, j] = (torch.relu(receivers[w, i] + senders[w, j]) * weight).sum()
    return scores


def test_pair_scores_agree_with_a_loop_over_pairs_whatever_the_blocks(monkeypatch):
    receivers, senders = torch.randn(2, 3, 5, 4, dtype=torch.float64)
    weight = torch.randn(4, dtype=torch.float64)
    expected = naive_pair_scores(receivers, senders, weight)
    for elements in (1, 130, 10**9):
        monkeypatch.setattr("skneurograph.nn._pairwise._BLOCK_ELEMENTS", elements)
        torch.testing.assert_close(pair_scores(receivers, senders, weight), expected)


@pytest.mark.parametrize("elements", [1, 130, 10**9])
def test_gradients_of_pair_scores_match_finite_differences(monkeypatch, elements):
    monkeypatch.setattr("skneurograph.nn._pairwise._BLOCK_ELEMENTS", elements)
    inputs = (
        torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(2, 4, 3, dtype=torch.float64, requires_grad=True),
        torch.randn(3, dtype=torch.float64, requires_grad=True),
    )
    assert torch.autograd.gradcheck(pair_scores, inputs)


@pytest.mark.parametrize(("edge_model", "activation", "pooling"), OPTIONS)
def test_gradients_of_the_decoder_match_finite_differences(edge_model, activation, pooling):
    module = make_decoder([0, 1, 2, -1, -1, 3], edge_model, activation, pooling, n_members=1)
    windows = make_windows(n_windows=2, missing=((0, 1),))
    names, values = zip(*module.named_parameters())

    def output(*parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), (windows,))

    assert torch.autograd.gradcheck(output, values, eps=1e-6, atol=1e-5)


@pytest.mark.parametrize(("cell", "projection_size"), [("lstm", None), ("gru", 2)])
def test_gradients_of_the_recurrent_decoder_match_finite_differences(cell, projection_size):
    module = RecurrentDecoder(
        4,
        2,
        n_members=2,
        projection_size=projection_size,
        hidden_size=3,
        cell=cell,
        dropout=0.0,
        neuron_dropout=0.0,
    ).double()
    windows = make_windows(n_windows=2, n_neurons=4, missing=((0, 1),))
    names, values = zip(*module.named_parameters())

    def output(*parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), (windows,))

    assert torch.autograd.gradcheck(output, values, eps=1e-6, atol=1e-5)


def naive_prior(prior, scale, receiver, sender):
    """What a prior adds to the score of a pair; identities as in the decoder."""
    weight = prior[receiver + 1, sender + 1] / prior[~prior.isnan()].mean()
    return torch.tensor(0.0) if weight.isnan() else scale * torch.log((weight + 0.1) / 1.1)


def naive_decoder(module, windows, edge_model, activation, pooling, prior=None):
    """Decode with loops over members, windows and recorded neurons only."""
    outputs = torch.zeros(module.n_members, len(windows), 2, dtype=windows.dtype)
    for m, w in itertools.product(range(module.n_members), range(len(windows))):
        recorded = [i for i in range(windows.shape[1]) if not windows[w, i].isnan().any()]
        h = {}
        for i in recorded:
            faded = windows[w, i] * torch.exp(torch.tensor([-2.0, -1.0, 0.0]).double() / 2)
            encoded = faded @ module.encoder.weight[m] + module.encoder.bias[m, 0]
            identity = int(module.identities[i])
            if identity >= 0:
                gain, offset = module.identity.table[m, identity + 1].chunk(2)
                encoded = encoded * (1 + gain) + offset
            h[i] = torch.relu(encoded)
        size = module.encoder.weight.shape[-1]
        weights = {}
        for i in recorded:
            senders = [j for j in recorded if j != i]
            scores = []
            for j in senders:
                a, b = int(module.identities[i]), int(module.identities[j])
                if edge_model in ("fixed", "uniform"):
                    weight = torch.ones(()) if prior is None else prior[a + 1, b + 1].nan_to_num()
                    scores.append(weight.double().log())
                    continue
                if edge_model == "identity":
                    table = module.edges.table[m]
                    query = table[a + 1].chunk(2)[0] if a >= 0 else torch.zeros(8)
                    key = table[b + 1].chunk(2)[1] if b >= 0 else torch.zeros(8)
                    scores.append((query.double() * key.double()).sum() / 8**0.5)
                    continue
                p = h[i] @ module.edges.receiver.weight[m] + module.edges.receiver.bias[m, 0]
                q = h[j] @ module.edges.sender.weight[m]
                if edge_model == "bilinear":
                    scores.append((p * q).sum() / size**0.5)
                else:
                    scores.append(torch.relu(p + q) @ module.edges.score.weight[m, :, 0])
            if not senders:
                continue
            scores = torch.stack(scores)
            if edge_model in ("fixed", "uniform") and (scores == -torch.inf).all():
                continue
            if prior is not None and edge_model != "fixed":
                pairs = [(int(module.identities[i]), int(module.identities[j])) for j in senders]
                scale = module.edges.prior.scale[m, 0, 0]
                scores = scores + torch.stack([naive_prior(prior, scale, *p) for p in pairs])
            gates = (
                torch.softmax(scores, 0)
                if activation == "softmax"
                else torch.sigmoid(scores) / len(senders)
            )
            weights[i] = dict(zip(senders, gates))
        for own, sent in zip(module.own, module.sent):
            updated = {}
            for i in recorded:
                message = sum(
                    (a * (h[j] @ sent.weight[m]) for j, a in weights.get(i, {}).items()),
                    torch.zeros(size, dtype=windows.dtype),
                )
                update = torch.relu(h[i] @ own.weight[m] + own.bias[m, 0] + message)
                updated[i] = h[i] + update
            h = updated
        stacked = torch.stack([h[i] for i in recorded])
        if pooling == "mean":
            pooled = stacked.mean(0) * windows.shape[1] ** 0.5
        elif pooling == "attention":
            score = stacked @ module.pooling.score.weight[m] + module.pooling.score.bias[m]
            pooled = (torch.softmax(score, 0) * stacked).sum(0) * windows.shape[1] ** 0.5
        else:
            pooled = torch.zeros(windows.shape[1], size, dtype=windows.dtype)
            pooled[recorded] = stacked
            pooled = pooled.flatten()
        outputs[m, w] = pooled @ module.readout.weight[m] + module.readout.bias[m, 0]
    return outputs


@pytest.mark.parametrize(
    ("edge_model", "activation", "pooling"),
    list(
        itertools.product(
            ("identity", "bilinear", "mlp"),
            ("softmax", "sigmoid"),
            ("mean", "attention", "concat"),
        )
    ),
)
def test_decoder_agrees_with_loops_over_recorded_neurons(edge_model, activation, pooling):
    identities = range(6) if pooling == "concat" else [0, 1, 2, -1, -1, 3]
    module = make_decoder(list(identities), edge_model, activation, pooling)
    windows = make_windows(missing=((0, 1), (2, 5), *((3, i) for i in range(5))))
    with torch.no_grad():
        expected = naive_decoder(module, windows, edge_model, activation, pooling)
        torch.testing.assert_close(module(windows), expected)


@pytest.mark.parametrize(("edge_model", "activation"), [*WITH_PRIOR, ("uniform", "softmax")])
def test_a_decoder_with_a_prior_agrees_with_loops_over_recorded_neurons(edge_model, activation):
    prior = None if edge_model == "uniform" else make_prior()
    module = make_decoder([0, 1, 2, -1, -1, 3], edge_model, activation, prior=prior)
    if edge_model not in ("fixed", "uniform"):
        torch.nn.init.uniform_(module.edges.prior.scale, 0.5, 2)
    windows = make_windows(missing=((0, 1), (2, 5), *((3, i) for i in range(5))))
    with torch.no_grad():
        expected = naive_decoder(module, windows, edge_model, activation, "mean", prior)
        torch.testing.assert_close(module(windows), expected)


@pytest.mark.parametrize(("edge_model", "activation"), WITH_PRIOR)
def test_gradients_with_a_prior_match_finite_differences(edge_model, activation):
    module = make_decoder(
        [0, 1, 2, -1, 3], edge_model, activation, n_members=1, n_rounds=1, prior=make_prior()
    )
    windows = make_windows(n_windows=2, n_neurons=5, missing=((0, 1),))
    names, values = zip(*module.named_parameters())
    assert ("edges.prior.scale" in names) == (edge_model != "fixed")

    def output(*parameters):
        return torch.func.functional_call(module, dict(zip(names, parameters)), (windows,))

    assert torch.autograd.gradcheck(output, values, eps=1e-6, atol=1e-5, fast_mode=True)


@pytest.mark.parametrize(("edge_model", "activation"), WITH_PRIOR)
def test_a_prior_follows_identities_into_another_order(edge_model, activation):
    identities = torch.tensor([0, 1, 2, -1, -1, 3])
    module = make_decoder(identities, edge_model, activation, prior=make_prior())
    windows = make_windows()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(windows[:, order], identities[order]), module(windows))


def test_without_scores_a_softmax_gives_senders_weight_in_proportion_to_the_prior():
    prior = make_prior(5)
    module = make_decoder(range(5), prior=prior)
    torch.nn.init.zeros_(module.edges.table)
    windows = make_windows(n_neurons=5, missing=())
    weights = (prior / prior[~prior.isnan()].mean() + 0.1).nan_to_num(nan=1.1)[1:, 1:]
    expected = weights.fill_diagonal_(0) / weights.sum(dim=1, keepdim=True)
    torch.testing.assert_close(module.infer_graph(windows)[0], expected)


@pytest.mark.parametrize(("edge_model", "activation", "pooling"), OPTIONS)
def test_exchangeable_neurons_in_another_order_give_the_same_output(
    edge_model, activation, pooling
):
    module = make_decoder([-1] * 6, edge_model, activation, pooling)
    windows = make_windows()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(windows[:, order]), module(windows))


@pytest.mark.parametrize(("edge_model", "activation", "pooling"), OPTIONS)
def test_identified_neurons_in_another_order_give_the_same_output_with_their_identities(
    edge_model, activation, pooling
):
    identities = torch.tensor([0, 1, 2, -1, -1, 3])
    module = make_decoder(identities, edge_model, activation, pooling)
    windows = make_windows()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(module(windows[:, order], identities[order]), module(windows))
    assert not torch.allclose(module(windows[:, order]), module(windows))


@pytest.mark.parametrize(("edge_model", "activation", "pooling"), OPTIONS)
def test_an_unrecorded_neuron_changes_neither_output_nor_graph(edge_model, activation, pooling):
    identities = torch.tensor([0, 1, 2, -1, 3])
    module = make_decoder(identities, edge_model, activation, pooling)
    windows = make_windows(n_neurons=5, missing=((0, 1), (2, 4), (3, 0)))
    padded = torch.cat([windows, torch.full((5, 2, 3), torch.nan, dtype=torch.float64)], dim=1)
    with_two_more = torch.cat([identities, torch.tensor([-1, 1])])
    torch.testing.assert_close(module(padded, with_two_more), module(windows))
    graph = module.infer_graph(padded, with_two_more)
    complete = ~windows.isnan().any(dim=(1, 2))
    torch.testing.assert_close(graph[complete][:, :5, :5], module.infer_graph(windows)[complete])
    assert (graph[complete][:, :5, 5:] == 0).all()


@pytest.mark.parametrize(("edge_model", "activation", "pooling"), OPTIONS)
def test_graphs_are_non_negative_without_self_loops_and_softmax_rows_sum_to_one(
    edge_model, activation, pooling
):
    module = make_decoder(range(6), edge_model, activation, pooling)
    graph = module.infer_graph(make_windows(missing=()))
    assert (graph >= 0).all()
    assert (torch.diagonal(graph, dim1=1, dim2=2) == 0).all()
    if activation == "softmax":
        torch.testing.assert_close(graph.sum(dim=2), torch.ones(5, 6, dtype=torch.float64))
    else:
        assert (graph <= 1 / 5 + 1e-12).all()


def test_a_lonely_neuron_receives_nothing_and_nothing_becomes_nan():
    for edge_model, activation, pooling in OPTIONS:
        module = make_decoder(range(6), edge_model, activation, pooling)
        windows = make_windows(missing=[(0, i) for i in range(1, 6)] + [(1, i) for i in range(6)])
        windows.requires_grad_(False)
        output = module(windows)
        assert torch.isfinite(output).all()
        output.sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in module.parameters() if p.grad is not None)
        assert (module.infer_graph(windows)[0, 0] == 0).all()


def test_members_of_an_ensemble_never_mix():
    module = make_decoder(range(6), n_members=3)
    windows = make_windows()
    module(windows)[1].sum().backward()
    for parameter in module.parameters():
        others = parameter.grad[[0, 2]]
        assert (others == 0).all()


def test_an_ensemble_is_its_members_side_by_side():
    module = make_decoder(range(6), n_members=3)
    single = make_decoder(range(6), n_members=1)
    windows = make_windows()
    for member in range(3):
        state = {
            name: value if name in ("identities", "fading") else value[member : member + 1]
            for name, value in module.state_dict().items()
        }
        single.load_state_dict(state)
        torch.testing.assert_close(single(windows)[0], module(windows)[member])


def test_member_linear_starts_like_torch_linear():
    layer = MemberLinear(200, 16, 8)
    reference = torch.stack([torch.nn.Linear(16, 8).weight for _ in range(200)])
    assert layer.weight.abs().max() <= 0.25
    assert abs(layer.weight.std() - reference.std()) < 0.01


def test_dropped_neurons_act_like_neurons_that_were_not_recorded():
    module = make_decoder(range(6), n_members=1, neuron_dropout=0.5)
    windows = make_windows(missing=())
    module.train()
    torch.manual_seed(1)
    kept = torch.rand(1, 1, 6) >= 0.5
    assert 0 < kept.sum() < 6
    torch.manual_seed(1)
    dropped = module(windows)
    module.eval()
    without = windows.clone()
    without[:, ~kept[0, 0]] = torch.nan
    torch.testing.assert_close(dropped, module(without))


def test_anonymous_rows_of_identity_tables_stay_neutral_in_training():
    module = make_decoder([0, 1, -1, -1, 2, 3], "identity")
    optimizer = torch.optim.AdamW(module.parameters(), lr=0.1)
    for _ in range(3):
        optimizer.zero_grad()
        module(make_windows()).square().sum().backward()
        optimizer.step()
    assert (module.identity.table[:, 0] == 0).all()
    assert (module.edges.table[:, 0] == 0).all()
    assert (module.identity.table[:, 1:] != 0).any()


def test_shared_dropout_drops_the_same_units_in_every_window_and_keeps_the_mean():
    layer = SharedDropout(0.25).train()
    x = torch.ones(4, 7, 4000)
    dropped = layer(x)
    assert (dropped == dropped[:, :1]).all()
    assert not (dropped[0] == dropped[1]).all()
    assert abs(dropped.mean() - 1) < 0.02
    assert (layer.eval()(x) == x).all()


def test_shared_graph_holds_no_matrix_per_window():
    edges = IdentityEdges(1, 50, "softmax")
    recorded = torch.ones(1, 1000, 50, dtype=torch.bool)
    graph = edges(torch.zeros(1, 1000, 50, 4), recorded, torch.arange(50))
    assert max(graph.affinity.numel(), graph.scale.numel()) <= 50 * 1000
    values = torch.randn(1, 1000, 50, 4)
    torch.testing.assert_close(graph.send(values), graph.dense() @ values)


def test_pair_edges_softmax_agrees_with_masked_softmax():
    edges = PairEdges(1, 4, "bilinear", "softmax")
    h = torch.randn(1, 3, 5, 4)
    recorded = torch.tensor([[[1, 1, 1, 1, 1], [1, 0, 1, 1, 0], [1, 1, 0, 0, 0]]]).bool()
    weights = edges(h, recorded, torch.arange(5)).dense()[0]
    scores = (edges.receiver(h) @ edges.sender(h).transpose(-1, -2) / 2)[0]
    for w in range(3):
        for i in torch.nonzero(recorded[0, w])[:, 0].tolist():
            senders = [j for j in torch.nonzero(recorded[0, w])[:, 0].tolist() if j != i]
            expected = torch.zeros(5)
            expected[senders] = F.softmax(scores[w, i, senders], dim=0)
            torch.testing.assert_close(weights[w, i], expected)


def test_concat_pooling_puts_each_identity_in_its_own_place():
    pooling = Pooling(1, 2, "concat", 3, 3)
    features = torch.arange(6.0).reshape(1, 1, 3, 2)
    recorded = torch.tensor([[[True, False, True]]])
    pooled = pooling(features, recorded, torch.tensor([2, 0, 1]))
    assert pooled.tolist() == [[[0.0, 0.0, 4.0, 5.0, 0.0, 1.0]]]


@pytest.mark.parametrize("dtype", [torch.float32, torch.float64])
def test_a_lone_neuron_has_finite_gradients_whatever_the_units_of_the_loss(dtype):
    decoder = make_decoder(torch.arange(6)).to(dtype)
    windows = make_windows(missing=()).to(dtype)
    windows[:, 1:] = torch.nan
    (1e9 * decoder(1e5 * windows)).sum().backward()
    assert all(torch.isfinite(parameter.grad).all() for parameter in decoder.parameters())
