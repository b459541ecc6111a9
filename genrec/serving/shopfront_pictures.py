"""Pictures of items for a page: decoded, made small and drawn anew: no file goes out as it is."""

from __future__ import annotations

import io
import logging
import threading
from collections import OrderedDict

from genrec.data.catalog import Catalog
from genrec.data.pictures import open_picture
from genrec.errors import GenrecError

log = logging.getLogger(__name__)

SIDE, KEPT = 480, 512


class Pictures:
    """Item pictures as WebP, the latest kept in memory."""

    def __init__(self) -> None:
        self._kept: OrderedDict[tuple[int, str], bytes] = OrderedDict()
        self._lock = threading.Lock()

    def of(self, catalog: Catalog, item_id: str) -> bytes | None:
        """A picture of at most ``SIDE`` pixels a side; ``None`` where there is none to be used."""
        if catalog.media is None or not catalog.has(item_id):
            return None
        name = catalog[item_id].image
        if not name:
            return None
        key = (id(catalog), item_id)
        with self._lock:
            if key in self._kept:
                self._kept.move_to_end(key)
                return self._kept[key]
        try:
            picture = open_picture(catalog.media.read(name), side=SIDE)
        except GenrecError as error:
            log.warning("A picture cannot be shown: %s", error)
            return None
        picture.thumbnail((SIDE, SIDE))
        written = io.BytesIO()
        picture.save(written, "WEBP", quality=82)
        with self._lock:
            self._kept[key] = written.getvalue()
            while len(self._kept) > KEPT:
                self._kept.popitem(last=False)
        return written.getvalue()
