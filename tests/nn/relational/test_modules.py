"""Neural relational inference: messages, encoders, decoders, and the whole."""

import itertools
import math

import pytest
import torch
from torch.nn import functional as F

from skneurograph.nn import RelationalModel, sample_types, sum_of_rectified
from skneurograph.nn.relational import _messages as messages
from skneurograph.nn.relational._decoder import MarkovDecoder, StateDecoder
from skneurograph.nn.relational._encoder import FactorizedEncoder, PairEncoder
from skneurograph.nn.relational._messages import FactorizedMessages, PairMessages

FORMS = list(itertools.product(("factorized", "mlp"), ("mlp", "cnn"), ("mlp", "recurrent")))
BLOCKS = [1, 300, 10**9]


def doubles(*shape, grad=False):
    return torch.randn(*shape, dtype=torch.float64, requires_grad=grad)


def make_model(message="factorized", encoder="mlp", decoder="mlp", neighbors=None, **options):
    settings = {
        "n_edge_types": 3,
        "hidden_size": 8,
        "horizon": 3,
        "n_lags": 2,
        "n_burn_in": 2,
        "edge_prior": 0.3,
        "variance": None,
        "n_annealing_steps": 100,
        "temperature": 0.5,
        "hard": False,
        **options,
    }
    model = RelationalModel(
        9, 2, message=message, encoder=encoder, decoder=decoder, neighbors=neighbors, **settings
    ).double()
    # Of a size that matters: readouts start small.
    with torch.no_grad():
        for parameter in model.parameters():
            parameter.mul_(1.5)
    return model.eval()


def make_windows(n_windows=4, n_neurons=6, missing=((0, 1), (2, 5), (3, 0), (3, 2))):
    windows = doubles(n_windows, n_neurons, 18)
    for window, neuron in missing:
        windows[window, neuron, 4] = torch.nan
    return windows


def all_others(n_neurons):
    return torch.tensor([[j for j in range(n_neurons) if j != i] for i in range(n_neurons)])


def naive_sum(weights, receivers, senders, neighbors=None):
    """Pair by pair."""
    total = torch.zeros_like(receivers)
    for i, s in itertools.product(*map(range, weights.shape[1:])):
        j = s if neighbors is None else neighbors[i, s]
        total[:, i] += weights[:, i, s, None] * torch.relu(receivers[:, i] + senders[:, j])
    return total


NEIGHBORS = torch.tensor([[1, 2], [0, 4], [3, 4], [0, 1], [2, 0]])


@pytest.mark.parametrize("elements", BLOCKS)
@pytest.mark.parametrize("neighbors", [None, NEIGHBORS])
def test_rectified_sums_agree_with_a_loop_over_pairs(monkeypatch, elements, neighbors):
    monkeypatch.setattr(messages, "_BLOCK_ELEMENTS", elements)
    weights = torch.rand(3, 5, 5 if neighbors is None else 2, dtype=torch.float64)
    receivers, senders = doubles(2, 3, 5, 4)
    torch.testing.assert_close(
        sum_of_rectified(weights, receivers, senders, neighbors),
        naive_sum(weights, receivers, senders, neighbors),
    )


@pytest.mark.parametrize("elements", BLOCKS)
@pytest.mark.parametrize("neighbors", [None, NEIGHBORS])
def test_gradients_of_rectified_sums_match_finite_differences_and_a_loop(
    monkeypatch, elements, neighbors
):
    monkeypatch.setattr(messages, "_BLOCK_ELEMENTS", elements)
    arguments = (
        doubles(3, 5, 5 if neighbors is None else 2, grad=True),
        doubles(3, 5, 4, grad=True),
        doubles(3, 5, 4, grad=True),
    )
    assert torch.autograd.gradcheck(lambda *a: sum_of_rectified(*a, neighbors), arguments)
    upstream = doubles(3, 5, 4)
    ours = torch.autograd.grad(sum_of_rectified(*arguments, neighbors), arguments, upstream)
    naive = torch.autograd.grad(naive_sum(*arguments, neighbors), arguments, upstream)
    for gradient, expected in zip(ours, naive):
        torch.testing.assert_close(gradient, expected)


