import threading

import pytest

from genrec.serving.apart import apart


def test_what_is_given_and_what_is_raised_come_back_and_the_thread_ends():
    threads = []

    def work():
        threads.append(threading.current_thread())
        return 7

    def fail():
        threads.append(threading.current_thread())
        raise ValueError("no such thing")

    assert apart(work) == 7
    with pytest.raises(ValueError, match="no such thing"):
        apart(fail)
    for thread in threads:
        thread.join(5)
        assert thread is not threading.main_thread() and not thread.is_alive()
