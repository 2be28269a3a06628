import io
import sys
from pathlib import Path

import numpy as np
import pytest

from skneurograph.datasets import Connectome, read_connectome

REAL = Path(__file__).parents[3] / "shared" / "data" / "connectome"
TABLE = """sender,receiver,kind,n_synapses
AVAL,AVAR,electrical,2
AVAR,AVAL,electrical,2
AVAL,VB2,chemical,3
AVAL,VB2,chemical,1
AVAR,VB2,chemical,5
RIML,AVAL,electrical,1
VB11,RIML,chemical,7
"""


@pytest.fixture
def connectome(tmp_path):
    path = tmp_path / "wiring.csv"
    path.write_text(TABLE, encoding="utf-8")
    return read_connectome(path)


def test_entries_run_from_sender_to_receiver(connectome):
    graph = connectome.graph("chemical", neurons=["AVAL", "VB2", "RIML", "VB11"])
    expected = np.zeros((4, 4))
    expected[1, 0], expected[2, 3] = 4, 7
    np.testing.assert_array_equal(graph, expected)


def test_gap_junctions_have_no_direction_however_often_they_stand_in_the_table(connectome):
    graph = connectome.graph("electrical", neurons=["AVAL", "AVAR", "RIML"])
    np.testing.assert_array_equal(graph, [[0, 2, 1], [2, 0, 0], [1, 0, 0]])
    both = connectome.graph("any")
    np.testing.assert_array_equal(both, connectome.chemical + connectome.electrical)


def test_the_larger_of_two_counts_of_a_gap_junction_holds():
    table = "sender,receiver,kind,n_synapses\nA,B,electrical,2\nB,A,electrical,3\n"
    np.testing.assert_array_equal(
        read_connectome(io.StringIO(table)).graph("electrical"), [[0, 3], [3, 0]]
    )


def test_blanks_around_names_do_not_count():
    table = "sender,receiver,kind,n_synapses\nA ,B,chemical,2\nA, B,chemical,3\n"
    connectome = read_connectome(io.StringIO(table))
    assert connectome.neurons.tolist() == ["A", "B"]
    np.testing.assert_array_equal(connectome.graph(neurons=["A", " B"]), [[0, 0], [5, 0]])


@pytest.mark.parametrize(("ends", "lacks"), [("A,", "receiver"), (" ,B", "sender")])
def test_a_row_without_a_name_is_refused(ends, lacks):
    table = f"sender,receiver,kind,n_synapses\nA,B,chemical,2\n{ends},chemical,3\n"
    with pytest.raises(ValueError, match=f"row 2 after the header has no {lacks}"):
        read_connectome(io.StringIO(table))


def test_anonymous_neurons_are_unknown_even_to_a_connectome_with_a_nameless_cell():
    connectome = Connectome(np.array(["", "A", "B"]), np.ones((3, 3)), np.ones((3, 3)))
    graph = connectome.graph(neurons=["", "A", " ", "B"])
    known = np.zeros((4, 4), dtype=bool)
    known[np.ix_([1, 3], [1, 3])] = True
    np.testing.assert_array_equal(np.isnan(graph), ~known & ~np.eye(4, dtype=bool))


def test_leading_zeros_are_no_part_of_a_name(connectome):
    names = ["VB02", "AVAL", "VB11"]
    np.testing.assert_array_equal(
        connectome.graph("chemical", neurons=names),
        connectome.graph("chemical", neurons=["VB2", "AVAL", "VB11"]),
    )
    assert connectome.graph("chemical", neurons=names)[0, 1] == 4


def test_cells_that_the_table_lacks_are_unknown_not_unconnected(connectome):
    graph = connectome.graph(neurons=["AVAL", "", "XYZ", "AVAR"])
    known = np.zeros((4, 4), dtype=bool)
    known[np.ix_([0, 3], [0, 3])] = True
    np.testing.assert_array_equal(np.isnan(graph), ~known & ~np.eye(4, dtype=bool))


def test_synapses_are_summed_over_the_members_of_a_class(connectome):
    classes = connectome.sum_classes({"AVAL": "AVA", "AVAR": "AVA", "RIML": "RIM", "": ""})
    assert classes.neurons.tolist() == ["AVA", "RIM", "VB11", "VB2"]
    graph = classes.graph("chemical", neurons=["AVA", "VB02"])
    np.testing.assert_array_equal(graph, [[0, 0], [9, 0]])
    np.testing.assert_array_equal(
        classes.graph("electrical", neurons=["AVA", "RIM"]), [[0, 1], [1, 0]]
    )


def test_a_table_that_does_not_fit_is_refused_in_words(tmp_path, connectome):
    path = tmp_path / "other.csv"
    path.write_text("sender,receiver\nA,B\n", encoding="utf-8")
    with pytest.raises(ValueError, match="lacks kind, n_synapses"):
        read_connectome(path)
    path.write_text("sender,receiver,kind,n_synapses\nA,B,magic,1\n", encoding="utf-8")
    with pytest.raises(ValueError, match="got kind 'magic'"):
        read_connectome(path)
    path.write_text("sender,receiver,kind,n_synapses\nA,B,chemical,many\n", encoding="utf-8")
    with pytest.raises(ValueError, match="not counts"):
        read_connectome(path)
    with pytest.raises(ValueError, match="kind: got 'both'"):
        connectome.graph("both")
    with pytest.raises(ValueError, match="the table has none of XYZ"):
        connectome.graph(neurons=["XYZ"])


