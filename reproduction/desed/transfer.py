"""Files of Zenodo records over one connection: resumed, checked, and at the pace that the server asks for.

What the server sends is trusted only where status, type, range, length and, at the end, checksum agree: an error page
never becomes an archive.
"""

from __future__ import annotations

import email.utils
import hashlib
import math
import time
from collections.abc import Iterator
from contextlib import contextmanager
from datetime import UTC, datetime
from pathlib import Path
from typing import NamedTuple
from urllib.parse import quote

import requests
from tqdm.auto import tqdm

from reproduction.desed import records
from sedlib import __version__
from sedlib.errors import SedError
from sedlib.files import room_for

AGENT = f"sedlib/{__version__} (https://hal.science/hal-02962911; reproduction of a paper)"
TRIES = 6  # in a row without a new byte
SHORTEST_WAIT_S, LONGEST_WAIT_S = 5.0, 900.0
_TIMEOUT_S = (20, 120)  # to connect, and between two blocks
_BLOCK = 1 << 16  # where a transfer breaks off, what came of a block is lost


class Facts(NamedTuple):
    """What a record says of a file."""

    size: int
    md5: str


class Again(Exception):
    """The server asks for another try, after so many seconds if it says so."""

    def __init__(self, why: str, wait_s: float | None = None):
        super().__init__(why)
        self.wait_s = wait_s


class Connection:
    """The one connection to the archive."""

    def __init__(self) -> None:
        self.session = requests.Session()
        self.session.headers.update({"User-Agent": AGENT, "Accept-Encoding": "identity"})

    def facts(self, record: int) -> dict[str, Facts]:
        """Ask for size and md5 of every file of a record."""
        url = f"{records.ZENODO}/api/records/{record}"
        problem: Exception | str = ""
        for attempt in range(TRIES):
            try:
                with self._get(url, "application/json") as response:
                    files = response.json()["files"]
                return {file["key"]: Facts(file["size"], file["checksum"].removeprefix("md5:")) for file in files}
            except (requests.JSONDecodeError, KeyError, TypeError) as error:
                raise SedError(f"{url}: no description of a record ({error!r}); try again later") from None
            except (Again, requests.RequestException) as error:
                problem = _wait(error, attempt)
        raise SedError(f"{url}: cannot be reached ({problem}); the same command continues")

    def fetch(self, archive: records.Archive, facts: Facts, path: Path) -> None:
        """Get a file, or the rest of it; under its name it is whole and has its checksum.

        Raises
        ------
        SedError
            If the server refuses it, sends something else, or is not reached; if the disk is full.
        """
        url = f"{records.ZENODO}/api/records/{archive.record}/files/{quote(archive.key)}/content"
        part = path.with_name(f"{path.name}.part")
        wrong, attempt, problem = 0, 0, ""
        with room_for(path), tqdm(total=facts.size, desc=path.name, unit="B", unit_scale=True) as bar:
            while attempt < TRIES:
                before = _size(part)
                try:
                    if before < facts.size:
                        self._rest(url, part, facts.size, bar)
                    if md5(part) == facts.md5:
                        part.replace(path)
                        return
                    part.unlink()
                    wrong += 1
                    if wrong == 2:
                        raise SedError(
                            f"{url}: came twice with a checksum other than the record's, {facts.md5}, and was "
                            f"discarded; try again later, or get {archive.key} another way and give it with --from"
                        )
                    problem = "wrong checksum"
                except (Again, requests.RequestException) as error:
                    attempt = 0 if _size(part) > before else attempt + 1
                    problem = _wait(error, attempt)
        raise SedError(f"{url}: no progress in {TRIES} tries ({problem}); the same command continues")

    def _rest(self, url: str, part: Path, size: int, bar: tqdm) -> None:
        """Append what is missing; start over if the server ignores that, or the file is too long."""
        have = _size(part) if _size(part) < size else 0
        with self._get(url, "application/octet-stream", f"bytes={have}-" if have else None) as response:
            if (
                response.status_code == 206
                and response.headers.get("Content-Range") != f"bytes {have}-{size - 1}/{size}"
            ):
                part.unlink()
                raise Again(f"another range than asked for: {response.headers.get('Content-Range')}")
            have = have if response.status_code == 206 else 0
            length = response.headers.get("Content-Length")
            if length is not None and int(length) != size - have:
                raise Again(f"{length} bytes are offered, {size - have} are missing")
            bar.reset(size)
            bar.update(have)
            with part.open("r+b" if have else "wb") as file:
                file.seek(have)
                for block in response.iter_content(_BLOCK):
                    file.write(block)
                    bar.update(len(block))
        if _size(part) != size:
            raise Again(f"cut off after {_size(part)} of {size} bytes")

    @contextmanager
    def _get(self, url: str, kind: str, byte_range: str | None = None) -> Iterator[requests.Response]:
        """Open a URL; errors as `SedError` where another try is of no use, `Again` where it is."""
        headers = {"Accept": kind} | ({"Range": byte_range} if byte_range else {})
        with self.session.get(url, headers=headers, stream=True, timeout=_TIMEOUT_S) as response:
            status, is_page = response.status_code, "html" in response.headers.get("Content-Type", "")
            if status == 429 or status >= 500:
                raise Again(f"status {status} {response.reason}", _asked_for(response))
            if status == 416:
                raise Again("status 416: the range is not there")
            if status in (401, 403):
                raise SedError(
                    f"{url}: refused (status {status} {response.reason}): the archive blocks this network or program "
                    "for now; nothing was stored. Wait a few hours and run the same command, or get the file in a "
                    "browser and give it with --from"
                )
            if status not in (200, 206) or is_page:
                sent = "a web page instead of the file" if is_page else f"status {status} {response.reason}"
                raise SedError(f"{url}: {sent}; nothing was stored. Check {records.ZENODO} whether the record moved")
            yield response
            if response.headers.get("X-RateLimit-Remaining") == "0":
                time.sleep(_asked_for(response) or 0)


def md5(path: Path) -> str:
    """Compute the MD5 of a file, as Zenodo writes it."""
    with path.open("rb") as file:
        return hashlib.file_digest(file, "md5").hexdigest()


def _size(path: Path) -> int:
    return path.stat().st_size if path.exists() else 0


def _asked_for(response: requests.Response) -> float | None:
    """How many seconds the server asks to wait: Retry-After in seconds or as a date, or when its rate limit ends."""
    after, ends = response.headers.get("Retry-After", ""), response.headers.get("X-RateLimit-Reset", "")
    if after.isdigit():
        return float(after)
    try:
        seconds = (email.utils.parsedate_to_datetime(after) - datetime.now(UTC)).total_seconds()
    except ValueError:
        seconds = float(ends) - time.time() if ends.isdigit() else math.nan
    return None if math.isnan(seconds) else max(0.0, seconds)


def _wait(error: Exception, attempt: int) -> Exception:
    """Sleep as long as the server asks for, or longer with each try; `SedError` where that is too long to wait here."""
    asked = getattr(error, "wait_s", None)
    wait_s = SHORTEST_WAIT_S * 2**attempt if asked is None else asked
    if wait_s > LONGEST_WAIT_S:
        raise SedError(f"the archive asks to wait {wait_s / 60:.0f} minutes ({error}); run the same command again then")
    tqdm.write(f"{error}; trying again in {wait_s:.0f} s ...")
    time.sleep(wait_s)
    return error
