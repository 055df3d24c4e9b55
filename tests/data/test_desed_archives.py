"""`sedlib data desed` against a server on loopback that refuses, hurries, lies and breaks off as real ones do."""

import io
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from email.utils import formatdate

import numpy as np
import pytest
import soundfile
from archives import busy, events, forbidden, page, sends, served, tar_gz, wav, zipped
from click.testing import CliRunner
from disks import fill, resize, small_disk

from reproduction.desed import records, transfer
from sedlib.cli import cli
from sedlib.data import layout, tables
from sedlib.data.soundbank import check_complete

PUBLIC = "DESED_public_eval.tar.gz"
SOUNDSCAPES = "audio/train/synthetic21_train/soundscapes"


def public_files() -> dict[str, bytes]:
    """As the archive has them: a folder above, macOS's shadows, six channels, another rate."""
    return {
        "dataset/audio/eval/public/a.wav": wav(10, 1),
        "dataset/audio/eval/public/._a.wav": b"Mac OS X",
        "dataset/audio/eval/public/b.wav": wav(10, 2, 44100, 2),
        "dataset/audio/eval/public/c.wav": wav(10, 3, channels=6),
        "dataset/metadata/eval/._public.tsv": b"Mac OS X",
        "dataset/metadata/eval/public.tsv": events(
            ("a.wav", 1, 2, "Dog"), ("b.wav", 1, 2, "Cat"), ("c.wav", 0, 1, "Dog")
        ),
        "dataset/LICENSE.txt": b"CC BY",
    }


@pytest.fixture
def zenodo(monkeypatch):
    """Records 4639776, 4560759 and 6026841."""
    with served() as server:
        monkeypatch.setattr(records, "ZENODO", server.url)
        server.files[4639776]["audioset_metadata.tar.gz"] = tar_gz(
            {
                "metadata/train/weak.tsv": b"filename\tevent_labels\nw.wav\tDog\n",
                "metadata/train/unlabel_in_domain.tsv": b"filename\nu.wav\n",
                "metadata/validation/validation.tsv": events(("v.wav", 1, 2, "Dog")),
                "metadata/validation/._validation.tsv": b"Mac OS X",
            }
        )
        server.files[4560759][PUBLIC] = tar_gz(public_files())
        server.files[6026841]["dcase_synth.zip"] = zipped(
            {
                **{f"dcase_synth/{SOUNDSCAPES}/{i}.wav": wav(10, 4 + i) for i in range(1, 6)},
                f"dcase_synth/{SOUNDSCAPES}/1.jams": b"{}",
                f"dcase_synth/{SOUNDSCAPES}/1.txt": b"1 2 Dog",
                "dcase_synth/metadata/train/synthetic21_train/soundscapes.tsv": events(
                    *((f"{i}.wav", 1, 2, "Dog") for i in range(1, 6))
                ),
                "dcase_synth/audio/validation/synthetic21_validation/soundscapes/2.wav": wav(1),
            }
        )
        yield server


@pytest.fixture
def waits(monkeypatch) -> list[float]:
    """How long was waited, without waiting."""
    found: list[float] = []
    monkeypatch.setattr(transfer.time, "sleep", found.append)
    return found


def get(root, *more, parts="public"):
    """Exit status and everything printed."""
    done = CliRunner().invoke(cli, ["data", "desed", str(root), "--parts", parts, *map(str, more)])
    assert done.exception is None or isinstance(done.exception, SystemExit), done.output
    return done.exit_code, done.output


def arrived(root) -> None:
    """The public set is there as it should be, and nothing besides."""
    folder = root / layout.SUBSETS["public"].audio
    assert sorted(path.name for path in folder.iterdir()) == ["a.wav", "b.wav", "c.wav"]
    for path in folder.iterdir():
        info = soundfile.info(path)
        assert (info.samplerate, info.channels, info.frames) == (16000, 1, 160000)
    assert layout.load(root, "public").table["event_label"].tolist() == ["Dog", "Cat", "Dog"]
    assert {path.name for path in (root / ".downloads").iterdir()} <= {"plan.json", "lock"}