def test_rectified_sums_read_tensors_of_any_layout():
    weights = torch.rand(5, 5, 3, dtype=torch.float64).permute(2, 0, 1)
    receivers = doubles(4, 5, 3).permute(2, 1, 0)
    senders = doubles(3, 5, 8)[..., ::2]
    torch.testing.assert_close(
        sum_of_rectified(weights, receivers, senders), naive_sum(weights, receivers, senders)
    )


@pytest.mark.parametrize("neighbors", [None, NEIGHBORS])
def test_factorised_messages_equal_a_network_per_pair_whose_second_layer_is_linear(neighbors):
    layer = FactorizedMessages(3, 6, 2).double()
    features = doubles(2, 5, 4, 3)
    n_candidates = 5 if neighbors is None else 2
    weights = torch.rand(2, 2, 5, n_candidates, dtype=torch.float64)
    received = layer(features, weights, neighbors)
    expected = torch.zeros(2, 5, 4, 6, dtype=torch.float64)
    for k, i, s in itertools.product(range(2), range(5), range(n_candidates)):
        j = s if neighbors is None else neighbors[i, s]
        own = slice(6 * k, 6 * k + 6)
        first = torch.cat([layer.receiver.weight[own], layer.sender.weight[own]], dim=1)
        pair = torch.cat([features[:, i], features[:, j]], dim=-1)
        hidden = torch.relu(F.linear(pair, first, layer.receiver.bias[own]))
        message = F.linear(hidden, layer.output.weight[:, own])
        expected[:, i] += weights[:, k, i, s, None, None] * message
    torch.testing.assert_close(received, expected)


def test_published_messages_agree_with_a_loop_over_pairs():
    layer = PairMessages(3, 6, 2).double()
    features = doubles(2, 5, 4, 3)
    weights = torch.rand(2, 2, 5, 5, dtype=torch.float64)
    expected = torch.zeros(2, 5, 4, 6, dtype=torch.float64)
    for k, i, j in itertools.product(range(2), range(5), range(5)):
        message = layer.networks[k](torch.cat([features[:, i], features[:, j]], dim=-1))
        expected[:, i] += weights[:, k, i, j, None, None] * message
    torch.testing.assert_close(layer(features, weights, None), expected)


def naive_pair_encoder(encoder, frames, valid):
    """The published encoder, pair by pair."""
    n_windows, n_neurons = frames.shape[:2]
    pairs = list(itertools.product(range(n_neurons), range(n_neurons)))
    encoded = encoder.embed(frames.flatten(2))
    edges = {
        (i, j): encoder.first(torch.cat([encoded[:, i], encoded[:, j]], dim=-1)) for i, j in pairs
    }
    met = []
    for i in range(n_neurons):
        total = sum(edges[i, j] * valid[:, i, j, None] for j in range(n_neurons))
        met.append(encoder.node(total / valid[:, i].sum(dim=1).clamp(min=1)[:, None]))
    scores = torch.zeros(n_windows, encoder.score.out_features, n_neurons, n_neurons).double()
    for i, j in pairs:
        edge = encoder.second(torch.cat([met[i], met[j], edges[i, j]], dim=-1))
        scores[:, :, i, j] = encoder.score(edge)
    return scores


def naive_factorized_encoder(encoder, frames, valid):
    """The factorised encoder, pair by pair."""
    n_windows, n_neurons = frames.shape[:2]
    flat = frames.flatten(2)
    encoded = encoder.embed(flat)
    both = torch.cat([flat, encoded], dim=-1)
    share = valid.double() / valid.sum(dim=2, keepdim=True).clamp(min=1)
    heard = naive_sum(share, encoder.receiver(both), encoder.sender(both))
    features = torch.cat([both, encoder.node(torch.cat([encoded, heard], dim=-1))], dim=-1)
    pairs = encoder.pairs
    scores = torch.zeros(n_windows, pairs.score.out_features, n_neurons, n_neurons).double()
    for i, j in itertools.product(range(n_neurons), range(n_neurons)):
        query = pairs.query(features[:, i]).unflatten(1, (pairs.n_heads, -1))
        key = pairs.key(features[:, j]).unflatten(1, (pairs.n_heads, -1))
        products = (query * key).sum(dim=-1) / math.sqrt(query.shape[-1])
        hidden = pairs.receiver(features[:, i]) + pairs.sender(features[:, j])
        hidden = torch.relu(hidden + pairs.mix(products))
        scores[:, :, i, j] = pairs.score(hidden) + pairs.direct(products)
    return scores


