import asyncio
import threading

from genrec.serving.feed import Feed


def test_readers_get_every_piece_once_whenever_they_come():
    feed = Feed(1)
    heard = [[], []]
    readers = [
        threading.Thread(target=lambda into=into: into.extend(feed.read())) for into in heard
    ]
    readers[0].start()
    for number in range(100):
        feed.say({"number": number})
    readers[1].start()
    feed.end()
    for reader in readers:
        reader.join(10)
    assert heard[0] == heard[1] == [(n + 1, {"number": n}) for n in range(100)]


def test_a_listener_is_told_of_silence_and_of_what_ends_it():
    async def listen():
        feed = Feed(1, [{"a": 1}])
        heard = []
        async for number, piece in feed.listen(beat=0.01):
            heard.append((number, piece))
            if piece is None and len(heard) < 4:
                threading.Thread(target=feed.say, args=({"b": 2},)).start()
            if len(heard) >= 4:
                feed.end()
        return [one for one in heard if one[1] is not None]

    heard = asyncio.run(listen())
    assert heard[0] == (1, {"a": 1})
    assert heard[1] == (2, {"b": 2})


def test_a_new_beginning_counts_from_one_and_an_old_place_starts_over():
    feed = Feed(3)
    feed.say({"a": 1})
    feed.say({"a": 2})
    feed.begin_again(4, {"kind": "again"})
    feed.say({"b": 1})
    feed.end()
    assert feed.version == 4
    assert [number for number, _ in feed.read()][-2:] == [0, 1]
    assert feed.place(3, 2) == 0
    assert list(feed.read(feed.place(4, 0))) == [(1, {"b": 1})]
    assert list(feed.read(feed.place(4, 1))) == []