def test_the_default_parts_are_usable_and_name_themselves(zenodo, tmp_path):
    status, said = get(tmp_path, parts=",".join(records.DEFAULT))
    assert status == 0, said
    assert all(
        f"{records.PARTS[name].what}; licence: {records.PARTS[name].licence}" in said for name in records.DEFAULT
    )
    arrived(tmp_path)
    layout.preflight(tmp_path, ["synthetic", "public"])
    for name in ("weak", "unlabel_in_domain", "validation"):
        place = layout.SUBSETS[name]
        assert len(tables.read(tmp_path / place.metadata, layout.COLUMNS[place.kind])) == 1
    assert sorted(path.name for path in (tmp_path / SOUNDSCAPES).iterdir()) == [f"{i}.wav" for i in range(1, 6)]
    assert not list(tmp_path.rglob("._*")) and not (tmp_path / "audio/validation").exists()
    assert (tmp_path / "licences/public/dataset_LICENSE.txt").read_bytes() == b"CC BY"
    agents = {headers["User-Agent"] for _, headers in zenodo.requests}
    assert agents == {transfer.AGENT} and transfer.AGENT.startswith("sedlib/") and "(https://" in transfer.AGENT

    asked = len(zenodo.requests)
    assert get(tmp_path, parts=",".join(records.DEFAULT))[0] == 0 and len(zenodo.requests) == asked

    train = [
        "train",
        "--system",
        "synthetic_only",
        "--profile",
        "smoke",
        "--epochs",
        "1",
        "--run",
        str(tmp_path / "run"),
    ]
    with pytest.warns(UserWarning, match="'validation' is not scored"):
        done = CliRunner().invoke(cli, [*train, "--data", str(tmp_path)])
    assert done.exit_code == 0 and "public" in done.output and "validation\n" not in done.output, done.output


def test_of_six_channels_the_first_two_count(zenodo, tmp_path):
    get(tmp_path)
    given, _ = soundfile.read(io.BytesIO(wav(10, 3, channels=6)))
    found, _ = soundfile.read(tmp_path / layout.SUBSETS["public"].audio / "c.wav")
    assert np.abs(found - given[:, :2].mean(1)).max() < 1 / 32768


def test_the_files_stay_as_they_are_on_demand(zenodo, tmp_path):
    assert get(tmp_path, "--rate", "original")[0] == 0
    assert (tmp_path / layout.SUBSETS["public"].audio / "b.wav").read_bytes() == wav(10, 2, 44100, 2)


@pytest.mark.parametrize("fault, words", [(forbidden, "refused (status 403 Forbidden)"), (page, "a web page instead")])
@pytest.mark.parametrize("name", [PUBLIC, "4560759"])
def test_an_error_page_is_refused_in_one_line_and_never_stored(zenodo, tmp_path, fault, words, name):
    zenodo.faults[name] = [fault]
    status, said = get(tmp_path)
    assert status == 1 and words in said and "nothing was stored" in said
    assert not list(tmp_path.rglob("*.tar.gz*"))
    assert get(tmp_path)[0] == 0
    arrived(tmp_path)


@pytest.mark.parametrize(
    "header, value, least, most",
    [
        ("Retry_After", lambda: "7", 7, 7),
        ("Retry_After", lambda: formatdate(time.time() + 60, usegmt=True), 50, 60),
        ("X_RateLimit_Reset", lambda: str(int(time.time()) + 60), 50, 60),
        ("Server", lambda: "busy", transfer.SHORTEST_WAIT_S, 2 * transfer.SHORTEST_WAIT_S),
    ],
)
@pytest.mark.parametrize("name", [PUBLIC, "4560759"])
def test_the_server_says_how_long_to_wait(zenodo, tmp_path, waits, header, value, least, most, name):
    zenodo.faults[name] = [busy(**{header: value()})]
    assert get(tmp_path)[0] == 0
    assert len(waits) == 1 and least <= waits[0] <= most
    arrived(tmp_path)