def read(rows, header="sender,receiver,kind,n_synapses"):
    return read_connectome(io.StringIO(f"{header}\n{rows}"))


def test_a_cell_may_have_a_name_that_reads_like_a_missing_value():
    names = ["NA", "None", "NULL", "nan", "NaN", "N/A", "<NA>"]
    connectome = read("".join(f"{name},AVAL,chemical,{i + 1}\n" for i, name in enumerate(names)))
    assert set(connectome.neurons) == {*names, "AVAL"}
    graph = connectome.graph(neurons=["AVAL", *names])
    np.testing.assert_array_equal(graph[0], np.arange(8))
    grouped = connectome.sum_classes({"NA": "missing", "nan": "missing", "NULL": "None"})
    assert grouped.graph(neurons=["AVAL", "missing", "None"])[0].tolist() == [0, 1 + 4, 2 + 3]


@pytest.mark.parametrize(
    ("row", "message"),
    [
        ("B,,chemical,1", "row 2 after the header has no receiver"),
        ("B,C,,1", "row 2 after the header has no kind; expected 'chemical'"),
        ("B,C,NA,1", "got kind 'NA' in row 2"),
        ("B,C,Chemical,1", "got kind 'Chemical' in row 2"),
        ("B,C,chemical,", "row 2 after the header has no n_synapses"),
        ("B,C,chemical", "row 2 after the header has no n_synapses"),
        ("B", "row 2 after the header has no receiver"),
        ("B,C,chemical,NA", "got n_synapses 'NA' in row 2 .* not counts"),
        ("B,C,chemical,nan", "got n_synapses 'nan' in row 2"),
        ("B,C,chemical,-1", "got n_synapses '-1' in row 2"),
        ("B,C,chemical,inf", "got n_synapses 'inf' in row 2"),
        ("B,C,chemical,True", "got n_synapses 'True' in row 2"),
        ("B,C,chemical,1,1", "could not be read as a table"),
    ],
)
def test_an_unfit_entry_is_shown_with_its_row(row, message):
    with pytest.raises(ValueError, match=message):
        read(f"A,B,chemical,2\n{row}\n")


@pytest.mark.filterwarnings("ignore:Length of header or names")
def test_blanks_and_commas_at_the_end_of_rows_do_not_count():
    connectome = read(
        "A,B, chemical ,2,\nB,A,electrical, 3,\n", "sender, receiver,kind ,n_synapses"
    )
    assert connectome.graph("chemical", neurons=["A", "B"]).tolist() == [[0, 0], [2, 0]]
    assert connectome.graph("electrical", neurons=["A", "B"]).tolist() == [[0, 3], [3, 0]]


def test_tables_that_are_none_are_refused(tmp_path):
    path = tmp_path / "wiring.csv"
    for content, message in {
        b"": "could not be read as a table",
        b"sender,receiver,kind,n_synapses\n": "has no row",
        b"sender;receiver;kind;n_synapses\nA;B;chemical;1\n": "it has sender;receiver;kind",
        "sender,receiver,kind,n_synapses\nA,é,chemical,1".encode("latin-1"): "could not be read",
    }.items():
        path.write_bytes(content)
        with pytest.raises(ValueError, match=f"^path: .*{message}"):
            read_connectome(path)


@pytest.mark.parametrize(
    "names",
    [
        [b"AVAL", None, b"VB2"],
        np.array([b"AVAL", b"", b"VB02"]),
        np.array(["AVAL", np.nan, "VB02"], dtype=object),
        np.ma.array(["AVAL", "AVAR", "VB2"], mask=[0, 1, 0]),
    ],
)
def test_names_are_read_from_bytes_and_missing_ones_are_unknown(connectome, names):
    graph = connectome.graph("chemical", neurons=names)
    np.testing.assert_array_equal(graph, [[0, np.nan, 0], [np.nan, 0, np.nan], [4, np.nan, 0]])


def test_one_name_may_stand_alone(connectome):
    assert connectome.graph(neurons="AVAL").shape == (1, 1)


@pytest.mark.parametrize("names", [[1, 2], [["AVAL"], ["AVAR"]], 5])
def test_what_is_no_name_is_refused(connectome, names):
    with pytest.raises(ValueError, match=r"^neurons: got .*; expected one"):
        connectome.graph(neurons=names)


def test_a_missing_class_is_no_class(connectome):
    classes = {b"AVAL": "AVA", "AVAR": b"AVA", "VB02": np.nan, "RIML": None, "VB11": ""}
    grouped = connectome.sum_classes(classes)
    assert grouped.neurons.tolist() == ["AVA", "RIML", "VB11", "VB2"]
    for wrong in ({"AVAL": 1}, {1: "AVA"}, ["AVA"]):
        with pytest.raises(ValueError, match=r"^classes: got"):
            connectome.sum_classes(wrong)


