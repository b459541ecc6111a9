"""What lives for long and the collector of garbage. Knows no service."""

from __future__ import annotations

import gc
import threading
import time
import weakref
from typing import Any


def freeze_heap() -> None:
    """Collects garbage, and leaves what is there then out of every later collection.

    To go through all objects of torch and transformers takes some tenths of a second, in which no
    thread of the process does anything.
    """
    gc.unfreeze()
    gc.collect()
    gc.freeze()


def freeze_heap_after(old: weakref.ref[Any], seconds: float = 1.0) -> threading.Thread:
    """Does so once something old is let go of, on a thread of its own.

    Until then it must be found by collections: it may stand in a cycle of references.

    Args:
        seconds: before it is looked for; then twice as many, up to a minute.
    """
    gc.unfreeze()

    def wait() -> None:
        pause = seconds
        while old() is not None:
            time.sleep(pause)
            gc.collect()
            pause = min(2 * pause, 60)
        freeze_heap()

    thread = threading.Thread(target=wait, name="genrec-heap", daemon=True)
    thread.start()
    return thread
