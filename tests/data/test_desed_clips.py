"""`sedlib data desed --parts real` without --from: a program in yt-dlp's place says what the site would."""

import functools
import json
import shutil
import sys
import threading
from http.server import SimpleHTTPRequestHandler, ThreadingHTTPServer
from types import SimpleNamespace
from unittest.mock import Mock

import numpy as np
import pandas as pd
import pytest
import soundfile
from archives import events, wav
from click.testing import CliRunner

from reproduction.desed import clips
from sedlib.cli import cli
from sedlib.data import layout

PROGRAM = """#!{python}
import json, pathlib, shutil, sys
here = pathlib.Path(__file__).parent
with (here / "asked").open("a") as log:
    log.write(json.dumps(sys.argv[1:]) + "\\n")
answer = json.loads((here / "answers.json").read_text())[sys.argv[-1].rpartition("=")[2]]
if not answer.endswith(".wav"):
    sys.exit(answer)
target = pathlib.Path(sys.argv[sys.argv.index("--output") + 1] % {{"ext": "wav"}})
target.parent.mkdir()
shutil.copy(here / answer, target)
"""
WORDS = {  # of yt-dlp
    "private": "Private video. Sign in if you've been granted access to this video",
    "region": "Video unavailable. The uploader has not made this video available in your country",
    "age": "Sign in to confirm your age. This video may be inappropriate for some users.",
    "removed": "Video unavailable. This video has been removed by the uploader",
}
BOT = "Sign in to confirm you’re not a bot. Use --cookies"
LIMIT = "Video unavailable. This content isn't available, try again later. The current session has been rate-limited"
OFFLINE = "Unable to download webpage: Connection refused"


def name(i: int) -> str:
    return f"Y{i:011d}_30.000_40.000.wav"


class Site:
    """DESED's tables in `root`, and the program that fetches."""

    def __init__(self, root, folder):
        self.root, self.folder = root, folder
        self.folder.mkdir()
        (folder / "ffmpeg").write_text("#!/bin/sh\n")
        (folder / "yt-dlp").write_text(PROGRAM.format(python=sys.executable))
        for program in folder.iterdir():
            program.chmod(0o755)
        (folder / "good.wav").write_bytes(wav(10, 1, 44100, 2))
        (folder / "short.wav").write_bytes(wav(5))
        (folder / "page.wav").write_bytes(b"<html>")

    def lists(self, subset: str, content: bytes) -> None:
        path = self.root / layout.SUBSETS[subset].metadata
        path.parent.mkdir(parents=True, exist_ok=True)
        path.write_bytes(content)

    def answers(self, *answers: str) -> None:
        """What videos 0, 1, ... give: a file beside the program, or an error."""
        content = {
            f"{i:011d}": a if a.endswith(".wav") else f"ERROR: [youtube] {i:011d}: {a}" for i, a in enumerate(answers)
        }
        (self.folder / "answers.json").write_text(json.dumps(content))
        (self.folder / "asked").write_text("")

    @property
    def asked(self) -> list[int]:
        return [int(json.loads(line)[-1].rpartition("=")[2]) for line in (self.folder / "asked").open()]

    @property
    def missing(self) -> dict[str, tuple]:
        table = pd.read_csv(self.root / "missing.tsv", sep="\t", keep_default_na=False)
        assert table.columns.tolist() == ["subset", "filename", "reason", "time", "tries"]
        assert ((table["tries"] == 0) == (table["time"] == "")).all()
        return {row.filename: (row.subset, row.reason, row.tries) for row in table.itertuples()}

    def get(self, *more, parts="validation") -> tuple[int, str]:
        done = CliRunner().invoke(cli, ["data", "desed", str(self.root), "--parts", parts, *map(str, more)])
        assert done.exception is None or isinstance(done.exception, SystemExit), done.output
        return done.exit_code, done.output

    def there(self, subset="validation") -> list[int]:
        return [i for i in range(9) if (self.root / layout.SUBSETS[subset].audio / name(i)).is_file()]


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    found: list[float] = []
    monkeypatch.setattr(clips, "time", SimpleNamespace(sleep=found.append))
    return found


