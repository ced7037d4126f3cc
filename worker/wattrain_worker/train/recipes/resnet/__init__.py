"""The recipe `resnet`."""