@pytest.mark.parametrize("elements", BLOCKS)
@pytest.mark.parametrize(
    ("form", "naive"),
    [(PairEncoder, naive_pair_encoder), (FactorizedEncoder, naive_factorized_encoder)],
)
def test_encoders_agree_with_a_loop_over_pairs(monkeypatch, elements, form, naive):
    monkeypatch.setattr(messages, "_BLOCK_ELEMENTS", elements)
    encoder = form(7, 2, 6, 2, "mlp").double()
    frames = doubles(3, 5, 7, 2)
    valid = (torch.rand(3, 5, 5) < 0.7) & ~torch.eye(5, dtype=torch.bool)
    torch.testing.assert_close(encoder(frames, valid, None), naive(encoder, frames, valid))


def test_frame_convolution_weighs_the_frames_of_each_trace_alone():
    encoder = FactorizedEncoder(9, 2, 6, 1, "cnn").double()
    frames = doubles(3, 5, 9, 2)
    alone = torch.stack([encoder.embed(frames[:, i]) for i in range(5)], dim=1)
    torch.testing.assert_close(encoder.embed(frames), alone)


@pytest.mark.parametrize(("message", "encoder", "decoder"), FORMS)
def test_gradients_of_the_loss_match_finite_differences(message, encoder, decoder):
    model = make_model(message, encoder, decoder, hidden_size=3, n_edge_types=2)
    windows = make_windows(n_windows=2, n_neurons=3, missing=((0, 1),))
    names, values = zip(*model.named_parameters())
    # A few entries of each parameter: all would take minutes.
    loss = torch.func.functional_call(model, dict(zip(names, values)), (windows,)).sum()
    gradients = torch.autograd.grad(loss, values)
    for parameter, gradient in zip(values, gradients):
        for entry in torch.randperm(parameter.numel())[:3].tolist():
            flat = parameter.detach().view(-1)
            kept, step = flat[entry].item(), 1e-6
            losses = []
            for shift in (step, -step):
                flat[entry] = kept + shift
                losses.append(model(windows).sum().item())
            flat[entry] = kept
            slope = (losses[0] - losses[1]) / (2 * step)
            assert gradient.view(-1)[entry].item() == pytest.approx(slope, rel=1e-4, abs=1e-5)


@pytest.mark.parametrize(("message", "encoder", "decoder"), FORMS)
def test_neurons_in_another_order_give_the_same_loss_and_the_graph_in_that_order(
    message, encoder, decoder
):
    model = make_model(message, encoder, decoder)
    windows = make_windows()
    order = torch.tensor([3, 0, 5, 1, 4, 2])
    torch.testing.assert_close(model(windows[:, order]), model(windows))
    there, here = (known_posterior(model, x) for x in (windows[:, order], windows))
    torch.testing.assert_close(there, here[:, :, order][..., order], equal_nan=True)


def known_posterior(model, windows):
    """The posterior, with NaN where it is undefined."""
    posterior = model.posterior(windows)
    recorded = ~windows.isnan().any(dim=2)
    known = recorded[:, :, None] & recorded[:, None] & ~torch.eye(windows.shape[1]).bool()
    return posterior.masked_fill(~known[:, None], torch.nan)


@pytest.mark.parametrize(("message", "encoder", "decoder"), FORMS)
def test_a_missing_neuron_changes_nothing(message, encoder, decoder):
    model = make_model(message, encoder, decoder)
    windows = make_windows(missing=((0, 1), (2, 4), (3, 0)))
    nothing = torch.full((4, 2, 18), torch.nan, dtype=torch.float64)
    padded = torch.cat([windows, nothing], dim=1)
    torch.testing.assert_close(model(padded), model(windows))
    there = known_posterior(model, padded)[:, :, :6, :6]
    torch.testing.assert_close(there, known_posterior(model, windows), equal_nan=True)
    # What a missing neuron would have done does not matter either.
    hidden = windows.clone()
    hidden[0, 1, :4] = 1e6
    assert (model(hidden) == model(windows)).all()


