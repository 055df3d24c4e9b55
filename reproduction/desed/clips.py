"""DESED's real clips, which are on a video site: from given folders or archives, or one by one from the site.

``DIR/missing.tsv`` says for each missing clip why, when it was last tried, and how often. Cookies and proxies
are left to yt-dlp's own configuration file.
"""

from __future__ import annotations

import random
import re
import shlex
import shutil
import subprocess
import sysconfig
import time
from collections.abc import Sequence
from datetime import UTC, datetime
from pathlib import Path, PurePosixPath

import pandas as pd
from tqdm.auto import tqdm

from reproduction.desed.get import Folder
from reproduction.desed.unpack import ARCHIVES, Broken, Store, as_it_is, as_mono, mono, unpack
from sedlib.config import RATE
from sedlib.data import layout, tables
from sedlib.errors import SedError
from sedlib.files import reading, whole

SITE = "https://www.youtube.com/watch?v="
IN_A_ROW = 3  # clips that fail without the site saying why: it blocks, or something here is broken
COLUMNS = ["subset", "filename", "reason", "time", "tries"]
_NAME = re.compile(r"Y?([\w-]{11})_([\d.]+)_([\d.]+)\.wav")  # AudioSet's: video, start and end in seconds
_GONE = {  # for good, in yt-dlp's words
    "private": "private video|members.only",
    "region": "country|geo.?restrict",
    "age": "confirm your age|age.restricted",
    "removed": "video (is )?(un|not |no longer )available|removed|terminated|does not exist",
}
_WORDS = {"blocked": "not a bot|rate.limited|try again later|captcha|error 429|too many requests", **_GONE}
_CORRUPT = "corrupt, or shorter than it should be"
_CLIP_BYTES = {False: 320_044, True: 2_000_000}  # by ``original``
_LONGEST_S = 1800  # of one transfer


def real(folder: Folder, names: Sequence[str], original: bool, pause_s: float, again: bool) -> None:
    """Get the clips of a video site, and say how much of each class is missing.

    Parameters
    ----------
    folder : Folder
        Clips are taken from its ``sources``; without any, from the site.
    names : sequence of str
        Of `records.REAL`.
    original : bool
        As for `desed`.
    pause_s : float
        Between two clips, on average; half as long to half as long again.
    again : bool
        Try those again that the site said were gone.

    Raises
    ------
    SedError
        If yt-dlp or ffmpeg is missing; if the site lets nothing more through.
    """
    missing = _Missing(folder.root, names)
    folder.check_room([], len(missing.why) * _CLIP_BYTES[original])
    store, stopped = as_it_is if original else as_mono, ""
    if folder.sources:
        _take(folder, missing, store)
    else:
        stopped = _fetch(folder, missing, store, pause_s, again)
    missing.write()
    for name in names:
        folder.say(lost(folder.root, name))
    folder.say(f"{missing.path}: {len(missing.why)} clips that are not there, and why")
    if stopped:
        command = f"sedlib data desed {shlex.quote(str(folder.root))} --parts {','.join(names)} --pause {2 * pause_s:g}"
        raise SedError(
            f"stopped after {IN_A_ROW} failed clips in a row ({stopped}). Wait a few hours; `pip install -U "
            f"'yt-dlp[default]'` if the program is old. Then continue with: {command}{' --rate original' * original}"
        )


class _Missing:
    """Clips of some subsets that are not there: subset by name, and what ``missing.tsv`` says of them."""

    def __init__(self, root: Path, names: Sequence[str]) -> None:
        self.root, self.path = root, root / "missing.tsv"
        self.subset = {
            clip: name for name in names for clip in _clips(root, name)[0] if not self.target(name, clip).exists()
        }
        known = pd.DataFrame(columns=COLUMNS)
        if self.path.is_file():
            with reading(self.path):
                known = pd.read_csv(self.path, sep="\t", keep_default_na=False)[COLUMNS]
        self.others = known[~known["subset"].isin(names)].to_numpy().tolist()
        tried = {clip: (reason, when, tries) for _, clip, reason, when, tries in known.itertuples(index=False)}
        self.why: dict[str, tuple[str, str, int]] = {
            clip: tried.get(clip, ("not tried", "", 0)) for clip in self.subset
        }

    def target(self, name: str, clip: str) -> Path:
        return layout.audio_folder(self.root, name) / clip

    def note(self, clip: str, reason: str) -> None:
        """Write down how a try ended; without a reason the clip is there."""
        _, _, tries = self.why.pop(clip)
        if reason:
            self.why[clip] = reason, datetime.now(UTC).isoformat(timespec="seconds"), tries + 1
        self.write()

    def write(self) -> None:
        """Write ``missing.tsv``, with what it says of other subsets."""
        rows = [(self.subset[clip], clip, *why) for clip, why in self.why.items()]
        tables.write(pd.DataFrame(self.others + rows, columns=COLUMNS), self.path)


