"""A plain DistributedDataParallel script. It knows nothing of Wattrain: `torchrun --nproc-per-node 2 train_ddp.py` runs
it too. It fits a small network to a known function, and goes on from its last checkpoint when it is started again."""

import argparse
import os
from pathlib import Path

import torch
import torch.distributed as dist
from torch import nn
from torch.nn.parallel import DistributedDataParallel


def batch(seed: int, rows: int) -> tuple[torch.Tensor, torch.Tensor]:
    x = torch.randn(rows, 8, generator=torch.Generator().manual_seed(seed))
    return x, torch.sin(x).sum(dim=1, keepdim=True)


def save(path: Path, step: int, model: nn.Module, optimizer: torch.optim.Optimizer) -> None:
    temporary = path.with_suffix(".tmp")
    torch.save({"step": step, "model": model.state_dict(), "optimizer": optimizer.state_dict()}, temporary)
    temporary.replace(path)  # whoever loads it finds the old one or the new one, never half of one


def main() -> None:
    parser = argparse.ArgumentParser()
    parser.add_argument("--steps", type=int, default=300)
    parser.add_argument("--rows", type=int, default=256, help="samples a step, of all ranks together")
    parser.add_argument("--checkpoints", type=Path, default=Path(os.environ.get("WATTRAIN_CHECKPOINT_DIR", ".")))
    options = parser.parse_args()

    on_gpu = torch.cuda.is_available()
    dist.init_process_group("nccl" if on_gpu else "gloo")
    rank, ranks = dist.get_rank(), dist.get_world_size()
    device = torch.device("cuda", int(os.environ["LOCAL_RANK"])) if on_gpu else torch.device("cpu")
    torch.manual_seed(0)
    model = nn.Sequential(nn.Linear(8, 64), nn.Tanh(), nn.Linear(64, 1)).to(device)
    optimizer = torch.optim.AdamW(model.parameters(), lr=0.01)

    options.checkpoints.mkdir(parents=True, exist_ok=True)
    path, first = options.checkpoints / "train_ddp.pt", 0
    if path.exists():
        found = torch.load(path, map_location=device, weights_only=True)
        model.load_state_dict(found["model"])
        optimizer.load_state_dict(found["optimizer"])
        first = found["step"]
    parallel = DistributedDataParallel(model)

    for step in range(first + 1, options.steps + 1):
        x, y = batch(step * ranks + rank, options.rows // ranks)
        loss = nn.functional.mse_loss(parallel(x.to(device)), y.to(device))
        optimizer.zero_grad()
        loss.backward()
        optimizer.step()
        if rank == 0:
            print(f"step={step} loss={loss.item():.6f}", flush=True)
            if step % 50 == 0:
                save(path, step, model, optimizer)
    dist.destroy_process_group()


if __name__ == "__main__":
    main()
