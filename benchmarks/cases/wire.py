"""A client that works as little as can be beside the server that is measured."""

from __future__ import annotations

import asyncio


class Wire:
    """A client's one connection, kept open: as little work as can be beside the server's own.

    Args:
        address: of the server, ``http://HOST:PORT``.
        key: that each request shows.
    """

    def __init__(self, address: str, key: str) -> None:
        self._host, _, port = address.removeprefix("http://").partition(":")
        self._port, self._key = int(port), key
        self._open: tuple[asyncio.StreamReader, asyncio.StreamWriter] | None = None

    async def post(
        self, content: bytes, headers: dict[str, str], path: str = "/v1/recommend"
    ) -> tuple[int, bytes]:
        """Status and body of the answer.

        Raises:
            OSError, EOFError: the connection broke.
        """
        if self._open is None:
            self._open = await asyncio.open_connection(self._host, self._port)
        reader, writer = self._open
        told = {"Host": self._host, "Authorization": f"Bearer {self._key}", **headers}
        told["Content-Length"] = str(len(content))
        lines = "".join(f"{name}: {value}\r\n" for name, value in told.items())
        try:
            writer.write(f"POST {path} HTTP/1.1\r\n{lines}\r\n".encode() + content)
            head = (await reader.readuntil(b"\r\n\r\n")).lower()
            size = int(head.partition(b"content-length:")[2].split(b"\r\n", 1)[0])
            body = await reader.readexactly(size)
        except BaseException:
            # Also of a client that leaves: what comes yet is the answer to another question.
            self.close()
            raise
        if b"connection: close" in head:
            self.close()
        return int(head.split(b" ", 2)[1]), body

    def close(self) -> None:
        """Leaves."""
        if self._open is not None:
            self._open[1].close()
            self._open = None
