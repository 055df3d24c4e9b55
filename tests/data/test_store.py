"""Store: rows equal the files; padded, cut and converted as said; skips are reported; rebuilt when a file changes.

And it stays whole: whatever is killed, full, cut off, flipped, replaced or shared, what is read equals the files or is
a `SedError`, after which opening it again helps.
"""

import errno
import multiprocessing
import os
import resource
import signal
import subprocess
import sys
import threading
import time
import warnings

import numpy as np
import pytest
import soundfile
from hypothesis import HealthCheck, assume, given
from hypothesis import strategies as st
from tries import tries

from sedlib.data import audio, layout, store
from sedlib.data.store import SAMPLES, open_store
from sedlib.errors import SedError

AUDIO = layout.SUBSETS["weak"].audio
ROW = 2 * SAMPLES
FORK = multiprocessing.get_context("fork")


def quiet(root, subset="weak"):
    with warnings.catch_warnings():
        warnings.simplefilter("error")
        return open_store(root, subset, progress=False)


def decoded(root):
    """What the rows of the subset "weak" must be: its three files, decoded here."""
    return np.stack([audio.read(root / AUDIO / f"weak_{i}.wav")[0] for i in range(3)])


def stored(root):
    return root / "store" / "weak.int16"


def listing(root):
    return sorted(path.name for path in (root / "store").iterdir())


def make_stale(root):
    """Build the store, then change a file; returns the store's bytes."""
    quiet(root)
    audio.write(root / AUDIO / "weak_1.wav", np.full(160000, 0.5, np.float32))
    return stored(root).read_bytes()


def put(path, content):
    """Another file of this name and content, so that what has the old one open keeps it."""
    path.unlink(missing_ok=True)
    path.write_bytes(content)


def forked(*functions):
    """Run each function in a process of its own, all at once; their exit codes."""
    processes = [FORK.Process(target=function) for function in functions]
    for process in processes:
        process.start()
    for process in processes:
        process.join(60)
    return [process.exitcode for process in processes]


@pytest.mark.parametrize("subset", layout.SUBSETS)
def test_rows_equal_the_files(desed, subset):
    store = quiet(desed, subset)
    assert len(store) == 3 and list(store.filenames) == layout.load(desed, subset).filenames
    for i in (2, 0):
        expected, _ = audio.read(desed / layout.SUBSETS[subset].audio / store.filenames[i])
        assert np.array_equal(store.waveforms([i])[0], expected)
    batch = store.waveforms(np.array([2, 0, 2]))
    assert batch.dtype == np.float32 and batch.shape == (3, SAMPLES) and np.array_equal(batch[0], batch[2])
    assert np.array_equal(store.waveforms([-1]), batch[:1]) and store.waveforms([]).shape == (0, SAMPLES)
    with pytest.raises(IndexError):
        store.waveforms([3])
    assert store.durations.tolist() == [10.0] * 3 and not store.skipped


def test_short_long_and_stereo_files(desed):
    for i, (seconds, rate, channels) in enumerate([(3, 16000, 1), (30, 16000, 1), (10, 44100, 2)]):
        soundfile.write(desed / AUDIO / f"weak_{i}.wav", np.full((seconds * rate, channels), 0.25, np.float32), rate)
    store = quiet(desed)
    short, long, stereo = store.waveforms([0, 1, 2])
    assert (short[:48000] == 0.25).all() and (short[48000:] == 0).all()
    assert (long == 0.25).all()
    assert np.abs(stereo[1000:-1000] - 0.25).max() < 1e-3 and stereo[-100:].any()
    assert store.durations.tolist() == [3, 30, 10]


def test_channels_are_averaged(desed):
    left, right = np.full(160000, 0.5), np.full(160000, -0.25)
    soundfile.write(desed / AUDIO / "weak_0.wav", np.stack([left, right], 1), 16000)
    assert (quiet(desed).waveforms([0]) == 0.125).all()


@pytest.mark.parametrize("suffix", [".flac", ".ogg"])
def test_other_formats(desed, suffix):
    path = desed / AUDIO / "weak_0.wav"
    x = (0.3 * np.sin(np.arange(160000) / 20)).astype(np.float32)
    soundfile.write(path.with_suffix(suffix), x, 16000)
    path.unlink()
    table = desed / layout.SUBSETS["weak"].metadata
    table.write_text(table.read_text().replace("weak_0.wav", f"weak_0{suffix}"))
    row = quiet(desed).waveforms([0])[0]
    assert np.abs(row - x).max() < (0.05 if suffix == ".ogg" else 1e-4)


