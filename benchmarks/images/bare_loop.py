"""A bare torchvision loop on the pictures of a run of examples/digits-resnet.yaml, with that job's settings.

python benchmarks/images/bare_loop.py runs/digits-resnet/data [SEED]

One process, batches shuffled by torch, crops by torchvision.transforms; nothing of Wattrain but its prepared files.
"""

import json
import sys
import time
from pathlib import Path

import torch
import torch.nn.functional as F  # noqa: N812
from safetensors.torch import load_file
from torchvision.models import resnet18
from torchvision.transforms import RandomCrop

EPOCHS, BATCH_SIZE, LEARNING_RATE = 10, 64, 0.001


def main(data: Path, seed: int) -> None:
    """Train and test, and print the accuracy."""
    torch.manual_seed(seed)
    torch.set_num_threads(1)
    document = json.loads((data / "prepare.json").read_text())
    mean, deviation = (torch.tensor(document["pixels"][name]).view(3, 1, 1) for name in ("mean", "deviation"))
    train, test = (load_file(data / f"{split}.safetensors") for split in ("train", "test"))
    model = resnet18(num_classes=len(document["classes"]))
    optimizer = torch.optim.AdamW(model.parameters(), lr=LEARNING_RATE, weight_decay=0)
    crop = RandomCrop(32, padding=4)
    started = time.process_time()
    for _ in range(EPOCHS):
        for rows in torch.randperm(len(train["labels"])).split(BATCH_SIZE):
            pictures = torch.stack([crop(picture) for picture in train["images"][rows]])
            optimizer.zero_grad()
            F.cross_entropy(model((pictures - mean) / deviation), train["labels"][rows]).backward()
            optimizer.step()
    model.eval()
    with torch.inference_mode():
        chosen = torch.cat([model((part - mean) / deviation).argmax(1) for part in test["images"].split(64)])
    accuracy = (chosen == test["labels"]).double().mean().item()
    print(f"seed {seed}: test accuracy {accuracy:.4f}, {time.process_time() - started:.0f} s of CPU time")


if __name__ == "__main__":
    main(Path(sys.argv[1]), int(sys.argv[2]) if len(sys.argv) > 2 else 0)
