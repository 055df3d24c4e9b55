"""A Zenodo on loopback whose records are small archives in the form of DESED's, and which can misbehave on demand."""

import hashlib
import io
import json
import tarfile
import threading
import zipfile
from collections import defaultdict
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer

import numpy as np
import soundfile


def wav(seconds=1.0, seed=0, rate=16000, channels=1) -> bytes:
    content = io.BytesIO()
    noise = 0.1 * np.random.default_rng(seed).standard_normal((round(seconds * rate), channels))
    soundfile.write(content, noise, rate, format="WAV", subtype="PCM_16")
    return content.getvalue()


def tar_gz(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with tarfile.open(fileobj=content, mode="w:gz") as archive:
        for name, data in files.items():
            info = tarfile.TarInfo(name)
            info.size = len(data)
            archive.addfile(info, io.BytesIO(data))
    return content.getvalue()


def zipped(files: dict[str, bytes]) -> bytes:
    content = io.BytesIO()
    with zipfile.ZipFile(content, "w") as archive:
        for name, data in files.items():
            archive.writestr(name, data)
    return content.getvalue()


def events(*rows: tuple) -> bytes:
    lines = ["filename\tonset\toffset\tevent_label", *("\t".join(map(str, row)) for row in rows)]
    return "\n".join([*lines, ""]).encode()


class Zenodo:
    """The server: `files` by record and name, `faults` to be used up by name, and the `requests` that came."""

    def __init__(self, url: str):
        self.url = url
        self.files: dict[int, dict[str, bytes]] = defaultdict(dict)
        self.md5: dict[str, str] = {}  # where the record does not name the file's own
        self.faults: dict[str, list[Callable]] = defaultdict(list)
        self.requests: list[tuple[str, dict[str, str]]] = []

    def asked(self, name: str) -> list[dict[str, str]]:
        """Headers of the requests for a file."""
        return [headers for path, headers in self.requests if f"/files/{name}/content" in path]


class _Handler(BaseHTTPRequestHandler):
    protocol_version = "HTTP/1.1"
    zenodo: Zenodo

    def log_message(self, *_) -> None:
        pass

    def do_GET(self) -> None:
        self.zenodo.requests.append((self.path, dict(self.headers)))
        _, _, _, record, *rest = self.path.split("/")
        name = rest[1] if rest else record
        if faults := self.zenodo.faults[name]:
            faults.pop(0)(self)
        elif rest:
            self.file(name)
        else:
            self.record(int(record))

    def record(self, record: int, more: dict[str, str] | None = None) -> None:
        files = [
            {
                "key": key,
                "size": len(content),
                "checksum": f"md5:{self.zenodo.md5.get(key) or hashlib.md5(content).hexdigest()}",
            }
            for key, content in self.zenodo.files[record].items()
        ]
        self.answer(200, json.dumps({"files": files}).encode(), "application/json", more)

    def file(self, name: str, ranges=True, most=None, damage=False, kind="application/octet-stream") -> None:
        """Send a file, or what is asked of it; ``most``: close after so many bytes."""
        whole = next(files[name] for files in self.zenodo.files.values() if name in files)
        start = int(self.headers.get("Range", "bytes=0-")[6:-1]) if ranges else 0
        content = whole[start:]
        if damage:
            content = content[:-1] + bytes([content[-1] ^ 1])
        more = {"Content-Range": f"bytes {start}-{len(whole) - 1}/{len(whole)}"} if start else {}
        self.answer(206 if start else 200, content, kind, more, most)

    def answer(self, status: int, content: bytes, kind="text/html", more=None, most=None) -> None:
        self.send_response(status)
        for name, value in {"Content-Type": kind, "Content-Length": str(len(content)), **(more or {})}.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(content[:most])
        self.close_connection = most is not None


def forbidden(handler) -> None:
    handler.answer(403, b"<html><h1>403 Forbidden</h1>unusual traffic</html>")


def page(handler) -> None:
    handler.answer(200, b"<html>Zenodo</html>", "text/html; charset=utf-8")


def busy(**headers) -> Callable:
    return lambda handler: handler.answer(
        429, b"slow down", "text/plain", {name.replace("_", "-"): value for name, value in headers.items()}
    )


def sends(name: str, **how) -> Callable:
    return lambda handler: handler.file(name, **how)


@contextmanager
def served() -> Iterator[Zenodo]:
    server = ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (_Handler,), {}))
    server.daemon_threads = True
    zenodo = server.RequestHandlerClass.zenodo = Zenodo(f"http://127.0.0.1:{server.server_port}")
    threading.Thread(target=server.serve_forever, daemon=True).start()
    try:
        yield zenodo
    finally:
        server.shutdown()
        server.server_close()
