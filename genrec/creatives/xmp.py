"""The XMP packet of a finished picture or film: what IPTC readers and image searches look for.

Put into the file's own container without decoding it, so that no pixel changes. Knows PNG, JPEG,
WebP and MP4; knows nothing of signatures.
"""

from __future__ import annotations

import struct
import zlib
from html import escape

from genrec.errors import InputError

PNG, JPEG, WEBP, MP4 = "image/png", "image/jpeg", "image/webp", "video/mp4"
_PNG_MARK = b"\x89PNG\r\n\x1a\n"
_JPEG_NAME = b"http://ns.adobe.com/xap/1.0/\0"
# The box type that Adobe's specification gives XMP in MP4.
_MP4_UUID = bytes.fromhex("be7acfcb97a942e89c71999491e3afac")
_VP8X_XMP = 0b100
_VP8X_ALPHA = 0b10000


def kind_of(content: bytes) -> str:
    """The media type of a file, told by its first bytes.

    Raises:
        InputError: it is none that can carry credentials.
    """
    if content.startswith(_PNG_MARK):
        return PNG
    if content.startswith(b"\xff\xd8\xff"):
        return JPEG
    if content[:4] == b"RIFF" and content[8:12] == b"WEBP":
        return WEBP
    if content[4:8] == b"ftyp":
        return MP4
    raise InputError("It is no PNG, JPEG, WebP or MP4, which alone can carry credentials.")


def packet(source: str, *, description: str = "", software: str = "genrec") -> bytes:
    """An XMP packet.

    Args:
        source: IPTC digital source type, an address of its vocabulary.
    """
    return (
        '<?xpacket begin="\ufeff" id="W5M0MpCehiHzreSzNTczkc9d"?>'
        '<x:xmpmeta xmlns:x="adobe:ns:meta/">'
        '<rdf:RDF xmlns:rdf="http://www.w3.org/1999/02/22-rdf-syntax-ns#">'
        '<rdf:Description rdf:about="" xmlns:xmp="http://ns.adobe.com/xap/1.0/" '
        'xmlns:dc="http://purl.org/dc/elements/1.1/" '
        'xmlns:Iptc4xmpExt="http://iptc.org/std/Iptc4xmpExt/2008-02-29/" '
        f'xmp:CreatorTool="{escape(software)}" '
        f'Iptc4xmpExt:DigitalSourceType="{escape(source)}">'
        '<dc:description><rdf:Alt><rdf:li xml:lang="x-default">'
        f"{escape(description)}</rdf:li></rdf:Alt></dc:description>"
        '</rdf:Description></rdf:RDF></x:xmpmeta><?xpacket end="w"?>'
    ).encode()


def with_xmp(content: bytes, xmp: bytes) -> bytes:
    """The file with this packet in it; its pixels are the same bytes as before.

    Raises:
        InputError: the file is of another kind, or its container is damaged.
    """
    kind = kind_of(content)
    try:
        return _PUT[kind](content, xmp)
    except (struct.error, IndexError) as error:
        raise InputError(f"The {kind} is truncated; no XMP can be put into it.") from error


def _in_png(content: bytes, xmp: bytes) -> bytes:
    data = b"XML:com.adobe.xmp\0\0\0\0\0" + xmp
    body = b"iTXt" + data
    chunk = struct.pack(">I", len(data)) + body + struct.pack(">I", zlib.crc32(body))
    (header,) = struct.unpack(">I", content[8:12])
    after = len(_PNG_MARK) + 12 + header
    return content[:after] + chunk + content[after:]


def _in_jpeg(content: bytes, xmp: bytes) -> bytes:
    segment = _JPEG_NAME + xmp
    marked = b"\xff\xe1" + struct.pack(">H", len(segment) + 2) + segment
    after = 2
    # JFIF and EXIF come first; readers expect them there.
    while content[after : after + 2] in (b"\xff\xe0", b"\xff\xe1"):
        (length,) = struct.unpack(">H", content[after + 2 : after + 4])
        after += 2 + length
    return content[:after] + marked + content[after:]


def _in_webp(content: bytes, xmp: bytes) -> bytes:
    chunks = content[12:]
    name = chunks[:4]
    if name == b"VP8X":
        flags = struct.pack("<B", chunks[8] | _VP8X_XMP)
        chunks = chunks[:8] + flags + chunks[9:]
    else:
        width, height, alpha = _webp_size(name, chunks)
        flags = struct.pack("<I", _VP8X_XMP | (_VP8X_ALPHA if alpha else 0))
        size = struct.pack("<I", width - 1)[:3] + struct.pack("<I", height - 1)[:3]
        chunks = b"VP8X" + struct.pack("<I", 10) + flags + size + chunks
    padded = xmp + b"\0" * (len(xmp) % 2)
    chunks += b"XMP " + struct.pack("<I", len(xmp)) + padded
    return b"RIFF" + struct.pack("<I", len(chunks) + 4) + b"WEBP" + chunks


def _webp_size(name: bytes, chunks: bytes) -> tuple[int, int, bool]:
    """Width, height and whether there is transparency, of the one frame."""
    if name == b"VP8 ":
        width, height = struct.unpack("<HH", chunks[14:18])
        return width & 0x3FFF, height & 0x3FFF, False
    if name == b"VP8L":
        (bits,) = struct.unpack("<I", chunks[9:13])
        return (bits & 0x3FFF) + 1, ((bits >> 14) & 0x3FFF) + 1, bool(bits >> 28 & 1)
    raise InputError("The WebP's first chunk is no picture; it is damaged.")


def _in_mp4(content: bytes, xmp: bytes) -> bytes:
    # At the end, so that no offset in the film's index moves.
    return content + struct.pack(">I", 24 + len(xmp)) + b"uuid" + _MP4_UUID + xmp


_PUT = {PNG: _in_png, JPEG: _in_jpeg, WEBP: _in_webp, MP4: _in_mp4}
