"""A bare torchvision loop on the pictures that a job has prepared, with that job's settings.

One process, batches shuffled by torch, crops by torchvision.transforms; nothing of Wattrain but its prepared files.
"""

from __future__ import annotations

import json
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file
from torchvision.models import resnet18
from torchvision.transforms import RandomCrop

from wattrain_api.training import Training


def accuracy(data: Path, training: Training) -> float:
    """Of resnet18 on the test split in `data`, after `training`: its epochs, batches, AdamW and seed."""
    torch.manual_seed(training.seed)
    torch.set_num_threads(1)
    document = json.loads((data / "prepare.json").read_text())
    mean, deviation = (torch.tensor(document["pixels"][name]).view(3, 1, 1) for name in ("mean", "deviation"))
    train, test = (load_file(data / f"{split}.safetensors") for split in ("train", "test"))
    model = resnet18(num_classes=len(document["classes"]))
    rate, decay = training.optimizer.lr, training.optimizer.weight_decay
    optimizer = torch.optim.AdamW(model.parameters(), lr=rate, weight_decay=decay)
    crop = RandomCrop(32, padding=4)
    for _ in range(training.epochs or 0):
        for rows in torch.randperm(len(train["labels"])).split(training.batch_size):
            pictures = torch.stack([crop(picture) for picture in train["images"][rows]])
            optimizer.zero_grad()
            torch.autograd.backward(F.cross_entropy(model((pictures - mean) / deviation), train["labels"][rows]))
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        chosen = torch.cat([model((part - mean) / deviation).argmax(1) for part in test["images"].split(64)])
    return (chosen == test["labels"]).double().mean().item()
