"""Draw which packages import which, from the source itself, when the documentation is built."""

import ast
from itertools import pairwise
from pathlib import Path

import networkx as nx
import numpy as np
from matplotlib.figure import Figure
from matplotlib.patches import FancyArrowPatch
from matplotlib.path import Path as Curve

PACKAGE = "skneurograph"
# Inches: the height of a row, and the width that a box and an arrow that passes it take there.
ROW, BOX, PASSAGE = 0.9, 1.6, 0.5
COLORS = {True: "#fbe0c8", False: "#dbe8f4"}  # imports torch, does not
N_ORDERS = 2000


def setup(app):
    app.connect("builder-inited", lambda app: draw(Path(app.srcdir)))
    return {"parallel_read_safe": True}


def draw(source):
    """Write the picture into the folder of the documentation."""
    path = source / "generated" / "imports.svg"
    path.parent.mkdir(parents=True, exist_ok=True)
    picture(import_graph(source.parent / PACKAGE)).savefig(path, metadata={"Date": None})


def imported(path):
    """Yield what a file imports, ``module.name``, also inside functions, but not for types only."""
    tree = ast.parse(path.read_text(encoding="utf-8"))
    blocks = [n for n in ast.walk(tree) if isinstance(n, ast.If)]
    for_types = [n for n in blocks if "TYPE_CHECKING" in ast.unparse(n.test)]
    skipped = {id(node) for block in for_types for node in ast.walk(block)}
    for node in ast.walk(tree):
        if id(node) in skipped:
            continue
        if isinstance(node, ast.Import):
            yield from (alias.name for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            yield from (f"{node.module or ''}.{alias.name}" for alias in node.names)


def import_graph(root):
    """Make a graph of what is directly under ``root``, with an edge to each that one imports."""
    paths = [path for path in sorted(root.rglob("*.py")) if path != root / "__init__.py"]
    part = {path: path.relative_to(root).parts[0].removesuffix(".py") for path in paths}
    graph = nx.DiGraph()
    graph.add_nodes_from(dict.fromkeys(part.values()), torch=False)
    # The face of the package offers names that live in its parts.
    face = [name.split(".") for name in imported(root / "__init__.pyi")]
    home = {name: module for module, *_, name in face if module}
    for path, here in part.items():
        for name in imported(path):
            top, *rest = name.split(".")
            graph.nodes[here]["torch"] |= top == "torch"
            there = home.get(rest[0], rest[0]) if top == PACKAGE and rest else None
            if there in graph and there != here:
                graph.add_edge(here, there)
    return graph


def arrange(graph):
    """Put all above what they import: a place for each, and for each arrow in rows that it passes.

    Of many orders of the rows, the one is taken whose arrows cross least and are shortest.
    """
    rows = [sorted(row) for row in nx.topological_generations(graph.reverse())]
    height = {name: y for y, row in enumerate(rows) for name in row}
    stops = {}
    for above, below in graph.edges:
        passed = [(above, below, y) for y in range(height[above] - 1, height[below], -1)]
        for stop in passed:
            rows[stop[2]].append(stop)
        stops[above, below] = [above, *passed, below]
    steps = [step for line in stops.values() for step in pairwise(line)]
    rng = np.random.default_rng(0)
    best, least = {}, np.inf
    for _ in range(N_ORDERS):
        x = {}
        for row in rows[::-1]:
            near = [np.mean([x[a] for a, b in steps if b == name] or [0.0]) for name in row]
            order = np.argsort(near + rng.normal(scale=BOX, size=len(row)))
            widths = np.array([PASSAGE if isinstance(row[i], tuple) else BOX for i in order])
            centres = np.cumsum(widths) - widths / 2 - widths.sum() / 2
            x.update({row[i]: centre for i, centre in zip(order, centres)})
        rise = np.array([(height.get(a, a[-1]), x[a], x[b]) for a, b in steps]).T
        level, above, below = (np.subtract.outer(values, values) for values in rise)
        n_crossings = ((level == 0) & (above * below < 0)).sum() / 2
        cost = 8 * n_crossings + ((rise[1] - rise[2]) ** 2).sum()
        if cost < least:
            best, least = x, cost
    places = {name: (best[name], ROW * y) for y, row in enumerate(rows) for name in row}
    return places, stops


def picture(graph):
    """Draw boxes, and arrows to what each imports; what follows from other arrows is left out."""
    places, stops = arrange(nx.transitive_reduction(graph))
    x, y = np.array(list(places.values())).T
    low, high = (x.min() - BOX / 2, y.min() - ROW / 2), (x.max() + BOX / 2, y.max() + ROW / 2)
    figure = Figure(figsize=np.subtract(high, low))
    ax = figure.add_axes((0, 0, 1, 1), xlim=(low[0], high[0]), ylim=(low[1], high[1]))
    ax.axis("off")
    for line in stops.values():
        points = np.array([places[stop] for stop in line])
        points[[0, -1], 1] += -0.16, 0.16  # from box to box, not from centre to centre
        curve = [points[0]]
        for (x0, y0), (x1, y1) in pairwise(points):
            curve += [(x0, (y0 + y1) / 2), (x1, (y0 + y1) / 2), (x1, y1)]
        path = Curve(curve, [Curve.MOVETO, *[Curve.CURVE4] * (len(curve) - 1)])
        ax.add_patch(FancyArrowPatch(path=path, arrowstyle="-|>", mutation_scale=9, color="0.45"))
    for name, data in graph.nodes.items():
        box = {"boxstyle": "round,pad=0.4", "facecolor": COLORS[data["torch"]], "edgecolor": "0.5"}
        ax.text(*places[name], name, ha="center", va="center", fontsize=10, bbox=box)
    return figure
