"""A residual network beside a bare loop with torchvision."""
