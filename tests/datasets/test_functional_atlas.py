from pathlib import Path

import numpy as np
import pytest

from skneurograph.datasets import read_functional_atlas

REAL = Path(__file__).parents[3] / "shared" / "data" / "atlas" / "randi2023_funatlas.npz"
NAMES = ["AVAL", "AVAR", "VB2", "RIML"]


def matrices():
    q = np.full((4, 4), 0.6)
    q[0, 2], q[1, 2], q[3, 0], q[2, 3] = 0.01, 0.3, 0.02, np.nan
    q_absence = np.full((4, 4), 0.2)
    q_absence[3, 1] = q_absence[0, 2] = 0.01
    occ = np.full((4, 4), 3)
    occ[3, 0] = 1
    occ[2, 3] = 0
    return {"q": q, "q_eq": q_absence, "dFF": np.arange(16.0).reshape(4, 4), "occ1": occ}


@pytest.fixture
def path(tmp_path):
    arrays = {f"wt_{name}": value for name, value in matrices().items()}
    arrays |= {f"unc31_{name}": value.T for name, value in matrices().items()}
    np.savez(tmp_path / "atlas.npz", neurons=NAMES, **arrays)
    return tmp_path / "atlas.npz"


def test_entries_run_from_the_stimulated_sender_to_the_responding_receiver(path):
    graph = read_functional_atlas(path).graph(neurons=["VB02", "AVAL", "RIML", ""])
    nan = np.nan
    expected = [[0, 0, nan, nan], [1, 0, 0, nan], [0, nan, 0, nan], [nan, nan, nan, 0]]
    np.testing.assert_array_equal(graph, expected)


def test_what_is_neither_connected_nor_unconnected_is_unknown(path):
    atlas = read_functional_atlas(path)
    graph = atlas.graph()
    assert np.isnan(graph[1, 2])
    assert np.isnan(graph[3, 0])
    assert atlas.graph(min_observations=1)[3, 0] == 1
    assert atlas.graph(min_q_absent=0.2)[1, 2] == 0


def test_an_equivalence_test_says_which_responses_are_negligible(path):
    graph = read_functional_atlas(path).graph(absence="equivalence")
    expected = np.full((4, 4), np.nan)
    np.fill_diagonal(expected, 0)
    expected[3, 1], expected[0, 2] = 0, 1
    np.testing.assert_array_equal(graph, expected)


def test_strains_are_kept_apart(path):
    mutant = read_functional_atlas(path, strain="unc-31")
    np.testing.assert_array_equal(mutant.graph(), read_functional_atlas(path).graph().T)


def test_a_class_responds_if_a_member_does_and_is_silent_only_if_all_are(path):
    atlas = read_functional_atlas(path)
    merged = atlas.merge_classes({"AVAL": "AVA", "AVAR": "AVA", "RIML": "RIM"})
    assert merged.neurons.tolist() == ["AVA", "RIM", "VB2"]
    np.testing.assert_array_equal(
        merged.graph(neurons=["AVA", "VB02", "RIM"]), [[0, 1, 0], [0, 0, np.nan], [1, 0, 0]]
    )
    assert merged.n_observations.tolist() == [[12, 6, 6], [4, 3, 3], [6, 0, 3]]
    assert merged.q_absence[1, 0] == 0.2
    counts, response = matrices()["occ1"], matrices()["dFF"]
    expected = np.average(response[3, :2], weights=counts[3, :2])
    assert merged.response[1, 0] == pytest.approx(expected)
    assert np.isnan(merged.response[2, 1])


def test_the_file_of_the_published_package_is_read_alike(path, tmp_path):
    h5py = pytest.importorskip("h5py")
    with h5py.File(tmp_path / "funatlas.h5", "w") as file:
        file["neuron_ids"] = np.array(NAMES, dtype="S5")
        for name, value in matrices().items():
            file[f"wt/{name}"] = value
    atlas = read_functional_atlas(tmp_path / "funatlas.h5")
    np.testing.assert_array_equal(atlas.graph(), read_functional_atlas(path).graph())


def test_what_is_no_atlas_is_refused_in_words(path, tmp_path):
    with pytest.raises(ValueError, match="strain: got 'N2'; expected 'wild-type' or 'unc-31'"):
        read_functional_atlas(path, strain="N2")
    with pytest.raises(ValueError, match="absence: got 'q'"):
        read_functional_atlas(path).graph(absence="q")
    with pytest.raises(FileNotFoundError):
        read_functional_atlas(tmp_path / "none.h5")
    np.savez(tmp_path / "other.npz", neurons=NAMES)
    with pytest.raises(ValueError, match="lacks wt_q, wt_q_eq, wt_dFF, wt_occ1"):
        read_functional_atlas(tmp_path / "other.npz")
    arrays = {f"wt_{name}": np.ones((3, 3)) for name in ("q", "q_eq", "dFF", "occ1")}
    np.savez(tmp_path / "other.npz", neurons=NAMES, **arrays)
    with pytest.raises(ValueError, match=r"q of shape \(3, 3\); expected \(4, 4\)"):
        read_functional_atlas(tmp_path / "other.npz")
    (tmp_path / "text.h5").write_text("nothing")
    pytest.importorskip("h5py")
    with pytest.raises(ValueError, match=r"text\.h5 is neither \.npz nor HDF5"):
        read_functional_atlas(tmp_path / "text.h5")


def test_the_published_atlas_has_as_many_responses_as_were_published():
    if not REAL.exists():
        pytest.skip(f"the atlas is not at {REAL.parent}")
    atlas = read_functional_atlas(REAL)
    apart = ~np.eye(len(atlas.neurons), dtype=bool)
    assert (atlas.graph(min_observations=1)[apart] == 1).sum() == 1151
