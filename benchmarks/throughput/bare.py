"""One rank of the training that a script without Wattrain would be: DistributedDataParallel, and nothing measured.

It reads the same prepared shards, and prints the steps a second between its first fifth and its end, on rank 0.
"""

from __future__ import annotations

import os
import sys
import time
from itertools import pairwise

import torch
import torch.distributed as dist
import torch.nn.functional as F  # noqa: N812
from torch import nn
from torch.nn.parallel import DistributedDataParallel

from wattrain_worker.data.prepared_data import load_prepared


def main() -> None:
    """`bare.py DATA_DIRECTORY HIDDEN BATCH_SIZE STEPS`, with RANK, WORLD_SIZE and MASTER_* in the environment."""
    folder, hidden, batch_size, steps = sys.argv[1], int(sys.argv[2]), int(sys.argv[3]), int(sys.argv[4])
    torch.set_num_threads(max(1, len(os.sched_getaffinity(0)) // int(os.environ["WORLD_SIZE"])))
    dist.init_process_group("gloo")
    data = load_prepared(folder)
    features, labels = torch.tensor(data.train.features), torch.tensor(data.train.labels)
    sizes = (len(data.columns), hidden, hidden, len(data.classes))
    layers = [layer for inputs, outputs in pairwise(sizes) for layer in (nn.Linear(inputs, outputs), nn.ReLU())]
    model = DistributedDataParallel(nn.Sequential(*layers[:-1]), gradient_as_bucket_view=True, static_graph=True)
    optimizer = torch.optim.AdamW(model.parameters(), lr=1e-3, weight_decay=0.01, fused=True)
    rank, ranks, warm, began = dist.get_rank(), dist.get_world_size(), steps // 5, 0.0
    mine: torch.Tensor = torch.empty(0)
    for step in range(steps):
        if step == warm:
            began = time.perf_counter()
        if len(mine) < batch_size // ranks:
            mine = torch.randperm(len(labels))[rank::ranks]
        index, mine = mine[: batch_size // ranks], mine[batch_size // ranks :]
        optimizer.zero_grad(set_to_none=True)
        torch.autograd.backward(F.cross_entropy(model(features[index]), labels[index]))
        optimizer.step()
    if rank == 0:
        print((steps - warm) / (time.perf_counter() - began))
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
