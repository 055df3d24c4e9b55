"""Which archives hold DESED and RealDESED, under which licences, and where their files belong in DESED's layout.

Sizes and checksums are asked of the archive when a file is fetched: those that circulate contradict each other. Record
numbers are those that the public code named at each part uses; none was asked for while this was written.
"""

from __future__ import annotations

import re
from collections.abc import Mapping
from dataclasses import dataclass, field
from pathlib import PurePosixPath

from sedlib.data.layout import SOUNDBANK, SUBSETS

ZENODO = "https://zenodo.org"
MIXED = "audio/train/synthetic21_train", "metadata/train/synthetic21_train"  # the soundscapes of 2021
_ATTRIBUTION = re.compile(r"licen[sc]e|attribution|readme", re.IGNORECASE)


@dataclass(frozen=True)
class Archive:
    """A file of a Zenodo record."""

    record: int
    key: str  # its name there


@dataclass(frozen=True)
class Part:
    """What can be asked for by name.

    Attributes
    ----------
    moves : mapping
        Where the archives' files belong: a folder (or file) anywhere in a member's path, and its place below DIR.
    kept : tuple of str
        Classes of a scene data set that are kept, by its ``meta.txt``; empty: everything.
    """

    what: str
    licence: str
    archives: tuple[Archive, ...]
    moves: Mapping[str, str] = field(default_factory=dict)
    kept: tuple[str, ...] = ()

    def place(self, part: str, name: str) -> PurePosixPath | None:
        """Return where a member of an archive belongs below DIR; None for what nothing here reads."""
        for source, target in self.moves.items():
            _, found, rest = f"/{name}".partition(f"/{source}")
            if found and (source.endswith("/") or not rest):
                path = PurePosixPath(target + rest)
                if path.parts[0] != "audio" or path.suffix == ".wav":
                    return path
        if _ATTRIBUTION.search(name):
            return PurePosixPath("licences", part, name.replace("/", "_"))
        return None


_TUT, _SINS = "TUT-acoustic-scenes-2017-development", "DCASE2018-task5-dev"
_PER_FILE = "per file (Freesound): `licences/` names them"
PARTS = {
    "metadata": Part(  # turpaultn/DESED desed/download.py
        "tables of the weak, unlabelled and development clips",
        "see the record; labels of AudioSet are CC BY 4.0",
        (Archive(4639776, "audioset_metadata.tar.gz"),),
        {"metadata/": "metadata/"},
    ),
    "public": Part(  # turpaultn/DESED desed/download.py
        "public evaluation set, 692 real clips with times",
        "see the record; clips of video sites",
        (Archive(4560759, "DESED_public_eval.tar.gz"),),
        {"audio/eval/public/": f"{SUBSETS['public'].audio}/", "metadata/eval/public.tsv": SUBSETS["public"].metadata},
    ),
    "synthetic21": Part(  # DCASE-REPO/DESED_task generate_dcase_task4_2022.py
        "synthetic training set of 2021, 10,000 clips, mixed already",
        _PER_FILE,
        (Archive(6026841, "dcase_synth.zip"),),
        {f"{folder}/": f"{folder}/" for folder in MIXED},
    ),
    "soundbank": Part(  # turpaultn/DESED desed/download.py
        "isolated sounds for dynamic mixing, without backgrounds",
        _PER_FILE,
        (Archive(4307908, "DESED_synth_soundbank.tar.gz"),),
        {f"{SOUNDBANK}/": f"{SOUNDBANK}/"},
    ),
    # turpaultn/DESED desed/download.py; folders: google-research/sound-separation datasets/fuss/reverberate_and_mix.py
    "fuss": Part(
        "room responses of FUSS's training part, for dynamic mixing",
        "CC BY 4.0",  # its FUSS_license_doc/README.md
        (Archive(3743844, "FUSS_rir_data.tar.gz"),),
        {"rir_data/train/": f"{SOUNDBANK}/rir/"},
    ),
    "tut": Part(  # turpaultn/DESED desed/download.py
        "backgrounds of TUT Acoustic Scenes 2017: home, library, office",
        "non-commercial, see the record",
        (Archive(400515, f"{_TUT}.meta.zip"), *(Archive(400515, f"{_TUT}.audio.{i}.zip") for i in range(1, 11))),
        {"audio/": f"{SOUNDBANK}/background/tut-scenes-2017-dev/", "meta.txt": "metadata/soundbank/tut.txt"},
        ("home", "library", "office"),
    ),
    "sins": Part(  # turpaultn/DESED desed/download.py
        "backgrounds of SINS that the challenge used, 2,060 clips",
        "non-commercial, see the record",
        (Archive(1247102, f"{_SINS}.meta.zip"), *(Archive(1247102, f"{_SINS}.audio.{i}.zip") for i in range(1, 24))),
        {"audio/": f"{SOUNDBANK}/background/sins/", "meta.txt": "metadata/soundbank/sins.txt"},
        ("other",),
    ),
}
DEFAULT = ("metadata", "public", "synthetic21")  # no video site, no tens of GB
REAL = ("validation", "weak", "unlabel_in_domain")  # clips of a video site, the most needed first

REALDESED = Part(  # fschmid56/RealDESED setup.sh
    "recordings of 652 homes, 37.85 h",
    "CC0 or CC BY per recording: `metadata/licences.tsv`; annotations CC BY 4.0",
    tuple(Archive(20056072, f"{split}.zip") for split in ("train", "validation", "test")),
)
