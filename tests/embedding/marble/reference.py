"""The features of MARBLE once more: dense, slow, and written from the docstrings alone.

Every step is what its definition says: all distances, dense matrices, `scipy.linalg.expm`, a loop
over neighbours. A point that is looked at is a sink: a row of the Laplacian that receives from the
states, and a column of zeros, so that it gives them nothing.
"""

import numpy as np
from scipy.linalg import expm, orthogonal_procrustes
from scipy.spatial.distance import cdist


def distinct(points, vectors):
    """States, and the mean vector and the mean length of the points at each."""
    states = np.unique(points, axis=0)
    members = [np.flatnonzero((points == state).all(axis=1)) for state in states]
    mean = np.array([vectors[rows].mean(axis=0) for rows in members])
    return states, mean, members


def scales(states, n_neighbors):
    """Distance to the n-th other state, or to the farthest if there are fewer."""
    distance = np.sort(cdist(states, states), axis=1)
    return distance[:, min(n_neighbors, len(states) - 1)]


def transition_of_states(states, n_neighbors, delta):
    distance, scale = cdist(states, states), scales(states, n_neighbors)
    near = distance <= delta * np.sqrt(np.outer(scale, scale)) * (1 + 1e-9)
    np.fill_diagonal(near, False)
    alone = ~near.any(axis=1)
    near[alone, alone] = True
    return near / near.sum(axis=1, keepdims=True)


def transition_of_points(points, states, n_neighbors, delta):
    """Steps from points, new or not, to the states."""
    known, scale = transition_of_states(states, n_neighbors, delta), scales(states, n_neighbors)
    rows = np.zeros((len(points), len(states)))
    for row, point in zip(rows, points):
        distance = np.linalg.norm(states - point, axis=1)
        if distance.min() == 0:
            row[:] = known[distance.argmin()]
            continue
        own = np.sort(distance)[min(n_neighbors, len(states)) - 1]
        near = distance <= delta * np.sqrt(own * scale) * (1 + 1e-9)
        if not near.any():
            near = distance <= own
        row[near] = 1 / near.sum()
    return rows


def bases(rows, points, states, n_dimensions):
    """Leading right singular vectors of the offsets to the neighbours."""
    result = []
    for row, point in zip(rows, points):
        offsets = np.sqrt(row)[:, None] * (states - point)
        result.append(np.linalg.svd(offsets, full_matrices=True)[2][:n_dimensions].T)
    return np.array(result)


def transport(basis, other):
    """The orthogonal map of coordinates in the other basis that is nearest to no turn at all."""
    return orthogonal_procrustes(basis, other)[0]


def carried(tensor, turn):
    """A tensor of any order with every index turned."""
    for axis in range(tensor.ndim):
        tensor = np.moveaxis(np.tensordot(turn, tensor, axes=(1, axis)), 0, axis)
    return tensor


def diffused(rows, vectors, own, transition, time, turns, own_turns):
    """Vectors of the points after diffusion together with the states, as sinks.

    turns[i][j] carries from state j to state i, own_turns[p][j] from state j to point p.
    """
    n_points, n_states, n_dimensions = len(rows), len(transition), vectors.shape[1]
    n = n_states + n_points
    steps = np.zeros((n * n_dimensions, n * n_dimensions))
    lengths_steps = np.zeros((n, n))
    for i in range(n):
        for j in range(n_states):
            weight = transition[i, j] if i < n_states else rows[i - n_states, j]
            turn = turns[i][j] if i < n_states else own_turns[i - n_states][j]
            block = np.s_[i * n_dimensions : (i + 1) * n_dimensions]
            other = np.s_[j * n_dimensions : (j + 1) * n_dimensions]
            steps[block, other] = weight * turn
            lengths_steps[i, j] = weight
    start = np.vstack([vectors, own])
    found = (expm(-time * (np.eye(len(steps)) - steps)) @ start.ravel()).reshape(n, n_dimensions)
    return found[n_states:], expm(-time * (np.eye(n) - lengths_steps))[n_states:]