def test_a_wait_of_hours_is_left_to_the_user(zenodo, tmp_path, waits):
    zenodo.faults[PUBLIC] = [busy(Retry_After="7200")]
    status, said = get(tmp_path)
    assert status == 1 and "asks to wait 120 minutes" in said and not waits


def test_a_spent_rate_is_waited_for(zenodo, tmp_path, waits):
    spent = {"X-RateLimit-Remaining": "0", "X-RateLimit-Reset": str(int(time.time()) + 30)}
    zenodo.faults["4560759"] = [lambda handler: handler.record(4560759, spent)]
    assert get(tmp_path)[0] == 0 and 20 < waits[0] <= 30


def test_a_broken_transfer_goes_on_where_it_was(zenodo, tmp_path, waits):
    zenodo.faults[PUBLIC] = [sends(PUBLIC, most=200_000), sends(PUBLIC, most=200_000)]
    assert get(tmp_path)[0] == 0
    first, *later = [headers.get("Range") for headers in zenodo.asked(PUBLIC)]
    begins = [int(asked.removeprefix("bytes=").removesuffix("-")) for asked in later]
    assert first is None and 100_000 < begins[0] <= 200_000 and 100_000 < begins[1] - begins[0] <= 200_000
    arrived(tmp_path)


def test_a_server_that_breaks_off_forever_is_given_up(zenodo, tmp_path, waits):
    zenodo.faults[PUBLIC] = [sends(PUBLIC, most=0) for _ in range(20)]
    status, said = get(tmp_path)
    assert status == 1 and "no progress in 6 tries" in said and "continues" in said
    assert waits == sorted(waits) and len(waits) == 6


def test_a_server_that_ignores_ranges_sends_all_of_it_again(zenodo, tmp_path, waits):
    zenodo.faults[PUBLIC] = [sends(PUBLIC, most=200_000), sends(PUBLIC, ranges=False)]
    assert get(tmp_path)[0] == 0
    arrived(tmp_path)


def test_another_range_than_asked_for_is_not_appended(zenodo, tmp_path, waits):
    def other(handler):
        content = zenodo.files[4560759][PUBLIC]
        more = {"Content-Range": f"bytes 0-{len(content) - 1}/{len(content)}"}
        handler.answer(206, content, "application/octet-stream", more)

    zenodo.faults[PUBLIC] = [sends(PUBLIC, most=200_000), other]
    assert get(tmp_path)[0] == 0
    arrived(tmp_path)


def test_another_length_than_the_record_names_is_refused(zenodo, tmp_path, waits):
    zenodo.faults[PUBLIC] = [lambda handler: handler.answer(200, b"PK short", "application/zip")] * 6
    status, said = get(tmp_path)
    assert status == 1 and "8 bytes are offered" in said and not list(tmp_path.rglob("*.part"))


def test_a_wrong_checksum_is_tried_once_more(zenodo, tmp_path):
    zenodo.faults[PUBLIC] = [sends(PUBLIC, damage=True)]
    assert get(tmp_path)[0] == 0
    arrived(tmp_path)


def test_a_checksum_that_stays_wrong_is_an_error_and_leaves_nothing(zenodo, tmp_path):
    zenodo.md5[PUBLIC] = "0" * 32
    status, said = get(tmp_path)
    assert status == 1 and "a checksum other than the record's, 00000" in said and "--from" in said
    assert not list((tmp_path / ".downloads").glob("DESED*"))


PROGRAM = """
import sys
from reproduction.desed import records
records.ZENODO = sys.argv.pop(1)
from sedlib.cli import cli
cli()
"""


def started(zenodo, root) -> subprocess.Popen:
    command = [sys.executable, "-c", PROGRAM, zenodo.url, "data", "desed", str(root), "--parts", "public"]
    return subprocess.Popen(command, stdout=subprocess.PIPE, stderr=subprocess.STDOUT, text=True)


