"""The ranks as a group: started from the environment, summing, broadcasting. A group of one needs no network."""

from __future__ import annotations

import contextlib
import os
import socket
import stat
from collections.abc import Iterator
from datetime import timedelta
from typing import Any, Final

import torch
import torch.distributed as dist

from wattrain_worker.errors import PeerLost
from wattrain_worker.train.rank_environment import RankEnvironment

COLLECTIVE_TIMEOUT: Final = timedelta(seconds=300)
"""How long a collective waits for a silent peer. A peer that dies closes its connections and is noticed at once."""


class ProcessGroup:
    """This rank's view of its group."""

    def __init__(self, environment: RankEnvironment) -> None:
        """Join the group; with more than one rank this waits for all of them. PeerLost where they do not come."""
        self.rank, self.size = environment.rank, environment.world_size
        self.device = _device(environment)
        if self.size > 1:
            backend = "gloo" if self.device.type == "cpu" else "cpu:gloo,cuda:nccl"
            with peers_watched():
                dist.init_process_group(backend, timeout=COLLECTIVE_TIMEOUT)

    @property
    def device_name(self) -> str:
        """What this rank computes on, for a person."""
        return "the CPU" if self.device.type == "cpu" else torch.cuda.get_device_name(self.device)

    def start_sum(self, values: torch.Tensor) -> dist.Work | None:
        """Begin to replace `values` on every rank by their sum over the ranks; wait on the answer, where there is one.

        Every rank gets the same bits. Where all but one rank give zeros, the sum is that rank's value exactly.
        """
        return dist.all_reduce(values, async_op=True) if self.size > 1 else None

    def sum(self, values: torch.Tensor) -> torch.Tensor:
        """`values`, replaced by their sum over the ranks."""
        if work := self.start_sum(values):
            work.wait()
        return values

    def broadcast_object(self, value: Any) -> Any:
        """What rank 0 gave as `value`; small things only."""
        if self.size == 1:
            return value
        box = [value]
        dist.broadcast_object_list(box, src=0, device=torch.device("cpu"))
        return box[0]

    def broadcast_tensor(self, tensor: torch.Tensor) -> None:
        """Fill `tensor` (on the CPU or on the group's device) with rank 0's."""
        if self.size > 1:
            dist.broadcast(tensor, src=0)

    def break_network(self) -> None:
        """From another thread: have whatever waits for a peer, here and there, end with an error at once.

        On CPUs alone. A kernel of NCCL does not end with its connections, and torch ends a process whose NCCL fails.
        """
        if self.size > 1 and self.device.type == "cpu":
            _shut_connections()

    def leave(self) -> None:
        """Wait for the others and leave: who leaves first would look like a lost peer to those still at work."""
        if self.size > 1:
            with peers_watched():
                dist.barrier()
                dist.destroy_process_group()


@contextlib.contextmanager
def peers_watched() -> Iterator[None]:
    """Turns the errors of torch's communication into PeerLost; other errors pass."""
    try:
        yield
    except RuntimeError as error:
        if not _is_about_peers(error):
            raise
        raise PeerLost(f"another rank of the group is gone: {str(error).strip().splitlines()[0][:300]}") from error


def _shut_connections() -> None:
    """Shut down all TCP connections of this process: gloo has no call that frees who waits in it. Sockets that listen
    stay, for gloo would end the process; the one to the supervisor is no TCP."""
    for name in os.listdir("/dev/fd"):  # noqa: PTH208 (a directory whose entries vanish)
        with contextlib.suppress(OSError):
            if not stat.S_ISSOCK(os.fstat(int(name)).st_mode):
                continue
            with socket.socket(fileno=os.dup(int(name))) as connection:
                if connection.family in (socket.AF_INET, socket.AF_INET6):
                    connection.getpeername()  # OSError where it is not connected
                    connection.shutdown(socket.SHUT_RDWR)


def _is_about_peers(error: RuntimeError) -> bool:
    # gloo raises plain RuntimeErrors, that can be told by the place in its source which they name alone.
    text = str(error)
    return isinstance(error, dist.DistError) or "gloo" in text or "Connection closed by peer" in text


def _device(environment: RankEnvironment) -> torch.device:
    if not torch.cuda.is_available() or environment.local_world_size > torch.cuda.device_count():
        return torch.device("cpu")
    if environment.training.deterministic:
        os.environ["CUBLAS_WORKSPACE_CONFIG"] = ":4096:8"  # cuBLAS reads it when CUDA starts, just below
    torch.cuda.set_device(environment.local_rank)
    return torch.device("cuda", environment.local_rank)
