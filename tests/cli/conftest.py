import pytest


@pytest.fixture(scope="module")
def short_worms(worms):
    """Three worms of 40 seconds that show every behaviour."""
    return [worm.between(0, 40) for worm in worms.recordings[:3]]


@pytest.fixture
def saved(tmp_path, short_worms):
    """Save recordings, changed or not, and give their paths."""

    def save(*recordings):
        folder = tmp_path / "recordings"
        folder.mkdir(exist_ok=True)
        chosen = recordings or short_worms
        return [worm.save(folder / f"{i}-{worm.organism}") for i, worm in enumerate(chosen)]

    return save