@pytest.mark.parametrize("content", [b"", b"no audio", None])
def test_an_unreadable_file_is_a_reported_skip(desed, content):
    path = desed / AUDIO / "weak_1.wav"
    path.unlink() if content is None else path.write_bytes(content)
    for _ in range(2):  # built, then opened
        with pytest.warns(UserWarning, match="1 of 3 clips are left out.*weak_1.wav"):
            store = open_store(desed, "weak", progress=False)
        assert store.filenames == ("weak_0.wav", "weak_2.wav") and list(store.skipped) == ["weak_1.wav"]
        assert np.array_equal(store.waveforms([1])[0], audio.read(desed / AUDIO / "weak_2.wav")[0])


def test_no_readable_file_at_all_is_an_error(desed):
    for path in (desed / AUDIO).iterdir():
        path.write_bytes(b"")
    with pytest.raises(SedError, match="none of the 3 clips is readable"):
        open_store(desed, "weak", progress=False)
    assert listing(desed) == ["weak.lock"]


def test_it_is_built_once_and_rebuilt_when_a_file_or_the_table_changes(desed):
    quiet(desed)
    built = stored(desed).stat().st_ino
    before = quiet(desed)
    assert stored(desed).stat().st_ino == built
    content = before.waveforms([1])
    make_stale(desed)
    assert (quiet(desed).waveforms([1]) == 0.5).all() and stored(desed).stat().st_ino != built
    assert np.array_equal(before.waveforms([1]), content)  # what is open stays as it was
    table = desed / layout.SUBSETS["weak"].metadata
    table.write_text("filename\tevent_labels\nweak_1.wav\tDog\n")
    assert quiet(desed).filenames == ("weak_1.wav",)
    assert listing(desed) == ["weak.int16", "weak.lock"]


def test_another_format_is_rebuilt(desed, monkeypatch):
    monkeypatch.setattr(store, "FORMAT", store.FORMAT - 1)
    quiet(desed)
    monkeypatch.undo()
    built = stored(desed).stat().st_ino
    quiet(desed)
    assert stored(desed).stat().st_ino != built


def test_nothing_is_changed_through_a_store(desed):
    opened, expected = quiet(desed), decoded(desed)
    opened.waveforms([0, 1, 2])[:] = 0
    assert np.array_equal(opened.waveforms([0, 1, 2]), expected)
    for part, key in ((opened.durations, 0), (opened.filenames, 0), (opened.skipped, "a")):
        with pytest.raises((TypeError, ValueError), match="read-only|not support item assignment"):
            part[key] = 1
    assert stored(desed).stat().st_mode & 0o222 == 0