@pytest.fixture
def site(tmp_path, monkeypatch, waits) -> Site:
    """Six development clips: 0 has three events of Cat, 1 one of Dog, the others one of Speech each."""
    found = Site(tmp_path / "DESED", tmp_path / "programs")
    monkeypatch.setenv("PATH", f"{found.folder}:/usr/bin:/bin")
    classes = {0: "Cat", 1: "Dog"}
    rows = [(0, "Cat"), (0, "Cat"), *((i, classes.get(i, "Speech")) for i in range(6))]
    found.lists("validation", events(*((name(i), n, n + 0.5, label) for n, (i, label) in enumerate(rows))))
    return found


def test_clips_come_one_by_one_with_pauses_and_what_is_missing_has_its_reason(site, waits):
    site.answers("good.wav", *WORDS.values(), "good.wav")
    status, said = site.get("--pause", 8)
    assert status == 0, said
    assert site.asked == list(range(6)) and site.there() == [0, 5]
    assert len(waits) == 5 == len(set(waits)) and all(4 <= wait <= 12 for wait in waits)
    assert site.missing == {name(i): ("validation", why, 1) for i, why in enumerate(WORDS, 1)}
    info = soundfile.info(site.root / layout.SUBSETS["validation"].audio / name(0))
    assert (info.samplerate, info.channels, info.frames) == (16000, 1, 160000)
    assert "validation: 2 of 6 clips are there" in said
    for line in ("Dog: 1 of 1 missing, 100.0 %", "Speech: 3 of 4 missing, 75.0 %", "Cat: 0 of 3 missing, 0.0 %"):
        assert line in said
    layout.preflight(site.root, ["validation"])
    assert {path.name for path in (site.root / ".downloads").iterdir()} == {"lock"}

    site.answers(*["good.wav"] * 6)
    assert site.get()[0] == 0 and site.asked == []  # they are gone for good
    assert site.get("--retry-missing")[0] == 0 and site.asked == [1, 2, 3, 4] and site.there() == list(range(6))
    assert site.missing == {}


@pytest.mark.parametrize("reason, words", [("blocked", BOT), ("blocked", LIMIT), (OFFLINE, OFFLINE)])
def test_a_site_that_blocks_is_left_alone_with_the_command_to_go_on(site, reason, words):
    site.answers("good.wav", words, words, words, "good.wav", "good.wav")
    status, said = site.get("--rate", "original")
    assert status == 1 and f"stopped after 3 failed clips in a row ({reason})" in said
    command = f"sedlib data desed {site.root} --parts validation --pause 20 --rate original"
    assert said.endswith(f"{command}\n") and "1 of 6 clips are there" in said
    assert site.asked == [0, 1, 2, 3]
    refused, untried = ("validation", reason, 1), ("validation", "not tried", 0)
    assert site.missing == dict.fromkeys(map(name, (1, 2, 3)), refused) | dict.fromkeys(map(name, (4, 5)), untried)

    site.answers(*["good.wav"] * 6)
    assert site.get(*command.split()[6:])[0] == 0 and site.asked == [4, 5, 1, 2, 3]  # those not tried yet come first
    assert (site.root / layout.SUBSETS["validation"].audio / name(1)).read_bytes() == wav(10, 1, 44100, 2)


def test_single_failures_do_not_stop_it(site):
    site.answers(BOT, BOT, "good.wav", BOT, BOT, WORDS["removed"])
    assert site.get()[0] == 0 and site.asked == list(range(6))