@pytest.mark.parametrize("name", ["white_1986_whole.csv", "witvliet_2020_8.csv"])
def test_published_tables_hold_the_neurons_of_real_worms(name, request):
    if not (REAL / name).exists():
        pytest.skip(f"the wiring tables are not at {REAL}")
    worms = request.getfixturevalue("real_worms")
    connectome = read_connectome(REAL / name)
    names = sorted({neuron for worm in worms for neuron in worm.neurons.tolist() if neuron})
    graph = connectome.graph(neurons=names)
    known = ~np.isnan(graph).all(axis=1) & ~(np.isnan(graph).sum(axis=1) == len(names) - 1)
    assert known.mean() > 0.75
    electrical = connectome.graph("electrical", neurons=names)
    np.testing.assert_array_equal(electrical, electrical.T)
    # The thermo- and olfactory neurons speak to AIY, not AIY to them.
    graph = connectome.graph("chemical", neurons=["AWCL", "AIYL"])
    assert graph[1, 0] >= 10 > graph[0, 1]


@pytest.fixture
def toolbox(tmp_path, monkeypatch):
    """A package that reads like the Connectome Toolbox, senders as rows."""
    folder = tmp_path / "cect" / "readers"
    folder.mkdir(parents=True)
    (tmp_path / "cect" / "__init__.py").touch()
    (folder / "__init__.py").touch()
    (tmp_path / "cect" / "Neurotransmitters.py").write_text(
        "KINDS = {'GABA': 'Chemical', 'Glutamate': 'Chemical', 'Generic_GJ': 'GapJunction',\n"
        "         'Dopamine': 'Extrasynaptic', 'Contact': 'Contact'}\n"
        "get_syn_type_from_synclass = KINDS.__getitem__\n"
    )
    reader = (
        "from types import SimpleNamespace\n"
        "import numpy as np\n"
        "def get_instance(from_cache=False):\n"
        "    print('cect >>>')\n"
        "    if from_cache:\n"
        "        raise FileNotFoundError\n"
        "    return SimpleNamespace(nodes=['AVAL', 'AVAR', 'VB2'], connections={\n"
    )
    one = "np.array([[0, 0, {0}], [0, 0, 0], [0, 0, 0]])"
    tables = {
        "Synapses": {"GABA": 2, "Glutamate": 3, "Generic_GJ": 1},
        "Monoamines": {"Dopamine": 4},
        "Contacts": {"Contact": 1},
    }
    for name, classes in tables.items():
        rows = "".join(f"        {key!r}: {one.format(n)},\n" for key, n in classes.items())
        (folder / f"{name}.py").write_text(f"{reader}{rows}    }})\n")
    (folder / "Shared.py").touch()
    for name in [name for name in sys.modules if name.split(".")[0] == "cect"]:
        monkeypatch.delitem(sys.modules, name)
    monkeypatch.syspath_prepend(tmp_path)
    yield
    for name in [name for name in sys.modules if name.split(".")[0] == "cect"]:
        del sys.modules[name]


def test_a_table_of_the_toolbox_is_read_by_name(toolbox, capsys):
    connectome = read_connectome("cect:Synapses")
    names = ["VB02", "AVAL"]
    assert connectome.graph("chemical", neurons=names).tolist() == [[0, 5], [0, 0]]
    assert connectome.graph("electrical", neurons=names).tolist() == [[0, 1], [1, 0]]
    with pytest.raises(ValueError, match="nothing of extrasynaptic"):
        connectome.graph("extrasynaptic")
    assert not capsys.readouterr().out


def test_monoamines_and_peptides_are_no_synapses(toolbox):
    connectome = read_connectome("cect:Monoamines")
    assert connectome.graph("extrasynaptic", neurons=["VB2", "AVAL"]).tolist() == [[0, 4], [0, 0]]
    assert not connectome.graph("any").any()
    merged = connectome.sum_classes({"AVAL": "AVA", "AVAR": "AVA"})
    assert merged.graph("extrasynaptic", neurons=["VB2", "AVA"]).tolist() == [[0, 4], [0, 0]]


@pytest.mark.parametrize(
    ("name", "message"),
    [
        ("Gaps", r"no table 'Gaps'; expected one of Contacts, Monoamines, Shared, Synapses"),
        ("Shared", "no table 'Shared'"),
        ("Contacts", "a table of kind 'Contact'; expected synapses"),
    ],
)
def test_what_the_toolbox_has_no_wiring_of_is_refused(toolbox, name, message):
    with pytest.raises(ValueError, match=f"^path: .*{message}"):
        read_connectome(f"cect:{name}")


def test_without_the_toolbox_its_names_say_what_to_install(monkeypatch):
    monkeypatch.setitem(sys.modules, "cect", None)
    with pytest.raises(ImportError, match=r"pip install skneurograph\[cect\]"):
        read_connectome("cect:White_whole")
