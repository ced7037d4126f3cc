"""What a job says of its residual network."""

from typing import ClassVar, Literal

from wattrain_api.recipe_parameters import ClassifierParameters, SampleKind


class ResnetParameters(ClassifierParameters):
    """A residual network for pictures: torchvision's, from random weights."""

    SAMPLES: ClassVar[SampleKind] = "image"

    depth: Literal[18, 34, 50] = 18
    """Number of its layers with weights."""
    norm: Literal["batch", "group"] = "batch"
    """`batch`: each channel is normalised over all samples of a batch, as in torchvision's; `group`: 32 groups of
    channels, each within its own sample, which `training.deterministic` and `gradientAccumulation` need."""
    stem: Literal["auto", "small", "standard"] = "auto"
    """First layers. `standard`: torchvision's, which make a picture four times smaller in each direction; `small`: one
    3x3 convolution, which keeps its size and costs up to 16 times as much; `auto`: `small` for pictures of less than 64
    pixels."""
    augment: Literal["none", "crop", "flip-crop"] = "crop"
    """What is drawn anew in each pass over the training pictures. `crop`: moved by up to an eighth of their size, black
    where nothing is left; `flip-crop`: mirrored half of the time as well, for what means the same when mirrored, which
    letters and digits do not."""