def test_a_killed_process_loses_nothing_and_a_second_one_is_refused_meanwhile(zenodo, tmp_path):
    held = threading.Event()

    def half(handler):
        content = zenodo.files[4560759][PUBLIC]
        handler.send_response(200)
        handler.send_header("Content-Length", str(len(content)))
        handler.end_headers()
        handler.wfile.write(content[: 1 << 20])
        handler.wfile.flush()
        held.wait(60)
        handler.close_connection = True

    part = tmp_path / ".downloads" / f"{PUBLIC}.part"
    zenodo.faults[PUBLIC] = [half]
    first = started(zenodo, tmp_path)
    try:
        for _ in range(600):
            if part.exists() and part.stat().st_size == 1 << 20:
                break
            assert first.poll() is None, first.stdout.read()
            time.sleep(0.1)
        status, said = get(tmp_path)
        assert status == 1 and "another process is working in it" in said
    finally:
        os.kill(first.pid, signal.SIGKILL)
        first.wait()
        held.set()
    assert get(tmp_path)[0] == 0
    assert zenodo.asked(PUBLIC)[-1]["Range"] == f"bytes={1 << 20}-"
    arrived(tmp_path)


def test_names_that_lead_elsewhere_are_not_unpacked(zenodo, tmp_path):
    root = tmp_path / "deep" / "DESED"
    bad = {"../../dataset/audio/eval/public/x.wav": wav(), "/etc/audio/eval/public/y.wav": wav()}
    zenodo.files[4560759][PUBLIC] = tar_gz(public_files() | bad)
    status, said = get(root)
    assert status == 1 and all(repr(name) in said for name in bad) and "not unpacked" in said
    assert not list(tmp_path.rglob("[xy].wav"))
    assert (root / ".downloads" / PUBLIC).exists() and "is kept" in said  # for somebody to look at


@pytest.mark.parametrize("rate", ["16000", "original"])
def test_a_clip_that_is_no_audio_is_named_and_its_archive_kept(zenodo, tmp_path, rate):
    zenodo.files[4560759][PUBLIC] = tar_gz(public_files() | {"dataset/audio/eval/public/c.wav": b"<html>"})
    status, said = get(tmp_path, "--rate", rate)
    assert status == 1 and "c.wav: not a readable audio file" in said and "is kept" in said
    assert (tmp_path / ".downloads" / PUBLIC).exists()
    assert not (tmp_path / layout.SUBSETS["public"].audio / "c.wav").exists()


def test_an_archive_without_the_expected_folders_is_kept(zenodo, tmp_path):
    zenodo.files[4560759][PUBLIC] = tar_gz({"other/a.wav": wav()})
    status, said = get(tmp_path)
    assert status == 1 and "has none of the expected files" in said
    assert (tmp_path / ".downloads" / PUBLIC).exists()


def test_room_is_asked_for_before_anything_is_fetched(zenodo, tmp_path, monkeypatch):
    usage = shutil.disk_usage(tmp_path)
    monkeypatch.setattr("reproduction.desed.get.shutil.disk_usage", lambda path: usage._replace(free=1_000_000))
    status, said = get(tmp_path)
    assert status == 1 and "GB are needed and 0.0 GB are free" in said and not zenodo.asked(PUBLIC)


def test_a_full_disk_is_one_line_and_what_came_is_kept(zenodo, tmp_path, monkeypatch):
    with small_disk(tmp_path / "disk", "8m") as root:
        monkeypatch.setattr("reproduction.desed.get.Folder.check_room", lambda *_: None)
        ballast = fill(root, leave=900_000)
        status, said = get(root)
        assert status == 1 and "No space left on device" in said and "finished work is kept" in said
        assert (root / ".downloads" / f"{PUBLIC}.part").stat().st_size > 500_000
        ballast.unlink()
        resize(root, "5500k")  # room for the archive, not for all that is in it
        status, said = get(root)
        assert status == 1 and "No space left on device" in said
        resize(root, "20m")
        assert get(root)[0] == 0
        arrived(root)


