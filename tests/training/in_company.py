"""What several processes do together in the tests, and what one does alone.

They train by turns with whole and with sharded weights, and go on with what one process has begun.
The main process writes ``told.json``.
"""

import gc
import json
import os
import socket
from functools import cache

import numpy as np
import torch

from genrec.encoders.base import ItemVectors
from genrec.llm.options import ItemTableConfig
from genrec.recommenders.generative import GenerativeRecommender
from genrec.recommenders.options import GenerativeConfig, HybridConfig
from genrec.training.company import Company
from tests.own_process import context
from tests.small import ITEMS, small_dataset, small_index, small_vectors

STEPS, STOPPED = 4, 3


@cache
def data():
    # Not at import: processes are forked after it, and must not inherit a pool of threads.
    return small_dataset(24)


def train(folder, *, stop_at=0, progress=lambda step: None, **options):
    """The small world's hybrid; with ``stop_at``, killed after that step."""

    def watch(step, steps, loss):
        progress(step)
        if step == stop_at:
            raise KeyboardInterrupt

    return GenerativeRecommender.train(
        "tiny",
        data(),
        small_index(),
        config=GenerativeConfig(hybrid=HybridConfig(table=ItemTableConfig(own_dropout=0.0))),
        vectors=ItemVectors(
            tuple(data().catalog.ids), small_vectors(), np.ones(ITEMS, bool), "drawn"
        ),
        folder=folder,
        progress=watch,
        validate=lambda recommender: float(recommender.rank(data().sequences, 5).scores.mean()),
        # Parts of a batch are not alike: rows are filled as far as histories go, and of some items
        # the codes are learned, of all the item.
        spelled=0.5,
        adapt="full",
        steps=STEPS,
        batch_size=4,
        row_tokens=64,
        learning_rate=3e-3,
        log_every=1,
        checkpoint_every=2,
        validate_every=2,
        **options,
    )


def told(recommender):
    """What can be compared: losses, validation, and the scores of the best items."""
    fitted = recommender.fitted
    scores = recommender.rank(data().sequences, 5).scores
    return {
        "losses": fitted.losses,
        "metrics": list(fitted.metrics.values()),
        "scores": np.round(scores.astype(float), 6).tolist(),
        "steps": fitted.steps,
    }


def stop(folder):
    try:
        train(folder, stop_at=STOPPED)
    except KeyboardInterrupt:
        return
    raise RuntimeError("the training was not stopped")


def main(folder):
    company = Company.of_environment()
    company.join()
    found = {"whole": told(train(folder / "whole"))}
    os.environ |= {"ACCELERATE_USE_FSDP": "true", "FSDP_VERSION": "2"}
    found["sharded"] = told(train(folder / "sharded"))
    stop(folder / "sharded-then-one")
    os.environ["ACCELERATE_USE_FSDP"] = "false"
    found["one-then-two"] = told(train(folder / "one-then-two"))
    company.leave()
    found["after"] = {"count": Company.of_environment().count}
    if company.main:
        found["after"] |= told(train(folder / "alone"))
        (folder / "told.json").write_text(json.dumps(found))


def main_by_deepspeed(folder, stage):
    """What ``main`` does, in shares that DeepSpeed made."""
    company = Company.of_environment()
    company.join()
    os.environ |= {"ACCELERATE_USE_DEEPSPEED": "true", "ACCELERATE_DEEPSPEED_ZERO_STAGE": stage}
    _share_small_ones()
    found = {name: told(train(folder / name)) for name in ("two", "one-then-two")}
    found["in-bf16"] = told(train(folder / "in-bf16", bf16=True))
    stop(folder / "two-then-one")
    company.leave()
    if company.main:
        (folder / "told.json").write_text(json.dumps(found))


def _share_small_ones():
    """Has stage 3 share out parameters of any size: it would leave all of the small world whole."""
    from deepspeed.runtime.zero.config import DeepSpeedZeroConfig

    DeepSpeedZeroConfig.model_fields["param_persistence_threshold"].default = 0
    DeepSpeedZeroConfig.model_rebuild(force=True)


def free_port():
    with socket.socket() as one:
        one.bind(("127.0.0.1", 0))
        return one.getsockname()[1]


def _begin(rank, count, port, does, folder, *words):
    os.environ |= {
        "MASTER_ADDR": "127.0.0.1",
        "MASTER_PORT": str(port),
        "WORLD_SIZE": str(count),
        "RANK": str(rank),
        "LOCAL_RANK": str(rank),
    }
    torch.set_num_threads(1)
    gc.freeze()
    does(folder, *words)


def together(folder, *words, does=main, count=2):
    """Starts so many processes, as a launcher would, and returns what the main one told.

    does: what each does with the folder and the words.
    """
    port = free_port()
    processes = [
        context().Process(target=_begin, args=(rank, count, port, does, folder, *words))
        for rank in range(count)
    ]
    for process in processes:
        process.start()
    for process in processes:
        process.join(240)
    codes = [process.exitcode for process in processes]
    for process in processes:
        process.kill()
    if codes != [0] * count:
        raise RuntimeError(f"the processes ended with {codes}")
    return json.loads((folder / "told.json").read_text())