def _take(folder: Folder, missing: _Missing, store: Store) -> None:
    """Take clips from the folders and archives given."""

    def place(member: str) -> PurePosixPath | None:
        clip = PurePosixPath(member).name
        if clip not in missing.subset:
            return None
        return PurePosixPath(missing.target(missing.subset[clip], clip).relative_to(folder.root))

    for source in folder.sources:
        if source.is_dir() or source.name.endswith(ARCHIVES):
            found = unpack(source, folder.root, place, store)
            folder.say("\n".join([f"{source}: {len(found.there)} clips", *found.left_out[:20]]))
            for path in found.there:
                missing.why.pop(path.name, None)


def _fetch(folder: Folder, missing: _Missing, store: Store, pause_s: float, again: bool) -> str:
    """Get clips from the site, those tried least first; return why it stopped before the end, if it did."""
    program = shutil.which("yt-dlp") or shutil.which("yt-dlp", path=sysconfig.get_path("scripts"))
    if not (program and shutil.which("ffmpeg")):
        raise SedError(
            "the real clips come from a video site and need yt-dlp and ffmpeg: `pip install 'sedlib[desed]'`, and "
            "ffmpeg from your system's packages or conda; or give a folder or archive of clips with --from"
        )
    final = () if again else (*_GONE, _CORRUPT)
    named = {clip: found for clip in missing.why if (found := _NAME.fullmatch(clip))}
    left = [clip for clip in named if missing.why[clip][0] not in final]
    left.sort(key=lambda clip: missing.why[clip][2])
    unexplained = 0
    for n, clip in enumerate(tqdm(left, desc="clips", unit=" clips")):
        if n:
            time.sleep(pause_s * random.uniform(0.5, 1.5))
        target = missing.target(missing.subset[clip], clip)
        reason = _one(program, folder.downloads / "clip", named[clip], target, store)
        missing.note(clip, reason)
        unexplained = 0 if reason in ("", *_GONE) else unexplained + 1
        if unexplained == IN_A_ROW:
            return reason
    return ""


def _one(program: str, work: Path, named: re.Match[str], target: Path, store: Store) -> str:
    """Get a clip, cut out of its video's sound to the sample; return why it is not there, else nothing."""
    video, start, end = named.groups()
    found = work / "clip.wav"
    command = [program, "--quiet", "--no-warnings", "--no-playlist", "--format", "bestaudio/best", "--extract-audio"]
    command += ["--audio-format", "wav", "--postprocessor-args", f"ExtractAudio:-ss {start} -to {end}"]
    command += ["--output", str(work / "clip.%(ext)s"), f"{SITE}{video}"]
    try:
        done = subprocess.run(command, capture_output=True, text=True, errors="replace", timeout=_LONGEST_S)
        if done.returncode or not found.exists():
            return _reason(done.stderr)
        if len(mono(found)) < (float(end) - float(start) - 1) * RATE:
            return _CORRUPT
        target.parent.mkdir(parents=True, exist_ok=True)
        with whole(target) as partial:
            store(found, partial)
        return ""
    except subprocess.TimeoutExpired:
        return f"took more than {_LONGEST_S // 60} minutes"
    except Broken:
        return _CORRUPT
    finally:
        shutil.rmtree(work, ignore_errors=True)


def _reason(said: str) -> str:
    """Name why yt-dlp failed: one of `_WORDS`, or its last line, as it can stand in a table."""
    line = (said.strip().splitlines() or ["no message from yt-dlp"])[-1]
    known = (reason for reason, words in _WORDS.items() if re.search(words, line, re.IGNORECASE))
    line = re.sub(r"ERROR: (\[\w+\] [\w-]+: )?", "", line)
    return next(known, re.sub(r"[^\w .,:;()/-]", "", line)[:200].strip())


def _clips(root: Path, name: str) -> tuple[list[str], pd.DataFrame]:
    """List a subset's clips, and its labels ``filename label``: a row for each event, or each class of a weak clip."""
    place = layout.SUBSETS[name]
    table = tables.read(root / place.metadata, layout.COLUMNS[place.kind])
    column = {layout.STRONG: "event_label", layout.WEAK: "event_labels"}.get(place.kind)
    labels = pd.Series(dtype=str) if column is None else table[column].str.split(",").explode().dropna()
    return tables.filenames(table), pd.DataFrame({"filename": table["filename"].loc[labels.index], "label": labels})


def lost(root: Path, name: str) -> str:
    """Say how many clips of a subset are there, and the share of each class's events (labels) that is not."""
    clips, labels = _clips(root, name)
    folder = layout.audio_folder(root, name)
    there = {clip for clip in clips if (folder / clip).exists()}
    gone = (~labels["filename"].isin(there)).groupby(labels["label"]).agg(["mean", "sum", "size"])
    rows = gone.sort_values("mean", ascending=False).itertuples()
    shares = [f"{label}: {n} of {size} missing, {100 * share:.1f} %" for label, share, n, size in rows]
    title = f"{name}: {len(there)} of {len(clips)} clips are there{'; of the events of each class' if shares else ''}"
    return "\n  ".join([title, *shares])
