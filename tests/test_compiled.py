"""Compiled code in numba's cache: two processes that store at once keep both."""

import re
import threading
import time
from pathlib import Path

import numba
import numpy as np
import pytest
from numba.core import caching

import sedlib
from sedlib import compiled
from sedlib.decode import boxes, decoders, events, hmm, hsmm, medians, objective
from sedlib.features import smoother
from sedlib.metrics import f1
from sedlib.models import fused, gru, separator


def slowly(kind: type) -> type:
    """As where the disk is slow: between reading and writing an index another one has time for the same."""

    def load_index(self):
        found = kind._load_index(self)
        time.sleep(0.2)
        return found

    return type("Slow", (kind,), {"_load_index": load_index})


def stored_at_once(kind: type, folder: Path) -> dict[str, str]:
    """What two that store two signatures at once find later."""
    files = [slowly(kind)(str(folder), "function", "stamp") for _ in range(2)]
    names = ("int64", "float64")
    threads = [
        threading.Thread(target=file.save, args=(name, f"code for {name}"))
        for file, name in zip(files, names, strict=True)
    ]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    return {name: kind(str(folder), "function", "stamp").load(name) for name in names}


def test_two_that_store_at_once_keep_both(tmp_path):
    expected = {"int64": "code for int64", "float64": "code for float64"}
    ours, numbas = compiled._LockedFile, compiled._LockedFile.__base__
    assert stored_at_once(ours, tmp_path) == expected
    (tmp_path / "numba").mkdir()
    assert stored_at_once(numbas, tmp_path / "numba") != expected, "numba has a lock of its own now; ours can go"


def test_what_is_read_is_never_half_of_what_another_writes(tmp_path):
    """numba writes the index before the code; after a change of the source the old code has the same name."""
    compiled._LockedFile(str(tmp_path), "function", "old stamp").save("int64", "old code")
    file, written = compiled._LockedFile(str(tmp_path), "function", "new stamp"), threading.Event()
    save_index = file._save_index

    def slow_index(overloads):
        save_index(overloads)
        written.set()
        time.sleep(0.2)

    file._save_index = slow_index
    thread = threading.Thread(target=file.save, args=("int64", "new code"))
    thread.start()
    written.wait()
    assert compiled._LockedFile(str(tmp_path), "function", "new stamp").load("int64") == "new code"
    thread.join()


def test_code_is_old_when_any_file_with_compiled_functions_has_changed(tmp_path, monkeypatch):
    ours, foreign = tmp_path / "sedlib" / "models", tmp_path / "another"
    for folder in (ours, foreign):
        folder.mkdir(parents=True)
        compiled._LockedFile(str(folder), "function", "stamp").save("int64", "code")
        assert compiled._LockedFile(str(folder), "function", "stamp").load("int64") == "code"
    monkeypatch.setattr(compiled, "_sources", lambda: 1)
    assert compiled._LockedFile(str(ours), "function", "stamp").load("int64") is None
    assert compiled._LockedFile(str(foreign), "function", "stamp").load("int64") == "code"


def test_every_stored_function_of_the_package_is_kept_so():
    stored = [
        function
        for module in (hmm, hsmm, boxes, medians, decoders, objective, smoother, events, f1, fused, gru, separator)
        for function in vars(module).values()
        if isinstance(getattr(function, "_cache", None), caching.FunctionCache)
    ]
    assert len(set(stored)) == sum(
        path.read_text(encoding="utf-8").count("cache=True") - (path.name == "compiled.py")
        for path in Path(sedlib.__file__).parent.rglob("*.py")
    )
    assert all(isinstance(function._cache._cache_file, compiled._LockedFile) for function in stored)
    assert not [
        path
        for path in Path(sedlib.__file__).parent.rglob("*.py")
        if path.name != "compiled.py"
        and re.search(r"numba import .*njit|numba\.(njit|jit)", path.read_text(encoding="utf-8"))
    ]


def test_code_is_stored_and_found_again_with_a_lock_beside_it(tmp_path, monkeypatch):
    monkeypatch.setattr(numba.config, "CACHE_DIR", str(tmp_path))

    def twice(x):
        return 2 * x

    first = compiled.njit(cache=True)(twice)
    np.testing.assert_array_equal(first(np.arange(3)), [0, 2, 4])
    assert len(list(tmp_path.rglob("*.nbc"))) == len(list(tmp_path.rglob(".numba.lock"))) == 1
    second = compiled.njit(cache=True)(twice)
    assert second(4.0) == 8.0 and second(np.arange(2)).tolist() == [0, 2]
    assert sum(second.stats.cache_hits.values()) == 1


@pytest.mark.parametrize("lock", [False, True])
def test_a_cache_that_can_only_be_read_is_read(tmp_path, lock):
    file = compiled._LockedFile(str(tmp_path), "function", "stamp")
    file.save("int64", "code")
    if not lock:  # stored by numba alone
        file._lock.unlink()
    tmp_path.chmod(0o500)
    try:
        assert file.load("int64") == "code"
    finally:
        tmp_path.chmod(0o700)


# What librosa computes with a "gufunc" that numba stores. numba stores that as two things, where the second calls the
# first by a name that differs from process to process. Of two processes that store them at once, one's second may stay
# with the other's first: a segmentation fault in every process that loads them, until somebody clears the cache.
STORED_IN_TWO = re.compile(
    r"librosa\.(?:\w+\.)*(yin|pyin|piptrack|estimate_tuning|pitch_tuning|zero_crossings|zero_crossing_rate|localmax|localmin|"
    r"peak_pick|onset_detect|beat_track)\b"
)


def test_nothing_that_runs_beside_others_uses_what_numba_stores_in_two():
    assert STORED_IN_TWO.search("f0 = librosa.yin(x)") and STORED_IN_TWO.search("librosa.feature.zero_crossing_rate(x)")
    root = Path(sedlib.__file__).parents[1]
    sources = [
        path
        for folder in ("sedlib", "minidesed", "reproduction", "sedcourse", "notebooks", "tests")
        for path in (root / folder).rglob("*.py")
        if path != Path(__file__)
    ]
    assert len(sources) > 100
    assert not [path.name for path in sources if STORED_IN_TWO.search(path.read_text(encoding="utf-8"))]