@given(data=st.data())
@tries(40, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_flipped_byte_never_passes(desed, data):
    expected = decoded(desed)
    quiet(desed)
    whole = stored(desed).read_bytes()
    position = data.draw(st.integers(0, len(whole) - 1) | st.integers(3 * ROW, len(whole) - 1))
    damaged = bytearray(whole)
    damaged[position] ^= data.draw(st.integers(1, 255))
    put(stored(desed), damaged)
    opened = quiet(desed)
    if position < 3 * ROW:
        clip = position // ROW
        intact = [i for i in range(3) if i != clip]
        assert np.array_equal(opened.waveforms(intact), expected[intact])
        with pytest.raises(SedError, match=rf"weak.int16: damaged: the row of weak_{clip}.wav .* run this again"):
            opened.waveforms([clip])
        opened = quiet(desed)
    assert np.array_equal(opened.waveforms([0, 1, 2]), expected)
    assert stored(desed).read_bytes() == whole


@given(
    start=st.integers(0, 3 * ROW + 1000) | st.integers(0, 40),
    removed=st.integers(0, ROW) | st.just(4 * ROW),
    zeros=st.integers(0, 40) | st.just(ROW),
)
@tries(30, suppress_health_check=[HealthCheck.function_scoped_fixture])
def test_a_store_of_another_length_is_rebuilt(desed, start, removed, zeros):
    quiet(desed)
    whole = stored(desed).read_bytes()
    damaged = whole[:start] + bytes(zeros) + whole[start + removed :]
    assume(len(damaged) != len(whole))
    put(stored(desed), damaged)
    assert np.array_equal(quiet(desed).waveforms([0, 1, 2]), decoded(desed))
    assert stored(desed).read_bytes() == whole


def test_a_store_cut_off_while_it_is_open(desed):
    opened, expected = quiet(desed), decoded(desed)
    assert np.array_equal(opened.waveforms([0, 1, 2]), expected)
    os.chmod(stored(desed), 0o600)
    os.truncate(stored(desed), 2 * ROW - 1)
    assert np.array_equal(opened.waveforms([0]), expected[:1])
    with pytest.raises(SedError, match="the row of weak_1.wav is cut off; .* run this again"):
        opened.waveforms([0, 1])
    rebuilt = quiet(desed)
    with pytest.raises(SedError, match="weak_2.wav is cut off"):
        opened.waveforms([2])
    assert stored(desed).is_file()  # the new one is not taken away
    assert np.array_equal(rebuilt.waveforms([0, 1, 2]), expected)


def test_a_disk_that_fails_to_read(desed, monkeypatch):
    def fail(*_):
        raise OSError(errno.EIO, os.strerror(errno.EIO))

    opened = quiet(desed)
    monkeypatch.setattr(os, "preadv", fail)
    with pytest.raises(SedError, match=r"weak.int16: .*weak_2.wav cannot be read \(Input/output error\)"):
        opened.waveforms([2])


def test_killed_at_any_line(desed):
    stale = make_stale(desed)
    expected = decoded(desed)

    def kill_at(line):
        """Die before the so-many-th line of the store's code."""
        lines = iter(range(line))

        def trace(frame, event, argument):
            if frame.f_code.co_filename != store.__file__:
                return None
            if event == "line" and next(lines, None) is None:
                os.kill(os.getpid(), signal.SIGKILL)
            return trace

        sys.settrace(trace)
        open_store(desed, "weak", progress=False)

    outcomes, line, killed = set(), 0, True
    while killed:
        line += 7
        put(stored(desed), stale)
        killed = forked(lambda: kill_at(line)) == [-signal.SIGKILL]
        left = stored(desed).read_bytes()
        assert np.array_equal(quiet(desed).waveforms([0, 1, 2]), expected)
        if killed:
            outcomes.add("stale" if left == stale else "new" if left == stored(desed).read_bytes() else "broken")
        assert listing(desed) == ["weak.int16", "weak.lock"]
    assert outcomes == {"stale", "new"} and line > 100


def test_processes_that_start_together_build_once(desed, tmp_path):
    expected, log, said = decoded(desed), tmp_path / "decoded", tmp_path / "said"
    said.touch()
    decode = store._decode

    def slow(path):
        with log.open("a") as file:
            file.write(f"{path.name}\n")
        until = time.monotonic() + 20
        while said.read_text().count("waiting") < 2 and time.monotonic() < until:
            time.sleep(0.01)
        return decode(path)

    def use():
        store._decode = slow
        sys.stderr = said.open("a", buffering=1)
        assert np.array_equal(open_store(desed, "weak").waveforms([0, 1, 2]), expected)

    assert forked(use, use, use) == [0, 0, 0]
    assert sorted(log.read_text().split()) == ["weak_0.wav", "weak_1.wav", "weak_2.wav"]
    assert said.read_text().count(f"{stored(desed)}: another process is building this store; waiting") == 2
    assert listing(desed) == ["weak.int16", "weak.lock"]


def test_who_waits_for_a_killed_builder_builds(desed, tmp_path):
    expected, begun, said = decoded(desed), tmp_path / "begun", tmp_path / "said"

    def hang(path):
        begun.touch()
        time.sleep(60)

    def build():
        store._decode = hang
        open_store(desed, "weak", progress=False)

    def use():
        sys.stderr = said.open("a", buffering=1)
        assert np.array_equal(open_store(desed, "weak").waveforms([0, 1, 2]), expected)

    def wait_for(path, word=""):
        until = time.monotonic() + 20
        while not (path.is_file() and word in path.read_text()):
            assert time.monotonic() < until
            time.sleep(0.01)

    builder, waiter = FORK.Process(target=build), FORK.Process(target=use)
    builder.start()
    wait_for(begun)
    waiter.start()
    wait_for(said, "waiting")
    assert listing(desed) == ["weak.int16.partial", "weak.lock"]
    builder.kill()
    waiter.join(20)
    assert waiter.exitcode == 0
    assert listing(desed) == ["weak.int16", "weak.lock"]


def test_forked_processes_and_threads_read_one_store(desed):
    opened, expected = quiet(desed), decoded(desed)
    wrong = []

    def read(seed):
        rng = np.random.default_rng(seed)
        for _ in range(30):
            rows = rng.integers(0, 3, 4)
            if not np.array_equal(opened.waveforms(rows), expected[rows]):
                wrong.append(seed)
                sys.exit(1)

    threads = [threading.Thread(target=read, args=(seed,)) for seed in range(2)]
    processes = [FORK.Process(target=read, args=(seed,)) for seed in (2, 3)]
    for reader in processes + threads:
        reader.start()
    for reader in processes + threads:
        reader.join(60)
    assert not wrong and [process.exitcode for process in processes] == [0, 0]


def test_a_file_replaced_while_it_is_decoded(desed, monkeypatch):
    decode = store._decode

    def replace_another(path):
        clip = decode(path)
        if path.name == "weak_2.wav":
            audio.write(desed / AUDIO / "weak_0.wav", np.full(160000, 0.25, np.float32))
        return clip

    monkeypatch.setattr(store, "_decode", replace_another)
    with pytest.raises(SedError, match="1 of 3 audio files changed while they were decoded, the first: weak_0.wav"):
        quiet(desed)
    assert listing(desed) == ["weak.lock"]
    monkeypatch.undo()
    assert (quiet(desed).waveforms([0]) == 0.25).all()


def test_a_file_that_cannot_be_read_is_a_skip(desed, monkeypatch):
    def fail(file, *arguments, **options):
        if str(file.name).endswith("weak_1.wav"):
            raise OSError(errno.EIO, os.strerror(errno.EIO))
        return read(file, *arguments, **options)

    read = soundfile.SoundFile.read
    monkeypatch.setattr(soundfile.SoundFile, "read", fail)
    with pytest.warns(UserWarning, match=r"weak_1.wav: cannot be read \(Input/output error\)"):
        assert open_store(desed, "weak", progress=False).filenames == ("weak_0.wav", "weak_2.wav")


def test_a_full_disk_leaves_what_was_there(desed):
    stale = make_stale(desed)

    def build():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2 * ROW, resource.RLIM_INFINITY))
        with pytest.raises(
            SedError, match=r"store: the store of 'weak' \(1 MB\) cannot be written \(.*\); free some space"
        ):
            quiet(desed)

    assert forked(build) == [0]
    assert stored(desed).read_bytes() == stale and listing(desed) == ["weak.int16", "weak.lock"]


