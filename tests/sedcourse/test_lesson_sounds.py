"""Lesson 01: comparable clips, units of the voices, levels."""

from pathlib import Path

import numpy as np
import pandas as pd
import pytest

from minidesed import generate, ranges
from sedcourse import datasets, sounds
from sedlib.data import audio, encoder, layout, tables
from sedlib.errors import SedError
from sedlib.metrics import event_f1


def part(*clips: str) -> layout.Subset:
    rows = [(f"{i}.wav", 1.0, 2.0, label) for i, held in enumerate(clips) for label in held.split()]
    table = pd.DataFrame(rows, columns=tables.EVENT_COLUMNS)
    return layout.Subset("synthetic", "strong", Path(), table, [f"{i}.wav" for i in range(len(clips))])


def test_comparable_clips_share_classes():
    pair = sounds.comparable(part("Dog", "Cat Speech", "Frying"), part("Speech Dishes Blender", "Speech Cat", "Dog"))
    assert pair == ("1.wav", "1.wav")


@pytest.mark.parametrize("label", ranges.RANGES)
def test_every_parameter_of_a_voice_has_its_meaning(label):
    found = sounds.voice(label)
    assert list(found["parameter"]) == list(ranges.RANGES[label])
    assert found["unit and meaning"].str.len().min() > 1


def test_a_voice_as_ranges_have_it():
    dog = sounds.voice("Dog").set_index("parameter")
    assert dog.loc["pitch", "real"] == "150 to 800"
    assert dog.loc["pitch", "unit and meaning"] == "Hz, top of a bark's arc: large dogs low, small dogs high"
    assert dog.loc["arc", "unit and meaning"] == "ratio of the top to the start"  # written beside the cat's
    assert dog.loc["kind", "real"] == "bark, yelp, growl"


@pytest.fixture(scope="module")
def root(tmp_path_factory):
    folder = tmp_path_factory.mktemp("data")
    generate.mini(folder, dict.fromkeys(layout.SUBSETS, 3), seed=0, progress=False)
    return folder


def test_levels_are_those_of_the_clips(root):
    parts = datasets.parts(root)
    table = datasets.levels(root, parts).set_index("subset")
    level = [
        10 * np.log10(np.mean(audio.read(parts["weak"].audio_dir / name, seconds=10.0)[0].astype(float) ** 2))
        for name in parts["weak"].filenames
    ]
    shown = [float(value) for value in table.loc["weak", "clip (dB of full scale)"].split(",")]
    np.testing.assert_allclose(shown, np.quantile(level, (0.01, 0.5, 0.99)), atol=0.6)
    assert table.loc["weak", "events over pauses (dB)"] == "" and table.loc["validation", "clips"] == 3


def test_chosen_clips_belong_to_their_subsets(root):
    parts = datasets.parts(root)
    for name, clip in sounds.choose(parts).items():
        assert clip in parts[name].filenames
    label = tables.events(parts["synthetic"].table)["event_label"].iloc[0]
    cut = sounds.example(parts["synthetic"], label)
    assert cut is not None and 0 < len(cut) <= 40000


def test_a_folder_that_lacks_subsets_is_refused(tmp_path):
    with pytest.raises(SedError, match="lacks synthetic, weak"):
        datasets.parts(tmp_path)


def test_tables_of_a_data_set_count_its_clips_and_events(root):
    parts = datasets.parts(root)
    sizes = datasets.sizes(parts).set_index("subset")
    assert list(sizes["clips here"]) == [len(part.filenames) for part in parts.values()]
    assert sizes.loc["weak", "clips in DESED"] == 1578

    part = parts["validation"]
    strong = encoder.strong_labels(part.table, part.filenames, 157, 0.06375)
    balance = datasets.balance(part.table, strong).set_index("class")
    assert balance["events"].sum() == len(tables.events(part.table))
    speech = strong[:, :, tables.CLASSES.index("Speech")].mean()
    assert balance.loc["Speech", "of all frames (%)"] == f"{100 * speech:.1f}"

    perfect = datasets.f1_by_class(event_f1(part.table, part.table))
    assert set(perfect["class"]) == set(balance.index) and (perfect["F1 (%)"] == 100).all()
