"""The processes that work on one run together, as torchrun and ``accelerate launch`` start them.

All run the same code. The first, the main process, makes what is made once, prints and writes; the
others wait until it has, read it, and join in where the work is shared. Knows nothing of stages or
models, and loads torch only when there is somebody to talk to.
"""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager, suppress
from dataclasses import dataclass
from datetime import timedelta
from functools import cached_property
from typing import Any

from genrec.errors import ConfigError

LAUNCH = "accelerate launch --config_file recipes/launch/ddp.yaml -m genrec run …"
# How long a process is waited for when all start; some machines of a cluster start minutes later.
PATIENCE = timedelta(minutes=5)
# How long one process may work while the others wait. Whoever started them ends all if one dies.
WORK = timedelta(days=30)
# How long the main process stays for others to hear that it is done.
HEARING = timedelta(seconds=30)
# What a launcher says of a process among others; accelerate and torch look for it, too.
_SAID = (
    *("RANK", "LOCAL_RANK", "WORLD_SIZE", "LOCAL_WORLD_SIZE", "MASTER_ADDR", "MASTER_PORT"),
    *("ACCELERATE_USE_FSDP", "ACCELERATE_USE_DEEPSPEED"),
)
_DONE, _FAILED = "done", "failed"


@dataclass(frozen=True)
class Company:
    """This process among those of a run.

    Attributes:
        rank: number of this process, from 0 (the main process).
        count: processes in all.
        local_rank: its number on its machine, which is that of its GPU.
        address: of the main process, as host and port.
    """

    rank: int = 0
    count: int = 1
    local_rank: int = 0
    address: str = ""

    @staticmethod
    def of_environment(environment: Mapping[str, str] | None = None) -> Company:
        """Who this process is, by what its launcher says; alone where there is none.

        Raises:
            ConfigError: the launcher's words do not fit together; names all that is wrong.
        """
        said = os.environ if environment is None else environment
        if "WORLD_SIZE" not in said and "RANK" not in said:
            _check_one(said)
            return ALONE
        problems, numbers = [], {}
        for name in ("WORLD_SIZE", "RANK", "LOCAL_RANK"):
            value = said.get(name, "0" if name == "LOCAL_RANK" else "")
            if value.isdecimal():
                numbers[name] = int(value)
            else:
                problems.append(f"{name} is '{value}', not a number" if value else f"no {name}")
        count, rank = numbers.get("WORLD_SIZE", 1), numbers.get("RANK", 0)
        if not problems and not rank < count:
            problems.append(f"RANK is {rank}, but WORLD_SIZE {count}: ranks go from 0")
        if count > 1:
            problems += [
                f"no {name}" for name in ("MASTER_ADDR", "MASTER_PORT") if not said.get(name)
            ]
        if problems:
            raise ConfigError(
                f"The processes of this run were started in a way that does not fit: "
                f"{'; '.join(problems)}. Start them by torchrun or by: {LAUNCH}"
            )
        if count == 1:
            return ALONE
        address = f"{said['MASTER_ADDR']}:{said['MASTER_PORT']}"
        return Company(rank, count, numbers["LOCAL_RANK"], address)

    @property
    def main(self) -> bool:
        """Whether this process makes, writes and prints."""
        return self.rank == 0

    @property
    def alone(self) -> bool:
        return self.count == 1

    def check_batch(self, batch_size: int, option: str = "train.batch_size") -> None:
        """Sees that a batch can be shared out.

        Args:
            option: that says how large it is.

        Raises:
            ConfigError: some process would get more rows than another.
        """
        if batch_size % self.count:
            near = max(batch_size // self.count, 1) * self.count
            raise ConfigError(
                f"{option} is {batch_size} and cannot be divided by {self.count} processes. "
                f"Set {option}={near} or {near + self.count}, or start as many processes "
                f"as divide {batch_size}."
            )

    def join(self, patience: timedelta = PATIENCE) -> None:
        """Meets the others, and takes the GPU that is this process's own.

        Raises:
            ConfigError: the main process cannot be reached, somebody does not come, or this
                machine has fewer GPUs than processes.
        """
        if self.alone:
            return
        import torch

        if torch.cuda.is_available():
            if self.local_rank >= torch.cuda.device_count():
                raise ConfigError(
                    f"Process {self.rank} is number {self.local_rank + 1} on its machine, which has"
                    f" {torch.cuda.device_count()} GPUs. Start one process for each GPU."
                )
            torch.cuda.set_device(self.local_rank)
        # The first to ask decides how long connecting may take.
        store = self.__dict__["_connection"] = _store(self, patience)
        store.set(f"genrec/here/{self.rank}", "")
        missing = []
        for rank in range(self.count) if self.main else (0,):
            try:
                store.wait([f"genrec/here/{rank}"], patience)
            except RuntimeError:
                missing.append(str(rank))
        if missing:
            raise ConfigError(
                f"{self.count} processes were to work together and {', '.join(missing)} did not "
                f"come within {patience.total_seconds():.0f} s. See that num_machines and "
                "num_processes are the same on all machines, and machine_rank another on each."
            )

    def tell(self, what: str, *, failed: bool = False, last: bool = False) -> None:
        """Lets those who wait for it know that something is done, or never will be.

        Args:
            last: the main process ends after this, and the connection with it; it stays until all
                have heard, or for half a minute.
        """
        if self.alone:
            return
        self._connection.set(f"genrec/{what}", _FAILED if failed else _DONE)
        if last:
            with suppress(RuntimeError):
                self._connection.wait(
                    [_heard(what, rank) for rank in range(1, self.count)], HEARING
                )

    def wait_for(self, what: str) -> None:
        """Waits until the main process has told of it.

        Raises:
            ConfigError: the main process failed at it; it says itself why.
        """
        if self.alone:
            return
        key = f"genrec/{what}"
        try:
            self._connection.wait([key], WORK)
            said = self._connection.get(key).decode()
        except RuntimeError as error:
            raise ConfigError(f"The main process ended before '{what}' was done.") from error
        if said == _FAILED:
            raise ConfigError(f"The main process failed at '{what}' and has said why.")
        with suppress(RuntimeError):  # it may have ended since
            self._connection.set(_heard(what, self.rank), "")

    @contextmanager
    def apart(self) -> Iterator[None]:
        """What this process trains until the block ends is its own; before it has joined in."""
        said = {name: os.environ.pop(name) for name in _SAID if name in os.environ}
        try:
            yield
        finally:
            os.environ.update(said)

    def leave(self) -> None:
        """Makes this process one that works alone; what it trains from then on is its own."""
        if self.alone:
            return
        import torch
        from accelerate.state import AcceleratorState, GradientState

        if torch.distributed.is_initialized():
            torch.distributed.destroy_process_group()
        AcceleratorState._reset_state(reset_partial_state=True)
        GradientState._reset_state()
        for name in _SAID:
            os.environ.pop(name, None)

    @cached_property
    def _connection(self) -> Any:
        return _store(self, PATIENCE)


ALONE = Company()


def _heard(what: str, rank: int) -> str:
    return f"genrec/{what}/heard by {rank}"


def _check_one(said: Mapping[str, str]) -> None:
    # accelerate sets the address for several processes and, told --cpu, starts one without a word.
    if "ACCELERATE_MIXED_PRECISION" in said and "MASTER_ADDR" in said:
        raise ConfigError(
            "accelerate was asked for several processes and has started one. On CPUs take: "
            f"{LAUNCH.replace('ddp.yaml', 'ddp-cpu-2.yaml')}"
        )


def _store(company: Company, patience: timedelta) -> Any:
    """What all processes can read and write: small values under names."""
    import torch.distributed

    url = f"env://?rank={company.rank}&world_size={company.count}"
    try:
        store, _, _ = next(torch.distributed.rendezvous(url, timeout=patience))
    except (RuntimeError, ValueError, OSError) as error:
        first = str(error).splitlines()[0] if str(error) else type(error).__name__
        raise ConfigError(
            f"Process {company.rank} of {company.count} cannot reach the main process at "
            f"{company.address} ({first}). See that main_process_ip is the address of the first "
            "machine, that the port is free there, and that no firewall stands between."
        ) from error
    return store
