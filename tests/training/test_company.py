import threading
from datetime import timedelta

import pytest

from genrec.errors import ConfigError
from genrec.training.company import ALONE, Company
from tests.training.in_company import free_port

SAID = {
    "WORLD_SIZE": "2",
    "RANK": "1",
    "LOCAL_RANK": "1",
    "MASTER_ADDR": "127.0.0.1",
    "MASTER_PORT": "29500",
}


def test_without_a_launcher_there_is_one_process():
    assert Company.of_environment({}) == ALONE
    assert ALONE.main
    ALONE.join()
    ALONE.tell("something")
    ALONE.wait_for("something")
    ALONE.leave()


def test_a_launcher_s_words_are_read():
    assert Company.of_environment(SAID) == Company(1, 2, 1, "127.0.0.1:29500")
    assert not Company.of_environment(SAID).main
    assert Company.of_environment({**SAID, "WORLD_SIZE": "1", "RANK": "0"}) == ALONE


@pytest.mark.parametrize(
    ("change", "message"),
    [
        ({"WORLD_SIZE": "two"}, "WORLD_SIZE is 'two', not a number"),
        ({"RANK": "2"}, "RANK is 2, but WORLD_SIZE 2: ranks go from 0"),
        ({"RANK": "", "MASTER_ADDR": ""}, "no RANK; no MASTER_ADDR"),
        ({"WORLD_SIZE": ""}, "no WORLD_SIZE"),
    ],
)
def test_words_that_do_not_fit_are_told(change, message):
    with pytest.raises(ConfigError) as error:
        Company.of_environment({**SAID, **change})
    assert message in str(error.value)
    assert "accelerate launch --config_file recipes/launch/ddp.yaml" in str(error.value)


def test_one_process_where_several_were_asked_for_is_told():
    # What `accelerate launch --cpu --num_processes 2` leaves of its wish.
    left = {"ACCELERATE_MIXED_PRECISION": "no", "MASTER_ADDR": "127.0.0.1"}
    with pytest.raises(ConfigError, match="has started one.*ddp-cpu-2.yaml"):
        Company.of_environment(left)


def company_of(rank, monkeypatch, port):
    monkeypatch.setenv("MASTER_ADDR", "127.0.0.1")
    monkeypatch.setenv("MASTER_PORT", str(port))
    return Company(rank, 2, 0, f"127.0.0.1:{port}")


def test_a_main_process_that_cannot_be_reached_is_told(monkeypatch):
    lost = company_of(1, monkeypatch, free_port())
    with pytest.raises(
        ConfigError, match=r"Process 1 of 2 cannot reach .* at 127.0.0.1:\d+ .*firewall"
    ):
        lost.join(timedelta(seconds=0.3))


def test_processes_meet_and_tell_each_other(monkeypatch):
    port = free_port()
    main, other = (company_of(rank, monkeypatch, port) for rank in (0, 1))
    heard = []

    def follow():
        other.join(timedelta(seconds=20))
        for what in ("first", "second"):
            try:
                other.wait_for(what)
                heard.append(what)
            except ConfigError as error:
                heard.append(str(error))

    thread = threading.Thread(target=follow)
    thread.start()
    main.join(timedelta(seconds=20))
    main.tell("first")
    main.tell("second", failed=True)
    thread.join(20)
    assert heard == ["first", "The main process failed at 'second' and has said why."]


def test_what_is_done_apart_is_done_alone(monkeypatch):
    for name, value in SAID.items():
        monkeypatch.setenv(name, value)
    company = Company.of_environment()
    with company.apart():
        assert Company.of_environment() == ALONE
    assert Company.of_environment() == company


def test_batches_are_divided_or_refused():
    Company(0, 4).check_batch(8)
    with pytest.raises(ConfigError, match=r"batch_size is 6 .* by 4 processes.*=4 or 8"):
        Company(0, 4).check_batch(6)