def test_a_data_set_that_cannot_be_written(desed):
    expected = decoded(desed)

    def unprivileged(function):
        def run():
            os.chdir(desed)  # the folders above it are not for everybody
            if os.geteuid() == 0:
                os.setuid(65534)
            function()

        return run

    def build():
        with pytest.raises(SedError, match=r"store: .* cannot be written \(Permission denied\); .* folder writable"):
            open_store(".", "weak", progress=False)

    def use():
        assert np.array_equal(open_store(".", "weak", progress=False).waveforms([0, 1, 2]), expected)

    def damaged():
        opened = open_store(".", "weak", progress=False)
        with pytest.raises(SedError, match=r"weak_0.wav does not have its checksum; remove this file \(Permission"):
            opened.waveforms([0])

    desed.chmod(0o555)
    try:
        assert forked(unprivileged(build)) == [0]
        desed.chmod(0o755)
        quiet(desed)
        (desed / "store").chmod(0o555)
        assert forked(unprivileged(use)) == [0]
        whole = stored(desed).read_bytes()
        (desed / "store").chmod(0o755)
        put(stored(desed), b"?" + whole[1:])
        (desed / "store").chmod(0o555)
        assert forked(unprivileged(damaged)) == [0]
    finally:
        desed.chmod(0o755)
        (desed / "store").chmod(0o755)


@pytest.mark.skipif(not os.path.exists("/proc/self/status"), reason="no /proc to read the memory used from")
def test_memory_does_not_grow_with_the_clips(tmp_path):
    for clips in (40, 400):
        folder = tmp_path / str(clips) / layout.SUBSETS["unlabel_in_domain"].audio
        folder.mkdir(parents=True)
        names = [f"{i}.wav" for i in range(clips)]
        for name in names:
            audio.write(folder / name, np.full(100, 0.1, np.float32))
        table = tmp_path / str(clips) / layout.SUBSETS["unlabel_in_domain"].metadata
        table.parent.mkdir(parents=True)
        table.write_text("\n".join(["filename", *names, ""]))
    code = """if True:
        import sys
        from sedlib.data.store import open_store
        for root in sys.argv[1:]:
            store = open_store(root, "unlabel_in_domain", progress=False)
            for start in range(0, len(store), 20):
                assert store.waveforms(range(start, start + 20))[:, 99].all()
            print(next(line for line in open("/proc/self/status") if line.startswith("VmHWM")).split()[1])
    """
    output = subprocess.run(
        [sys.executable, "-c", code, tmp_path / "40", tmp_path / "400"], capture_output=True, text=True, check=True
    ).stdout
    few, many = (int(line) / 1000 for line in output.split())  # MB; the files have 13 and 128
    assert many - few < 20
