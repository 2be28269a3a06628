"""The network that embeds flows: where it starts, its loss, and the diffusion time it learns."""

import math

import pytest
import torch

from skneurograph.nn import ContrastiveFlow, FlowEncoder, TimeGrid


def doubles(*shape):
    return torch.randn(*shape, dtype=torch.float64)


SCALE = torch.tensor([3.0, 2.0, 1.0, 0.5, 0.1], dtype=torch.float64)


def make_encoder(n_components=3, scale=SCALE, hidden_size=4, shaken=True):
    encoder = FlowEncoder(scale, n_components, hidden_size).double()
    if shaken:
        # Away from the start, where the last layer is zero.
        with torch.no_grad():
            for parameter in encoder.parameters():
                parameter.add_(0.3 * torch.randn_like(parameter))
    return encoder.eval()


def make_flow(partners, encoder=None, tables=None, **options):
    """A flow in which every point has the partners listed for it."""
    starts = torch.tensor([0, *map(len, partners)]).cumsum(0)
    flat = torch.tensor([point for given in partners for point in given])
    if tables is None:
        tables = SCALE * doubles(1, len(partners), len(SCALE))
    return ContrastiveFlow(
        encoder or make_encoder(), tables, starts, flat, **{"temperature": 0.7, **options}
    ).double()


def indices(*rows):
    return torch.tensor(rows, dtype=torch.float64)[:, None]


@pytest.mark.parametrize("n_components", [1, 2, 5])
def test_before_training_the_embedding_is_that_of_the_leading_principal_components(n_components):
    scores = SCALE * doubles(20, 5)
    leading = scores[:, :n_components]
    expected = leading / leading.norm(dim=1, keepdim=True)
    torch.testing.assert_close(make_encoder(n_components, shaken=False)(scores), expected)


def test_components_beyond_the_features_start_near_zero_and_are_learnt():
    scores = SCALE * doubles(20, 5)
    encoder = make_encoder(8, shaken=False)
    start = encoder(scores)
    leading = scores / scores.norm(dim=1, keepdim=True)
    torch.testing.assert_close(start[:, :5], leading, atol=0.05, rtol=0)
    assert (start[:, 5:].abs() < 0.1).all()
    make_flow([[(i + 1) % 20] for i in range(20)], encoder, scores[None])(
        indices(*range(20))
    ).sum().backward()
    gradient = encoder.mlp[-1].weight.grad
    assert (gradient.abs().max(dim=1).values > 0).all()


def test_embeddings_have_length_one():
    lengths = make_encoder()(SCALE * doubles(50, 5)).norm(dim=1)
    torch.testing.assert_close(lengths, torch.ones_like(lengths))


def test_the_unit_of_the_scores_does_not_matter():
    scores = SCALE * doubles(20, 5)
    torch.manual_seed(1)
    here = make_encoder()
    torch.manual_seed(1)
    there = make_encoder(scale=1000 * SCALE)
    torch.testing.assert_close(there(1000 * scores), here(scores))


def test_features_that_do_not_vary_leave_no_nan_behind():
    encoder = make_encoder(scale=torch.zeros(5, dtype=torch.float64), shaken=False)
    embedded = encoder(torch.zeros(4, 5, dtype=torch.float64))
    embedded.sum().backward()
    assert torch.isfinite(embedded).all()
    assert all(torch.isfinite(parameter.grad).all() for parameter in encoder.parameters())


def through(module, *inputs):
    """A function of the parameters of a module."""
    names = [name for name, _ in module.named_parameters()]
    return lambda *values: torch.func.functional_call(module, dict(zip(names, values)), inputs)


def test_gradients_of_the_encoder_match_finite_differences():
    encoder, scores = make_encoder(), SCALE * doubles(4, 5)
    assert torch.autograd.gradcheck(encoder, scores.requires_grad_())
    assert torch.autograd.gradcheck(through(encoder, scores.detach()), tuple(encoder.parameters()))


@pytest.mark.parametrize("learned_time", [False, True])
def test_gradients_of_the_loss_match_finite_differences(learned_time):
    grid = TimeGrid(1.0, 4.0, 4).double() if learned_time else None
    tables = SCALE * doubles(4 if learned_time else 1, 4, 5)
    flow = make_flow([[1], [2], [3], [0]], tables=tables, learn_temperature=True, grid=grid)
    names = [name for name, _ in flow.named_parameters()]
    assert "log_temperature" in names
    assert ("grid.logit" in names) == learned_time
    assert torch.autograd.gradcheck(through(flow, indices(0, 1, 2, 3)), tuple(flow.parameters()))


def test_the_loss_agrees_with_a_loop():
    flow = make_flow([[4], [2], [0], [3], [1], [1]])
    rows, partners = [5, 0, 3], [1, 4, 3]
    embedded = flow.encoder(flow._tables[0]).detach()
    expected = []
    for row, partner in zip(rows, partners):
        scores = [math.exp(embedded[row] @ embedded[other] / 0.7) for other in partners]
        expected.append(-math.log(math.exp(embedded[row] @ embedded[partner] / 0.7) / sum(scores)))
    torch.testing.assert_close(flow(indices(*rows)), torch.tensor(expected, dtype=torch.float64))


