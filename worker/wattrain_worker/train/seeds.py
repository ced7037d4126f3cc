"""Seeds for dropout: functions of the step, so that a resumed training draws what an uninterrupted one would."""

from __future__ import annotations

import hashlib
import struct

import torch


def seed_torch(device: torch.device, *parts: int) -> None:
    """Seed the generator of `device` by `parts`, such as (seed, step, shard): near parts give unrelated streams."""
    digest = hashlib.blake2b(struct.pack(f"<{len(parts)}q", *parts), digest_size=8).digest()
    seed = int.from_bytes(digest, "little") >> 1
    if device.type == "cuda":
        torch.cuda.manual_seed(seed)
    else:
        torch.default_generator.manual_seed(seed)