def derived(rows, points, states, field, own, axes, turns):
    """``sum_j p_j (x_j - x) (f_j - f) / s`` in the axes of each point."""
    result = []
    for p, row in enumerate(rows):
        total, square = np.zeros((axes[p].shape[1], *own.shape[1:])), 0.0
        for j in np.flatnonzero(row):
            offset = axes[p].T @ (states[j] - points[p])
            change = carried(field[j], turns[p][j]) - own[p]
            total += row[j] * np.multiply.outer(offset, change)
            square += row[j] * offset @ offset
        result.append(total / np.sqrt(square) if square > 0 else 0 * total)
    return np.array(result)


def terms(
    points, vectors, seen, seen_vectors, *, n_neighbors, delta, time, order, n_dimensions=None
):
    """Tensors that points see of a flow, in the axes of the state space.

    The flow is that of ``points`` and ``vectors``; ``n_dimensions`` asks for local gauges.
    """
    states, mean, members = distinct(points, vectors)
    transition = transition_of_states(states, n_neighbors, delta)
    rows = transition_of_points(seen, states, n_neighbors, delta)
    n_states, n_neurons = states.shape
    if n_dimensions is None:
        one = np.eye(n_neurons)
        axes, own_axes = [one] * n_states, [one] * len(seen)
        turns, own_turns = [[one] * n_states] * n_states, [[one] * n_states] * len(seen)
    else:
        axes = bases(transition, states, states, n_dimensions)
        own_axes = bases(rows, seen, states, n_dimensions)
        turns = [[transport(one, other) for other in axes] for one in axes]
        own_turns = [[transport(one, other) for other in axes] for one in own_axes]
    flat = np.array([axis.T @ vector for axis, vector in zip(axes, mean)])
    own_flat = np.array([axis.T @ vector for axis, vector in zip(own_axes, seen_vectors)])
    lengths = np.array(
        [np.linalg.norm(vectors[rows] @ axis, axis=1).mean() for rows, axis in zip(members, axes)]
    )

    def after(look, own, own_lengths, carry):
        found, spread = diffused(look, flat, own, transition, time, turns, carry)
        wanted = spread @ np.concatenate([lengths, own_lengths])
        size = np.linalg.norm(found, axis=1)
        return found * (wanted / np.where(size > 0, size, 1))[:, None]

    # The states are looked at first: they are sinks beside themselves.
    field = after(transition, flat, lengths, turns)
    tensors = [after(rows, own_flat, np.linalg.norm(own_flat, axis=1), own_turns)]
    for _ in range(order):
        tensors.append(derived(rows, seen, states, field, tensors[-1], own_axes, own_turns))
        field = derived(transition, states, states, field, field, axes, turns)
    return [
        np.array([carried(value, axis) for value, axis in zip(tensor, own_axes)])
        for tensor in tensors
    ]


def invariants(tensors):
    """Blocks of what no rotation changes, point by point; columns in any order."""
    blocks = []
    for order in range(len(tensors)):
        blocks.append(
            np.array([_invariants([t[p] for t in tensors], order) for p in range(len(tensors[0]))])
        )
    return blocks


def _invariants(tensors, order):
    v = tensors[0]
    speed = np.sqrt(v @ v)
    if order == 0:
        return [speed]
    u = v / speed if speed > 0 else v
    d = range(len(v))
    G = tensors[1]
    turning = [
        [v],
        # How v changes along the flow, and how its component along the flow changes.
        [sum(u[i] * G[i] for i in d), np.array([G[i] @ u for i in d])],
    ]
    sizes = [
        sum(G[i, i] for i in d),
        np.sqrt(sum((G[i, k] + G[k, i]) ** 2 for i in d for k in d)) / 2,
        np.sqrt(sum((G[i, k] - G[k, i]) ** 2 for i in d for k in d)) / 2,
    ]
    if order >= 2:
        H = tensors[2]
        turning.append(
            [
                sum(u[i] * u[j] * H[i, j] for i in d for j in d),
                sum(H[i, i] for i in d),
                np.array([sum(H[i, k, k] for k in d) for i in d]),
            ]
        )
        sizes = [np.sqrt((H**2).sum())]
    if order > 2:
        return [np.sqrt((tensors[order] ** 2).sum())]
    new, old = turning[order], [vector for known in turning[:order] for vector in known]
    products = [a @ b for a in new for b in old]
    products += [new[a] @ new[b] for a in range(len(new)) for b in range(a, len(new))]
    return [np.sign(x) * np.sqrt(abs(x)) for x in products] + sizes