def test_all_partners_of_a_point_are_drawn_alike_and_no_others():
    partners = [[0], [3, 4, 5], [0, 1, 2, 6], *[[0]] * 4]
    flow = make_flow(partners)
    seen = []
    flow.encoder.register_forward_hook(lambda _, given, __: seen.append(given[0]))
    for point in (1, 2):
        for _ in range(5):
            flow(indices(*[point] * 400))
        drawn = torch.cat([scores[400:] for scores in seen])
        seen.clear()
        which = (drawn[:, None] == flow._tables[0]).all(dim=2).double().argmax(dim=1)
        share = torch.bincount(which, minlength=7) / 2000
        assert share.nonzero().ravel().tolist() == partners[point]
        expected = torch.full((len(partners[point]),), 1 / len(partners[point]))
        torch.testing.assert_close(share[partners[point]], expected, atol=0.05, rtol=0)


def test_a_temperature_that_is_not_learnt_gets_no_gradient():
    flow = make_flow([[1], [0]])
    flow(indices(0, 1)).sum().backward()
    assert flow.log_temperature.grad is None
    assert flow.log_temperature.exp().item() == pytest.approx(0.7)


def test_released_data_are_gone_and_no_part_of_the_state():
    flow = make_flow([[1], [0]], grid=TimeGrid(1.0, 4.0, 3), tables=doubles(3, 2, 5))
    assert not any(name.startswith("_") for name in flow.state_dict())
    flow.release()
    assert all(value is None for value in (flow._tables, flow._starts, flow._partners))
    assert flow.encoder(doubles(2, 5)).shape == (2, 3)


def at(grid, time):
    with torch.no_grad():
        grid.logit.fill_(math.log(time / (grid.longest - time)))
    return grid


@pytest.mark.parametrize("initial", [0.01, 1.0, 3.9])
def test_the_time_starts_where_it_was_told(initial):
    grid = TimeGrid(initial, 4.0, 6)
    assert grid.time.item() == pytest.approx(initial, rel=1e-5)
    assert (float(grid.times[0]), float(grid.times[-1])) == (0.0, 4.0)


@pytest.mark.parametrize("time", [0.003, 0.7, 1.0, 3.2, 3.999])
def test_polynomials_are_interpolated_exactly(time):
    grid = at(TimeGrid(1.0, 4.0, 6).double(), time)
    weights = grid()
    for power in range(6):
        assert (weights @ grid.times**power).item() == pytest.approx(time**power, abs=1e-9)


def test_diffused_features_are_interpolated_closely():
    grid = TimeGrid(1.0, 4.0, 6).double()
    # Eigenvalues of Laplacians; what varies over more than a few neighbours is below one.
    rates = torch.linspace(0, 1, 11, dtype=torch.float64)
    tables = torch.exp(-grid.times[:, None] * rates)
    for time in (0.1, 0.2, 0.9, 1.5, 2.2, 3.0, 3.8):
        found = at(grid, time)() @ tables
        torch.testing.assert_close(found, torch.exp(-time * rates), atol=1e-3, rtol=0)


def test_at_a_tabulated_time_the_table_itself_counts():
    grid = TimeGrid(1.0, 4.0, 5).double()
    grid.times[2] = at(grid, 2.0).time.detach()
    assert grid().tolist() == [0, 0, 1, 0, 0]
    # And close to it, the limit.
    at(grid, 2.0 + 1e-9)
    expected = torch.tensor([0, 0, 1, 0, 0], dtype=torch.float64)
    torch.testing.assert_close(grid(), expected, atol=1e-6, rtol=0)


def test_gradients_of_the_weights_match_finite_differences():
    grid = TimeGrid(1.0, 4.0, 6).double()
    assert torch.autograd.gradcheck(through(grid), (grid.logit,))


def test_the_learned_time_follows_the_gradient_of_the_loss():
    grid = TimeGrid(1.0, 4.0, 6).double()
    rates = torch.linspace(0, 1, 5, dtype=torch.float64)
    start = SCALE * doubles(8, 5)
    tables = torch.exp(-grid.times[:, None, None] * rates) * start
    flow = make_flow([[(i + 1) % 8] for i in range(8)], tables=tables, grid=grid)
    points = indices(*range(8))

    def loss_after(time):
        """The same loss of features that were diffused without a table."""
        table = (torch.exp(-time * rates) * start)[None]
        partners = [[(i + 1) % 8] for i in range(8)]
        return make_flow(partners, flow.encoder, table)(points).sum().item()

    flow(points).sum().backward()
    share = grid.time.item() / 4
    slope = (loss_after(1 + 1e-3) - loss_after(1 - 1e-3)) / 2e-3
    # d time / d logit of the sigmoid.
    assert float(grid.logit.grad) == pytest.approx(slope * 4 * share * (1 - share), rel=0.01)
    assert abs(slope) > 1e-3
