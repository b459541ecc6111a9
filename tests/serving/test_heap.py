import gc
import weakref

import pytest

from genrec.serving.heap import freeze_heap, freeze_heap_after
from tests.serving.live import until


@pytest.fixture(autouse=True)
def as_before():
    frozen = gc.get_freeze_count()
    gc.unfreeze()
    yield
    gc.unfreeze()
    if frozen:
        gc.collect()
        gc.freeze()


class Ring:
    def __init__(self):
        self.me = self


def test_what_lives_is_left_out_of_collections_and_garbage_is_collected_first():
    ring = Ring()
    gone, kept = weakref.ref(ring), Ring()
    del ring
    freeze_heap()
    assert gone() is None
    assert gc.get_freeze_count() > 1000
    assert not any(one is kept for one in gc.get_objects())


def test_what_was_spared_is_garbage_for_the_next_time():
    ring = Ring()
    gone = weakref.ref(ring)
    freeze_heap()
    del ring
    gc.collect()
    assert gone() is not None
    freeze_heap()
    assert gone() is None


def test_nothing_is_spared_while_something_old_is_held():
    class Old:
        pass

    old = Old()
    gc.freeze()
    thread = freeze_heap_after(weakref.ref(old), seconds=0.01)
    thread.join(0.2)
    assert thread.is_alive()
    assert gc.get_freeze_count() == 0
    del old
    until(lambda: not thread.is_alive())
    assert gc.get_freeze_count() > 1000
