"""The shop's page: files of the package, served with a policy that lets nothing else run.

No script or style stands in the page itself, nothing comes from elsewhere, and trusted types keep
the scripts from making markup of texts.
"""

import hashlib
from pathlib import Path

from fastapi import FastAPI, Request, Response

_HERE = Path(__file__).parent / "page"
_KINDS = {
    ".html": "text/html; charset=utf-8",
    ".css": "text/css; charset=utf-8",
    ".js": "text/javascript; charset=utf-8",
    ".svg": "image/svg+xml",
}
POLICY = (
    "default-src 'none'; script-src 'self'; style-src 'self'; img-src 'self' blob:; "
    "connect-src 'self'; base-uri 'none'; form-action 'none'; frame-ancestors 'none'; "
    "require-trusted-types-for 'script'; trusted-types 'none'"
)
_HEADERS = {
    "Content-Security-Policy": POLICY,
    "Cross-Origin-Opener-Policy": "same-origin",
    "Cross-Origin-Resource-Policy": "same-origin",
    "Permissions-Policy": "camera=(), geolocation=(), microphone=()",
    "Referrer-Policy": "no-referrer",
    "X-Content-Type-Options": "nosniff",
    "Cache-Control": "no-cache",
}


def page_files() -> dict[str, bytes]:
    """The page's files by name."""
    return {
        path.name: path.read_bytes() for path in sorted(_HERE.iterdir()) if path.suffix in _KINDS
    }


def add_page(app: FastAPI) -> None:
    """The page at ``/`` and its files below ``/page/``."""
    files = page_files()
    marks = {name: f'"{hashlib.sha256(body).hexdigest()[:24]}"' for name, body in files.items()}

    def answer(name: str, request: Request) -> Response:
        if name not in files:
            return Response("There is no such file.", 404, media_type="text/plain")
        headers = {**_HEADERS, "ETag": marks[name]}
        if request.headers.get("If-None-Match") == marks[name]:
            return Response(status_code=304, headers=headers)
        return Response(files[name], headers=headers, media_type=_KINDS[Path(name).suffix])

    @app.get("/", include_in_schema=False)
    async def index(request: Request) -> Response:
        return answer("index.html", request)

    @app.get("/page/{name}", include_in_schema=False)
    async def file(name: str, request: Request) -> Response:
        return answer(name, request)
