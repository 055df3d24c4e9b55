"""A folder that archives are fetched into and unpacked in, and DESED's parts one after the other.

What is finished is written down in ``.downloads/plan.json`` with the sizes and checksums that the archive named. Each
file appears under its name only when it is whole, so a killed process loses at most the member it was at.
"""

from __future__ import annotations

import functools
import shutil
from collections.abc import Callable, Sequence
from pathlib import Path, PurePosixPath
from typing import Any

import requests

from reproduction import audit
from reproduction.desed.records import MIXED, PARTS, Archive, Part
from reproduction.desed.transfer import Connection, Facts, md5
from reproduction.desed.unpack import Store, Unpacked, as_it_is, as_mono, unpack
from sedlib.data import layout, tables
from sedlib.data.layout import SOUNDBANK, SUBSETS
from sedlib.errors import SedError
from sedlib.files import read_json, write_json

Place = Callable[[Archive, str], PurePosixPath | None]
_BANK = ("soundbank", "fuss", "tut", "sins")


class Folder:
    """DIR: what of it is finished, and how the rest gets there."""

    def __init__(self, root: Path, sources: Sequence[Path], say: Callable[[str], None], data: str = "DESED"):
        self.root, self.sources, self.say = root, sources, say
        self.downloads = root / ".downloads"
        self.downloads.mkdir(parents=True, exist_ok=True)
        self._plan = self.downloads / "plan.json"
        self.plan: dict[str, Any] = read_json(self._plan) if self._plan.exists() else {}
        self.plan = {"data": data, "facts": {}, "done": {}} | self.plan
        if self.plan["data"] != data:
            raise SedError(f"{root}: holds {self.plan['data']}; give {data} a folder of its own")
        self.connection = Connection()
        self.kept: list[str] = []  # archives that do not give what they should

    def close(self) -> None:
        """Raise `SedError` if an archive was not used to the full."""
        if self.kept:
            raise SedError("\n".join(self.kept))

    def left(self, part: Part) -> list[Archive]:
        """List the archives of a part that are not finished."""
        return [archive for archive in part.archives if archive.key not in self.plan["done"]]

    def facts(self, archive: Archive) -> Facts:
        """Return size and md5 of an archive, as its record says; asked for once."""
        if archive.key not in self.plan["facts"]:
            self.plan["facts"] |= self.connection.facts(archive.record)
            write_json(self._plan, self.plan)
        if archive.key not in self.plan["facts"]:
            raise SedError(f"record {archive.record} holds no {archive.key}; remove {self._plan} if it was added since")
        return Facts(*self.plan["facts"][archive.key])

    def given(self, archive: Archive) -> Path | None:
        """Find the archive in what was given by --from."""
        places = (source / archive.key if source.is_dir() else source for source in self.sources)
        return next((path for path in places if path.name == archive.key and path.is_file()), None)

    def check_room(self, parts: Sequence[Part], more: int = 0) -> None:
        """Raise `SedError` if the disk lacks room for what is left: all contents, and the largest archive on its way.

        Of an archive of which a part is kept the contents are taken as a tenth.
        """
        contents, largest = more, 0
        for part in parts:
            for archive in self.left(part):
                if self.given(archive):
                    continue
                size = self.facts(archive).size
                contents += size // 10 if part.kept else size
                got = [path for path in self._paths(archive) if path.exists()]
                largest = max(largest, size - sum(path.stat().st_size for path in got))
        free = shutil.disk_usage(self.root).free
        if contents + largest > free:
            raise SedError(
                f"{self.root}: about {(contents + largest) / 1e9:.1f} GB are needed and {free / 1e9:.1f} GB are free; "
                "free some space, ask for fewer --parts, or give another folder"
            )

    def bring(self, part: Part, place: Place, store: Store, checked: Callable[[Archive], list[str]]) -> None:
        """Fetch and unpack what is left of a part; an archive is removed when ``checked`` has no objection.

        Parameters
        ----------
        part : Part
        place, store : functions
            As for `unpack`; ``place`` is given the archive besides.
        checked : function
            Of an archive, when it is unpacked: sentences on what is wrong with what it gave.
        """
        if self.left(part):
            self.say(f"{part.what}; licence: {part.licence}")
        for archive in self.left(part):
            given = self.given(archive)
            if given:
                self._compare(archive, given)
            path = given or self._fetched(archive)
            unpacked = unpack(path, self.root, lambda member, archive=archive: place(archive, member), store)
            if not unpacked.there and not part.kept:
                unpacked.left_out.append(f"{archive.key}: has none of the expected files")
            self._finish(archive, given, unpacked, checked(archive))

    def _fetched(self, archive: Archive) -> Path:
        path = self._paths(archive)[0]
        facts = self.facts(archive)
        if not (path.exists() and path.stat().st_size == facts.size and md5(path) == facts.md5):
            self.connection.fetch(archive, facts, path)
        return path

    def _paths(self, archive: Archive) -> tuple[Path, Path]:
        path = self.downloads / archive.key
        return path, path.with_name(f"{path.name}.part")

    def _compare(self, archive: Archive, given: Path) -> None:
        """Compare a given archive with its record, where that can be reached."""
        try:
            facts = self.facts(archive)
        except (SedError, requests.RequestException) as error:
            self.say(f"{given}: not compared with its record, which cannot be reached ({error})")
            return
        if given.stat().st_size != facts.size or md5(given) != facts.md5:
            raise SedError(f"{given}: not the file of record {archive.record}, whose md5 is {facts.md5}; get it again")

    def _finish(self, archive: Archive, given: Path | None, unpacked: Unpacked, objections: list[str]) -> None:
        for line in (wrong := unpacked.left_out + objections)[:20]:
            self.say(f"  {line}")
        if wrong:
            kept = given or self._paths(archive)[0]
            self.kept.append(f"{kept} is kept: {len(wrong)} problems, see above; the same command checks again")
            return
        self.plan["done"][archive.key] = len(unpacked.there)
        write_json(self._plan, self.plan)
        if not given:
            self._paths(archive)[0].unlink()
        self.say(f"{archive.key}: {len(unpacked.there)} files in their places")