@pytest.mark.parametrize("rate", ["16000", "original"])
def test_a_clip_counts_only_when_it_decodes_and_is_as_long_as_its_name_says(site, rate):
    site.answers("short.wav", "page.wav", "good.wav", *["good.wav"] * 3)
    assert site.get("--rate", rate)[0] == 0 and site.there() == [2, 3, 4, 5]
    assert site.missing == dict.fromkeys(map(name, (0, 1)), ("validation", "corrupt, or shorter than it should be", 1))


def test_room_for_all_clips_is_asked_for_before_the_first(site, monkeypatch):
    usage = shutil.disk_usage(site.root)
    monkeypatch.setattr("reproduction.desed.get.shutil.disk_usage", lambda path: usage._replace(free=5 * 320_000))
    site.answers(*["good.wav"] * 6)
    status, said = site.get()
    assert status == 1 and "GB are needed and 0.0 GB are free" in said and site.asked == []


def test_each_failure_is_written_down_at_once(site, monkeypatch):
    """As a killed process leaves it."""
    site.answers(WORDS["removed"], *["good.wav"] * 5)
    monkeypatch.setattr(clips, "time", Mock(**{"sleep.side_effect": KeyboardInterrupt}))
    assert site.get()[0] == 1
    assert site.missing[name(0)] == ("validation", "removed", 1) and site.missing[name(1)][2] == 0


def test_subsets_share_the_table_of_what_is_missing(site):
    site.lists("weak", f"filename\tevent_labels\n{name(7)}\tDog,Cat\n{name(8)}\tCat\n".encode())
    site.lists("unlabel_in_domain", f"filename\n{name(6)}\n".encode())
    site.answers(*["good.wav"] * 7, WORDS["private"], "good.wav")
    assert site.get(parts="weak")[0] == 0
    status, said = site.get(parts="unlabel_in_domain")
    assert status == 0 and "unlabel_in_domain: 1 of 1 clips are there" in said
    assert site.missing == {name(7): ("weak", "private", 1)}
    _, said = site.get("--from", site.folder, parts="real")
    assert site.asked == [7, 8, 6]
    assert "Dog: 1 of 1 missing, 100.0 %" in said and "Cat: 1 of 2 missing, 50.0 %" in said
    assert site.missing[name(7)] == ("weak", "private", 1) and site.missing[name(0)] == ("validation", "not tried", 0)


def test_without_the_programs_it_says_how_to_get_them(site, monkeypatch):
    monkeypatch.setattr(clips.shutil, "which", lambda *_, **__: None)
    status, said = site.get()
    assert status == 1 and "pip install 'sedlib[desed]'" in said and "--from" in said


@pytest.mark.skipif(not (shutil.which("yt-dlp") and shutil.which("ffmpeg")), reason="needs yt-dlp and ffmpeg")
def test_yt_dlp_itself_cuts_where_the_name_says(tmp_path, monkeypatch):
    """A sweep of 50 s, in OGG, from a server on loopback."""
    site = tmp_path / "site"
    site.mkdir()
    sweep = np.sin(2 * np.pi * 20 * (np.arange(50 * 16000) / 16000) ** 2)
    soundfile.write(site / f"{0:011d}", 0.5 * sweep, 16000, format="OGG", subtype="VORBIS")
    handler = functools.partial(SimpleHTTPRequestHandler, directory=site)
    with ThreadingHTTPServer(("127.0.0.1", 0), handler) as server:
        threading.Thread(target=server.serve_forever, daemon=True).start()
        monkeypatch.setattr(clips, "SITE", f"http://127.0.0.1:{server.server_port}/")
        found = Site(tmp_path / "DESED", tmp_path / "programs")
        found.lists("validation", events((name(0), 0, 1, "Dog")))
        status, said = found.get()
        server.shutdown()
    assert status == 0 and found.missing == {}, said
    clip, _ = soundfile.read(found.root / layout.SUBSETS["validation"].audio / name(0))
    assert np.corrcoef(clip, sweep[30 * 16000 : 40 * 16000])[0, 1] > 0.99