@pytest.mark.parametrize(("message", "encoder", "decoder"), FORMS)
def test_a_window_does_not_depend_on_its_company(message, encoder, decoder):
    model = make_model(message, encoder, decoder)
    windows = make_windows()
    alone = torch.cat([model(window[None]) for window in windows])
    torch.testing.assert_close(model(windows), alone)


@pytest.mark.parametrize(("message", "encoder", "decoder"), FORMS)
def test_all_others_as_neighbours_are_all_pairs(message, encoder, decoder):
    model = make_model(message, encoder, decoder)
    neighbors = all_others(6)
    sparse = make_model(message, encoder, decoder, neighbors=neighbors)
    sparse.load_state_dict({**model.state_dict(), "neighbors": neighbors})
    windows = make_windows()
    torch.testing.assert_close(sparse(windows), model(windows))
    dense = model.posterior(windows)
    chosen = dense.gather(3, neighbors.expand(4, 3, -1, -1))
    known = ~known_posterior(model, windows).gather(3, neighbors.expand(4, 3, -1, -1)).isnan()
    torch.testing.assert_close(sparse.posterior(windows)[known], chosen[known])


def test_gradients_of_the_sparse_form_are_those_of_the_dense_one():
    model = make_model()
    neighbors = all_others(6)
    sparse = make_model(neighbors=neighbors)
    sparse.load_state_dict({**model.state_dict(), "neighbors": neighbors})
    windows = make_windows()
    model(windows).sum().backward()
    sparse(windows).sum().backward()
    for one, other in zip(sparse.parameters(), model.parameters()):
        torch.testing.assert_close(one.grad, other.grad)


def test_a_lonely_neuron_and_an_empty_window_leave_no_nan_behind():
    for message, encoder, decoder in FORMS:
        model = make_model(message, encoder, decoder).train()
        windows = make_windows(missing=[(0, i) for i in range(1, 6)] + [(1, i) for i in range(6)])
        loss = model(windows)
        assert torch.isfinite(loss).all()
        loss.sum().backward()
        assert all(torch.isfinite(p.grad).all() for p in model.parameters() if p.grad is not None)


def test_the_first_edge_type_passes_no_message():
    decoder = MarkovDecoder(2, 5, 1, "factorized", 3, 1).double()
    frames, scale = doubles(2, 4, 9, 2), torch.ones(2).double()
    nothing = decoder(frames, torch.zeros(2, 1, 4, 4).double(), None, scale)
    changed = frames.clone()
    changed[:, 1:] = doubles(2, 3, 9, 2)
    alone = decoder(changed, torch.zeros(2, 1, 4, 4).double(), None, scale)
    torch.testing.assert_close(nothing[:, 0], alone[:, 0])


def naive_rollout(decoder, frames, weights, scale):
    """One chunk after the other."""
    n_times, n_lags = frames.shape[2], decoder.n_lags
    predicted = []
    for time in range(n_times - n_lags):
        if time % decoder.n_steps == 0:
            past = [frames[:, :, time + lag] for lag in range(n_lags)]
        inputs = torch.cat(past, dim=-1)[:, :, None]
        received = decoder.messages(decoder.embed(inputs), weights, None)
        change = decoder.readout(torch.cat([inputs, received], dim=-1))[:, :, 0]
        past = [*past[1:], past[-1] + change * scale]
        predicted.append(past[-1])
    return torch.stack(predicted, dim=2)


@pytest.mark.parametrize("message", ["factorized", "mlp"])
@pytest.mark.parametrize(("n_steps", "n_lags"), [(1, 1), (3, 1), (3, 2), (4, 1), (20, 3)])
def test_chunks_side_by_side_agree_with_one_after_the_other(message, n_steps, n_lags):
    decoder = MarkovDecoder(2, 5, 1, message, n_steps, n_lags).double()
    frames, scale = doubles(2, 4, 9, 2), torch.tensor([0.5, 2.0]).double()
    weights = torch.rand(2, 1, 4, 4).double()
    torch.testing.assert_close(
        decoder(frames, weights, None, scale), naive_rollout(decoder, frames, weights, scale)
    )


