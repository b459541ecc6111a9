"""The review page over HTTP for the reviewer at this machine, so that decisions are kept at once.

It listens on this machine only. A page of another site can neither read from it nor write to it:
the Host and Origin must be its own, and a decision needs a header that no foreign form can send.
"""

from __future__ import annotations

import json
import logging
import re
import threading
from http import HTTPStatus
from http.server import BaseHTTPRequestHandler, ThreadingHTTPServer
from pathlib import Path
from typing import Any

from genrec.creatives.ad_folder import read_ads
from genrec.creatives.review import merge_quickly, rewrite_pages, stored_decisions
from genrec.creatives.review_page import FIRST_PAGE, policy
from genrec.errors import GenrecError

log = logging.getLogger(__name__)

HOST = "127.0.0.1"
MARK = "X-Genrec-Review"
_MOST_BYTES = 1_000_000
# Of a body that is too large, so much is read before it is refused.
_READ_AWAY = 16_000_000
_PAGE = re.compile(r"/(review(?:-\d+)?\.html)?")
_FILE = re.compile(r"/((?:pictures|films)/[0-9a-f]{2}/[0-9a-f]{32}\.(png|webp|mp4))")
_KINDS = {"png": "image/png", "webp": "image/webp", "mp4": "video/mp4"}


class ReviewServer(ThreadingHTTPServer):
    """Serves one campaign's folder.

    Args:
        port: 0 takes a free one.
    """

    daemon_threads = True

    def __init__(self, folder: Path, port: int = 0) -> None:
        rewrite_pages(folder, read_ads(folder), stored_decisions(folder))
        self.folder = folder
        self.writing = threading.Lock()
        super().__init__((HOST, port), _Handler)

    @property
    def url(self) -> str:
        return f"http://{HOST}:{self.server_port}/"


class _Handler(BaseHTTPRequestHandler):
    server: ReviewServer
    server_version = "genrec"
    sys_version = ""
    timeout = 30

    def do_GET(self) -> None:
        if not self._is_own():
            return
        if self.path == "/decisions":
            decided = stored_decisions(self.server.folder)
            rows = [{"ad_id": ad_id, "decision": choice} for ad_id, choice in decided.items()]
            self._answer(HTTPStatus.OK, {"decisions": rows})
            return
        if (own := _FILE.fullmatch(self.path)) and (self.server.folder / own[1]).is_file():
            self._send(HTTPStatus.OK, _KINDS[own[2]], (self.server.folder / own[1]).read_bytes())
            return
        page = _PAGE.fullmatch(self.path)
        file = self.server.folder / ((page[1] if page else "") or FIRST_PAGE)
        if page is None or not file.is_file():
            self._answer(HTTPStatus.NOT_FOUND, {"error": "There is no such page."})
            return
        self._send(HTTPStatus.OK, "text/html; charset=utf-8", file.read_bytes())

    def do_POST(self) -> None:
        if not self._is_own():
            return
        if self.path != "/decisions":
            self._answer(HTTPStatus.NOT_FOUND, {"error": "Send decisions to /decisions."})
            return
        if self.headers.get(MARK) != "1":
            self._answer(HTTPStatus.FORBIDDEN, {"error": f"The header {MARK} is missing."})
            return
        length = self.headers.get("Content-Length", "")
        if not length.isdigit() or int(length) > _MOST_BYTES:
            self.close_connection = True
            self._read_away(int(length) if length.isdigit() else 0)
            error = {"error": f"Send at most {_MOST_BYTES:,} bytes, and say how many."}
            self._answer(HTTPStatus.REQUEST_ENTITY_TOO_LARGE, error)
            return
        try:
            values = json.loads(self.rfile.read(int(length)))
            if not isinstance(values, dict):
                raise ValueError("no object")
            with self.server.writing:
                counts = merge_quickly(self.server.folder, values)
        except GenrecError as error:
            self._answer(HTTPStatus.UNPROCESSABLE_ENTITY, {"error": str(error)})
        except (ValueError, RecursionError):
            self._answer(HTTPStatus.BAD_REQUEST, {"error": "That is no JSON object."})
        else:
            self._answer(HTTPStatus.OK, counts)

    def _read_away(self, length: int) -> None:
        # Who is still sending when the connection closes sees that, and not the answer.
        left = min(length, _READ_AWAY)
        while left > 0 and (part := self.rfile.read(min(left, 65536))):
            left -= len(part)

    def _is_own(self) -> bool:
        """Whether the request is for this server by its own name, from its own page."""
        port = self.server.server_port
        own = {f"{name}:{port}" for name in (HOST, "localhost")}
        origin = self.headers.get("Origin")
        if self.headers.get("Host") in own and (
            origin is None or origin.removeprefix("http://") in own
        ):
            return True
        self.close_connection = True
        self._answer(HTTPStatus.FORBIDDEN, {"error": "Only the page of this server may ask."})
        return False

    def _answer(self, status: HTTPStatus, values: dict[str, Any]) -> None:
        self._send(status, "application/json", json.dumps(values).encode())

    def _send(self, status: HTTPStatus, kind: str, body: bytes) -> None:
        self.send_response(status)
        headers = {
            "Content-Type": kind,
            "Content-Length": str(len(body)),
            "Content-Security-Policy": f"{policy()}; frame-ancestors 'none'",
            "X-Content-Type-Options": "nosniff",
            "Referrer-Policy": "no-referrer",
            "Cache-Control": "no-store",
        }
        for name, value in headers.items():
            self.send_header(name, value)
        self.end_headers()
        self.wfile.write(body)

    def log_message(self, format: str, *args: Any) -> None:  # noqa: A002 (the base's name)
        log.debug(format, *args)