def test_a_given_archive_is_used_and_left_where_it_is(zenodo, tmp_path):
    given = tmp_path / "given"
    given.mkdir()
    (given / PUBLIC).write_bytes(zenodo.files[4560759][PUBLIC])
    assert get(tmp_path / "DESED", "--from", given)[0] == 0
    arrived(tmp_path / "DESED")
    assert (given / PUBLIC).exists() and not zenodo.asked(PUBLIC)


def test_a_given_archive_that_is_another_is_refused(zenodo, tmp_path):
    (tmp_path / PUBLIC).write_bytes(tar_gz({}))
    status, said = get(tmp_path / "DESED", "--from", tmp_path / PUBLIC)
    assert status == 1 and "not the file of record 4560759" in said


def test_a_given_archive_needs_no_network(zenodo, tmp_path, monkeypatch, waits):
    (tmp_path / PUBLIC).write_bytes(zenodo.files[4560759][PUBLIC])
    monkeypatch.setattr(records, "ZENODO", "http://127.0.0.1:9")
    status, said = get(tmp_path / "DESED", "--from", tmp_path / PUBLIC)
    assert status == 0 and "not compared with its record" in said
    arrived(tmp_path / "DESED")


def test_clips_of_a_mirror_go_where_their_tables_say(zenodo, tmp_path):
    root, mirror = tmp_path / "DESED", tmp_path / "mirror" / "deep"
    mirror.mkdir(parents=True)
    (mirror / "v.wav").write_bytes(wav(10, 5, 44100, 2))
    (tmp_path / "clips.zip").write_bytes(zipped({"x/w.wav": wav(10, 6), "x/unknown.wav": wav()}))
    more = ["--from", mirror.parent, "--from", tmp_path / "clips.zip"]
    status, said = get(root, *more, parts="metadata,real")
    assert status == 0, said
    layout.preflight(root, ["validation", "weak"])
    assert soundfile.info(root / "audio/validation/v.wav").samplerate == 16000
    assert "unlabel_in_domain: 0 of 1 clips are there" in said and "missing.tsv: 1 clips that are not there" in said
    assert not list(root.rglob("unknown.wav"))


def test_isolated_sounds_rooms_and_backgrounds_make_a_soundbank_to_mix_from(zenodo, tmp_path):
    bank, scenes = "audio/train/soundbank", "TUT-acoustic-scenes-2017-development"
    zenodo.files[4307908]["DESED_synth_soundbank.tar.gz"] = tar_gz(
        {f"{bank}/foreground/{label}/1.wav": wav(1, i) for i, label in enumerate(tables.CLASSES)}
        | {"audio/eval/soundbank/foreground/Dog/2.wav": wav(), "LICENSES/train.tsv": b"1.wav\tCC0\n"}
    )
    zenodo.files[3743844]["FUSS_rir_data.tar.gz"] = tar_gz(
        {f"rir_data/{split}/rirs_0/foreground0.wav": wav(0.3) for split in ("train", "eval")}
    )
    zenodo.files[400515][f"{scenes}.meta.zip"] = zipped(
        {f"{scenes}/meta.txt": b"audio/h.wav\thome\ta\naudio/b.wav\tbus\ta\n"}
    )
    for i in range(1, 11):
        zenodo.files[400515][f"{scenes}.audio.{i}.zip"] = zipped(
            {f"{scenes}/audio/{name}.wav": wav(2) for name in (("h", "b") if i == 1 else ())}
        )
    status, said = get(tmp_path, parts="soundbank,fuss,tut")
    assert status == 0, said
    check_complete(tmp_path / bank)
    found = sorted(path.relative_to(tmp_path / bank).as_posix() for path in (tmp_path / bank).rglob("*.wav"))
    others = ["background/tut-scenes-2017-dev/h.wav", "rir/rirs_0/foreground0.wav"]
    assert found == sorted([*others, *(f"foreground/{label}/1.wav" for label in tables.CLASSES)])
    assert (tmp_path / "licences/soundbank/LICENSES_train.tsv").is_file()
