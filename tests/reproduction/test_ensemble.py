"""The average of several systems' posteriors, and an ensemble scored like a run."""

import dataclasses

import numpy as np
import pytest

from reproduction.scoring import Ensemble, average, run_of
from sedlib import systems
from sedlib.data import layout, tables
from sedlib.data.tables import CLASSES
from sedlib.decode import Posteriors
from sedlib.errors import SedError
from sedlib.systems import configuration
from sedlib.training import Run
from sedlib.workspace import run_folder

NAMES = ["a.wav", "b.wav", "c.wav"]


def scores(seed: int, names=NAMES, frames: int = 4, classes=CLASSES, frame_s: float = 0.064) -> Posteriors:
    """Posteriors that depend on the seed and the clip's name alone, whatever its place."""
    rows = [np.random.default_rng([seed, *name.encode()]).random((frames, len(classes))) for name in names]
    return Posteriors(np.array(rows, np.float32), list(names), classes, frame_s)


def test_the_average_is_that_of_each_clip_whatever_its_place():
    found = average([scores(0), scores(1, NAMES[::-1]), scores(2, ["b.wav", "c.wav", "a.wav"])])
    assert found.filenames == NAMES and found.scores.dtype == np.float32
    expected = np.mean([scores(seed).scores.astype(float) for seed in (0, 1, 2)], axis=0)
    np.testing.assert_allclose(found.scores, expected, atol=1e-7)


def test_percent_and_fractions_are_averaged_alike():
    percent = dataclasses.replace(scores(1), scores=np.rint(100 * scores(1).scores).astype(np.uint8))
    expected = (scores(0).scores + percent.scores / 100) / 2
    for members in ([scores(0), percent], [percent, scores(0)]):
        found = average(members)
        np.testing.assert_allclose(found.scores, expected, atol=1e-6)
        assert found.scores.dtype == np.float32
    np.testing.assert_allclose(average([percent]).scores, percent.scores / 100, atol=1e-6)


@pytest.mark.parametrize(
    "other, what",
    [
        (scores(1, classes=CLASSES[:9]), "classes"),
        (scores(1, classes=CLASSES[::-1]), "classes"),
        (scores(1, frames=5), "frames"),
        (scores(1, frame_s=0.032), "seconds of a frame"),
        (scores(1, NAMES[:2]), "clips"),
        (scores(1, [*NAMES, "d.wav"]), "clips"),
        (scores(1, ["a.wav", "b.wav", "d.wav"]), "clips"),
    ],
)
def test_what_cannot_be_averaged_is_named(other, what):
    with pytest.raises(SedError, match=f"differ in their {what};"):
        average([scores(0), other])


def test_a_clip_that_is_there_twice_is_named():
    with pytest.raises(SedError, match="clip 'a.wav' is listed twice"):
        average([scores(0), scores(1, [*NAMES, "a.wav"])])


@pytest.fixture
def ensemble(workspace, tiny) -> Ensemble:
    """The paper's, of runs without weights that have posteriors."""
    found = run_of("smoke", tiny, "ensemble", 3)
    for number, member in enumerate(found.members):
        member.start(configuration(member.folder.parent.name, "smoke"), tiny, 3)
        (member.folder / "weights.pt").touch()
        for subset in ("validation", "public"):
            scores(number, tables.filenames(layout.load(tiny, subset).table)).save(member.folder / f"{subset}.npz")
    return found


def test_members_are_the_papers_one_ppcen_and_two_trainings_of_dat(ensemble, tiny):
    assert ensemble.folder == run_folder("smoke", tiny, "ensemble", 3)
    assert [member.folder for member in ensemble.members] == [
        run_folder("smoke", tiny, system, seed)
        for system, seed in (("ppcen_logmel", 3), ("dat_augm", 3), ("dat_augm", 4))
    ]
    assert ensemble.config == configuration("ppcen_logmel", "smoke")
    assert ensemble.finished
    (ensemble.members[2].folder / "weights.pt").unlink()
    assert not ensemble.finished
    assert type(run_of("smoke", tiny, "baseline", 0)) is Run


def test_an_ensemble_stores_the_averages_and_follows_a_member_that_was_trained_anew(ensemble, tiny):
    ensemble.write_posteriors(tiny)
    for subset in ("validation", "public"):
        np.testing.assert_array_equal(
            Posteriors.load(ensemble.folder / f"{subset}.npz").scores, ensemble.average(subset).scores
        )
    for subset in ("validation", "public"):
        names = tables.filenames(layout.load(tiny, subset).table)
        scores(9, names).save(ensemble.members[0].folder / f"{subset}.npz")
    (ensemble.folder / "validation.npz").unlink()  # as snakemake does with the output of a job that it calls again
    ensemble.write_posteriors(tiny)
    for subset in ("validation", "public"):
        np.testing.assert_array_equal(
            Posteriors.load(ensemble.folder / f"{subset}.npz").scores, ensemble.average(subset).scores
        )


def test_a_member_without_posteriors_is_named(ensemble, tiny):
    (ensemble.members[1].folder / "public.npz").unlink()
    with pytest.raises(
        SedError, match="dat_augm/seed3/public.npz: missing, and an ensemble averages .* score that run first"
    ):
        ensemble.average("public")


def test_an_ensemble_is_not_trained():
    with pytest.raises(
        SedError, match="'ensemble' is an average of others .*train ppcen_logmel, dat_augm, dat_augm, or call"
    ):
        configuration("ensemble", "smoke")
    members = {member for of in systems.ENSEMBLES.values() for member, _ in of}
    assert members <= set(systems.SYSTEMS) and not set(systems.ENSEMBLES) & set(systems.known())