def test_predictions_read_no_true_frame_within_a_chunk_or_after_the_burn_in():
    frames, scale = doubles(2, 4, 9, 2), torch.ones(2).double()
    weights = torch.rand(2, 1, 4, 4).double()
    for decoder, given in (
        (MarkovDecoder(2, 5, 1, "factorized", 4, 1).double(), [0, 4]),
        (StateDecoder(2, 5, 1, "factorized", 4, 3).double(), [0, 1, 2, 3, 7]),
    ):
        before = decoder(frames, weights, None, scale)
        changed = doubles(2, 4, 9, 2)
        changed[:, :, given] = frames[:, :, given]
        torch.testing.assert_close(decoder(changed, weights, None, scale), before)
        changed[:, :, given[1]] += 1
        assert not torch.allclose(decoder(changed, weights, None, scale), before)


def test_soft_types_follow_the_gumbel_softmax_and_hard_ones_are_discrete():
    logits = torch.tensor([0.0, 1.0, -1.0]).log_softmax(0)[None, :, None].expand(1, 3, 200_000)
    hard = sample_types(logits, 0.5, True)
    assert set(hard.unique().tolist()) == {0.0, 1.0}
    torch.testing.assert_close(hard.mean(dim=2)[0], logits[0, :, 0].exp(), atol=0.01, rtol=0)
    soft = sample_types(logits, 0.5, False)
    torch.testing.assert_close(soft.sum(dim=1), torch.ones(1, 200_000))
    assert ((soft > 0.05) & (soft < 0.95)).any()
    # The gradient of hard types is that of soft ones.
    gradients = []
    for is_hard in (True, False):
        torch.manual_seed(1)
        leaf = logits[:, :, :10].clone().requires_grad_()
        types = sample_types(leaf, 0.5, is_hard)
        (types * torch.arange(3.0)[:, None]).sum().backward()
        gradients.append(leaf.grad)
    torch.testing.assert_close(*gradients)


def test_the_loss_is_the_evidence_lower_bound():
    model = make_model(variance=0.2, n_edge_types=2)
    model.set_scale(*torch.tensor([[0.5, -1.0], [2.0, 0.3], [1.0, 0.1]]).double())
    windows = make_windows(missing=((0, 1),))
    frames, recorded, valid = model._split(windows)
    posterior = model.posterior(windows)
    predicted = model.decoder(frames, posterior[:, 1:] * valid[:, None], None, model.change)
    for w in range(4):
        nll = kl = 0.0
        for i in range(6):
            if recorded[w, i]:
                raw = windows[w, i].view(9, 2)[2:]
                mean = predicted[w, i] * model.scale + model.mean
                # Up to a constant: densities of the activity in its own units.
                error = (raw - mean).square() / (2 * 0.2) + 0.5 * math.log(0.2)
                nll += (error - torch.log(model.scale)).sum()
            for j in range(6):
                if valid[w, i, j]:
                    q, prior = posterior[w, :, i, j], torch.tensor([0.7, 0.3]).double()
                    kl += (q * (q / prior).log()).sum()
        torch.testing.assert_close(model(windows)[w], (nll + kl) / recorded[w].sum())


def test_an_estimated_variance_falls_from_that_of_the_activity_to_that_of_the_errors():
    model = make_model(n_annealing_steps=200).train()
    model.requires_grad_(False)
    windows = make_windows()
    assert (model.variance == 1).all()
    path = [model.variance.clone()]
    for _ in range(400):
        model(windows)
        path.append(model.variance.clone())
    path = torch.stack(path)
    error = model.eval()(windows)
    settled = model.variance.clone()
    assert (path[50] - 1).abs().min() < (settled - 1).abs().max()
    torch.testing.assert_close(path[300], settled, rtol=0.15, atol=0)
    assert (model(windows) == error).all()  # evaluation does not move it
