"""Workspace: the embedded data set has the profile's clips and isolated sounds; any other folder is taken as it is."""

import pytest

from sedlib.config import SIZES, SOUNDS
from sedlib.data import generate
from sedlib.errors import SedError
from sedlib.workspace import dataset


@pytest.mark.parametrize("profile", SIZES)
def test_the_embedded_data_set_is_made_with_the_profiles_sizes_and_sounds(workspace, monkeypatch, profile):
    asked = []
    monkeypatch.setattr(generate, "mini", lambda folder, **how: asked.append((folder, how)))
    assert dataset("mini", profile, progress=False) == workspace / "data" / f"mini-{profile}"
    assert asked == [(workspace / "data" / f"mini-{profile}",
                      {"sizes": SIZES[profile], "seed": 0, "progress": False, "sounds": SOUNDS[profile]})]


def test_a_folder_is_taken_as_it_is(tmp_path):
    assert dataset(str(tmp_path)) == tmp_path and list(tmp_path.iterdir()) == []
    with pytest.raises(SedError, match="'/nowhere/mine': no such folder; give a DESED-layout folder, or 'mini'"):
        dataset("/nowhere/mine")
    with pytest.raises(SedError, match="profile"):
        dataset("mini", "lessons")