def desed(folder: Folder, parts: Sequence[str], original: bool) -> None:
    """Fetch and unpack parts of DESED.

    Parameters
    ----------
    folder : Folder
    parts : sequence of str
        Names of `PARTS`.
    original : bool
        Keep rate and channels of the audio; else 16 kHz mono.
    """
    folder.check_room([PARTS[name] for name in parts])
    for name in parts:
        store = as_it_is if original or name == "fuss" else as_mono  # of a room response one channel is used
        folder.bring(PARTS[name], _places(folder.root, name), store, lambda _, name=name: objections(folder.root, name))
    folder.close()


def _places(root: Path, name: str) -> Place:
    """Return where the members of a part's archives belong; of scenes only those of the classes that are kept."""
    part = PARTS[name]

    @functools.cache
    def wanted() -> set[str]:
        meta = root / part.moves["meta.txt"]
        if not meta.is_file():
            raise SedError(f"{meta}: missing, so nothing says which scenes to keep; see above")
        rows = (line.split("\t") for line in meta.read_text(encoding="utf-8").splitlines())
        return {PurePosixPath(path).name for path, scene, *_ in rows if scene in part.kept}

    def place(_: Archive, member: str) -> PurePosixPath | None:
        path = part.place(name, member)
        unwanted = path and part.kept and path.suffix == ".wav" and path.name not in wanted()
        return None if unwanted else path

    return place


def objections(root: Path, part: str) -> list[str]:
    """Say what `sedlib data check` has against a part that was unpacked: errors, and clips that are left out."""
    try:
        if part == "metadata":
            for name in ("weak", "unlabel_in_domain", "validation"):
                tables.read(root / SUBSETS[name].metadata, layout.COLUMNS[SUBSETS[name].kind])
            return []
        if part in _BANK:
            report = audit.Report(root)
            if (root / SOUNDBANK / "foreground").is_dir():
                audit.check_soundbank(root / SOUNDBANK, report)
            return report.errors
        if part == "synthetic21":
            _link(root)
        report = audit.Report(root)
        audit.check_subset(root, "public" if part == "public" else "synthetic", report)
        return report.errors + report.left_out
    except SedError as error:
        return [str(error)]


def _link(root: Path) -> None:
    """Give the soundscapes of 2021 the place of those of 2020, unless something is there."""
    for folder in map(Path, MIXED):
        place = root / folder.with_name("synthetic20")
        if not place.exists() and (root / folder).is_dir():
            place.symlink_to(folder.name)
