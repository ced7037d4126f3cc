"""Pictures: folders, tars and WebDatasets as shards of pixels; what is refused; what is fitted on what."""

from __future__ import annotations

import io
import re
import sys
import tarfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from PIL import Image

from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.images.picture_decoding import UnreadablePicture, decoded
from wattrain_worker.data.prepare import prepare
from wattrain_worker.errors import BadSpec
from wattrain_worker.train.recipes.recipe_protocol import ImageShape
from wattrain_worker.train.sample_shapes import shape_of

RESNET = {"name": "resnet"}
SIZE = {"size": 32}
CLASSES = ("ant", "bee", "cat")


def picture(seed: int, kind: str = "PNG", size: tuple[int, int] = (40, 36), **options: Any) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    return encoded(Image.fromarray(pixels), kind, **options)


def encoded(image: Image.Image, kind: str = "PNG", **options: Any) -> bytes:
    content = io.BytesIO()
    image.save(content, kind, **options)
    return content.getvalue()


def in_folders(count: int = 60) -> dict[str, bytes]:
    return {f"{CLASSES[i % 3]}/{i:03}.png": picture(i) for i in range(count)}


def as_folder(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def as_tar(path: Path, files: dict[str, bytes], mode: str = "w") -> Path:
    path.parent.mkdir(parents=True, exist_ok=True)
    with tarfile.open(path, mode) as tar:  # type: ignore[call-overload]
        for name, content in files.items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    return path


def as_webdataset(files: dict[str, bytes]) -> dict[str, bytes]:
    found = {}
    for name, content in files.items():
        label, key = name.removesuffix(".png").split("/")
        found |= {f"{key}.png": content, f"{key}.cls": f"{CLASSES.index(label)}\n".encode(), f"{key}.json": b"{}"}
    return found


@pytest.fixture
def prepared(bench: Any) -> Callable[..., Any]:
    def prepare(source: Path, /, into: str = "prepared", **data: Any) -> Any:
        image = SIZE | data.pop("image", {})
        return bench.prepared(source, into, recipe=RESNET, image=image, **data)

    return prepare


@pytest.fixture
def refusal(bench: Any) -> Callable[..., str]:
    def refused(source: Path, /, **data: Any) -> str:
        return str(bench.refusal(source, **{"recipe": RESNET, "image": SIZE, **data}))

    return refused


def test_a_folder_a_tar_of_it_and_folders_in_a_folder_are_the_same_samples(bench: Any, prepared: Any) -> None:
    files = in_folders()
    sources = [
        as_folder(bench.folder / "pictures", files),
        as_tar(bench.folder / "a.tar", files),
        as_tar(bench.folder / "b.tgz", {f"deep/er/{name}": content for name, content in files.items()}, "w:gz"),
    ]
    found = [prepared(source, into=f"into{number}") for number, source in enumerate(sources)]
    for number, each in enumerate(found):
        assert each.document["counts"] == found[0].document["counts"]
        assert each.document["pixels"] == found[0].document["pixels"]
        assert each.document["classes"] == list(CLASSES)
        shards = bench.shards(f"into{number}")
        for split in ("train", "validation", "test"):
            pictures = {row.tobytes() for row in getattr(each, split).tensors["images"]}
            assert pictures == {row.tobytes() for row in getattr(found[0], split).tensors["images"]}
        assert set(shards) == {"prepare.json", "train.safetensors", "validation.safetensors", "test.safetensors"}
    assert found[0].train.tensors["images"].shape == (found[0].document["counts"]["training"], 3, 32, 32)
    assert found[0].train.tensors["images"].dtype == np.uint8


def test_each_picture_has_its_own_label_and_the_same_input_gives_the_same_bytes(bench: Any, prepared: Any) -> None:
    files = in_folders()
    folder = as_folder(bench.folder / "pictures", files)
    found = prepared(folder)
    expected = {decoded(content, 32).tobytes(): name.split("/")[0] for name, content in files.items()}
    seen = 0
    for shard in (found.train, found.validation, found.test):
        for pixels, label in zip(shard.tensors["images"], shard.labels, strict=True):
            assert expected[pixels.tobytes()] == found.classes[label]
            seen += 1
    assert seen == len(files)
    prepared(folder, into="again")
    assert bench.shards("again") == bench.shards()


def test_webdatasets_have_the_classes_of_their_cls_files_also_over_several_tars(bench: Any, prepared: Any) -> None:
    files = as_webdataset(in_folders())
    whole = prepared(as_tar(bench.folder / "all.tar", files), into="whole")
    names = sorted(files)
    for part in range(3):
        as_tar(
            bench.folder / "parts" / f"{part}.tar", {name: files[name] for name in names[part * 60 : part * 60 + 60]}
        )
    parts = prepared(bench.folder / "parts", into="parts-prepared")
    assert whole.classes == parts.classes == (0, 1, 2)
    for found in (whole, parts):
        assert found.document["labelHistogram"] == whole.document["labelHistogram"]
        assert any("60 files are no pictures by their names" in warning for warning in found.document["warnings"])
    assert sum(map(sum, whole.document["labelHistogram"].values())) == 60


def test_in_a_folder_of_tars_with_folders_the_class_is_the_folder_and_not_the_tar(bench: Any, prepared: Any) -> None:
    files = in_folders()
    for part in range(2):
        some = {name: content for i, (name, content) in enumerate(files.items()) if i // 3 % 2 == part}
        as_tar(bench.folder / "parts" / f"{part}.tar", some)
    assert prepared(bench.folder / "parts").classes == CLASSES


def test_classes_that_are_all_whole_numbers_are_numbers_and_others_texts(bench: Any, prepared: Any) -> None:
    numbers = {name.replace("ant", "10").replace("bee", "9").replace("cat", "2"): c for name, c in in_folders().items()}
    found = prepared(as_folder(bench.folder / "numbers", numbers))
    assert found.classes == (2, 9, 10)
    texts = {name.replace("10/", "07/"): content for name, content in numbers.items()}
    assert prepared(as_folder(bench.folder / "texts", texts), into="other").classes == ("07", "2", "9")


def test_mean_and_deviation_are_of_the_training_pictures_alone_and_exact(bench: Any, prepared: Any) -> None:
    files = in_folders()
    found = prepared(as_folder(bench.folder / "pictures", files))
    pixels = found.train.tensors["images"].astype(np.float64)
    scale = found.document["pixels"]
    assert scale["mean"] == pytest.approx(pixels.mean(axis=(0, 2, 3)), rel=1e-12)
    assert scale["deviation"] == pytest.approx(pixels.std(axis=(0, 2, 3)), rel=1e-12)
    outside = {row.tobytes() for shard in (found.validation, found.test) for row in shard.tensors["images"]}
    names = [name for name, content in files.items() if decoded(content, 32).tobytes() in outside]
    for name in names:
        (bench.folder / "pictures" / name).unlink()
    kept = prepared(bench.folder / "pictures", into="kept", split={"train": 1, "validation": 0, "test": 0})
    assert kept.document["pixels"] == scale
    shape = shape_of(found.document, None)
    assert shape == ImageShape(32, 3, tuple(scale["mean"]), tuple(scale["deviation"]))


def test_pictures_that_look_the_same_stay_together_and_are_counted(bench: Any, prepared: Any) -> None:
    files = in_folders()
    copies = {name.replace(".png", "-copy.bmp"): encoded(Image.open(io.BytesIO(c)), "BMP") for name, c in files.items()}
    contradicting = {"ant/other.png": files["bee/001.png"]}
    found = prepared(as_folder(bench.folder / "pictures", files | copies | contradicting))
    counts = found.document["counts"]
    assert (counts["read"], counts["repeats"], counts["testAlsoInTraining"]) == (121, 60, 0)
    assert counts["training"] + counts["validation"] + counts["test"] == 121
    warnings = " ".join(found.document["warnings"])
    assert "60 of 121 pictures repeat an earlier one of their class" in warnings
    assert "1 pictures look like an earlier one of another class" in warnings


def test_unreadable_pictures_are_refused_unless_a_share_may_be_left_out(
    bench: Any, prepared: Any, refusal: Any
) -> None:
    jpeg = picture(1, "JPEG")
    files = in_folders() | {"bee/cut.jpg": jpeg[: len(jpeg) // 2], "cat/empty.png": b"", "ant/text.gif": b"hello"}
    folder = as_folder(bench.folder / "pictures", files)
    told = refusal(folder)
    assert ": 'ant/text.gif' is no picture that can be read (it is of no known format), of 63 " in told
    assert told.endswith("mend or remove it, or raise spec.data.image.maxCorrupt (0), the share that is left out")
    assert "'ant/text.gif' " in (told := refusal(folder, image=SIZE | {"maxCorrupt": 0.04}))
    assert "and so are 2 more, of 63 pictures" in told
    found = prepared(folder, image={"maxCorrupt": 0.05})
    assert (found.document["counts"]["read"], found.document["counts"]["unreadable"]) == (63, 3)
    assert "3 of 63 pictures are left out, the first: 'ant/text.gif' is no picture" in found.document["warnings"][0]


REFUSED: dict[str, tuple[dict[str, bytes], str]] = {
    "an empty folder": ({}, "has no files; give a folder or tar with samples in it"),
    "no pictures": ({"ant/a.txt": b"x"}, "none of the 1 files of .* is a picture, such as 'ant/a.txt'; give files"),
    "one class": (
        {f"pictures/ant/{i}.png": b"" for i in range(3)},
        "'pictures/ant/0.png' has no class .3 of 3 pictures have none.; lay each picture into a folder named",
    ),
    "a picture beside the folders": (in_folders(3) | {"x.png": b""}, "'x.png' has no class .1 of 4 pictures"),
    "splits": ({"train/ant/1.png": b"", "val/ant/2.png": b""}, "the folders train, val are named like splits"),
    "a label without its picture": (
        {"1.png": b"", "1.cls": b"0", "2.cls": b"1"}, "'2.cls' names the class of a picture that is not there"),
    "a picture without its label": ({"1.png": b"", "1.cls": b"0", "2.png": b""}, "'2.png' has no class .1 of 2"),
    "an empty label": ({"1.png": b"", "1.cls": b" \n"}, "'1.cls' is empty; write the name or number of one class"),
    "a label of bytes": ({"1.png": b"", "1.cls": b"\xff"}, "'1.cls' is no text in UTF-8; write"),
    "all labels the same": (
        {"1.png": b"", "1.cls": b"7", "2.png": b"", "2.cls": b"7"}, "all 2 pictures have the class '7'; a training"),
}  # fmt: skip


@pytest.mark.parametrize("case", REFUSED)
def test_what_cannot_be_used_is_refused_with_file_and_remedy(bench: Any, refusal: Any, case: str) -> None:
    files, expected = REFUSED[case]
    folder = bench.folder / "pictures"
    folder.mkdir()
    told = refusal(as_folder(folder, files))
    assert re.search(expected, told), told
    assert "; " in told


def test_a_tar_that_ends_early_is_refused_before_anything_is_written(bench: Any, refusal: Any) -> None:
    whole = as_tar(bench.folder / "whole.tar", in_folders()).read_bytes()
    cut = bench.folder / "cut.tar"
    cut.write_bytes(whole[: len(whole) // 2])
    assert "is no whole tar" in refusal(cut)
    as_tar(bench.folder / "parts" / "a.tar", in_folders())
    (bench.folder / "parts" / "b.tar").write_bytes(whole[: len(whole) // 2])
    assert ": 'b.tar' is no whole tar" in refusal(bench.folder / "parts")


def test_a_training_with_one_class_or_fewer_classes_than_the_data_is_refused(bench: Any, refusal: Any) -> None:
    folder = as_folder(bench.folder / "pictures", in_folders())
    told = refusal(folder, recipe={"name": "resnet", "params": {"classes": 2}})
    assert told == "spec.recipe.params.classes: 2, but the pictures have 3 classes; raise it, or leave it out"
    few = as_folder(bench.folder / "few", {"ant/1.png": picture(1), "bee/2.png": picture(2)})
    assert "split is empty" in refusal(few)
    same = {f"{label}/{i}.png": picture(0) for i, label in enumerate(CLASSES)}
    whole = {"train": 1, "validation": 0, "test": 0}
    told = refusal(as_folder(bench.folder / "same", same), split=whole, workers={"replicas": 4})
    assert "3 training rows are fewer than the 4 ranks" in told


def solid(mode: str, colour: Any, size: tuple[int, int] = (8, 8)) -> Image.Image:
    return Image.new(mode, size, colour)


@pytest.mark.parametrize(
    ("content", "expected"),
    [
        (encoded(solid("L", 77)), (77, 77, 77)),
        (encoded(solid("RGBA", (255, 0, 0, 0))), (255, 255, 255)),
        (encoded(solid("RGBA", (255, 0, 0, 255))), (255, 0, 0)),
        (encoded(solid("LA", (0, 0))), (255, 255, 255)),
        (encoded(solid("P", 0), "GIF", transparency=0), (255, 255, 255)),
        (encoded(solid("1", 1)), (255, 255, 255)),
        (encoded(Image.fromarray(np.full((8, 8), 0x1234, np.uint16))), (0x12, 0x12, 0x12)),
        (encoded(solid("CMYK", (0, 0, 0, 0)), "JPEG"), (255, 255, 255)),
    ],
    ids=["grey", "transparent", "opaque", "grey alpha", "palette", "bits", "16 bits", "print"],
)  # fmt: skip
def test_every_kind_of_pixels_becomes_red_green_and_blue(content: bytes, expected: tuple[int, ...]) -> None:
    pixels = decoded(content, 32)
    assert pixels.shape == (3, 32, 32)
    assert (pixels == np.array(expected, np.uint8)[:, None, None]).all()


def test_the_square_in_the_middle_is_taken_and_turned_as_its_camera_says() -> None:
    halves = Image.new("RGB", (300, 100), "red")
    halves.paste("blue", (100, 0, 150, 100))
    halves.paste("lime", (150, 0, 200, 100))
    pixels = decoded(encoded(halves), 32)
    assert pixels[:, 16, 2].tolist() == [0, 0, 255]
    assert pixels[:, 16, 29].tolist() == [0, 255, 0]
    exif = Image.Exif()
    exif[0x0112] = 6  # what is up was on the left
    turned = decoded(encoded(halves, exif=exif), 32)
    assert (turned == np.rot90(pixels, -1, axes=(1, 2))).all()


def test_a_file_that_claims_to_be_huge_and_numbers_of_32_bits_are_unreadable() -> None:
    huge = encoded(Image.new("1", (20_000, 6_000)))
    assert len(huge) < 100_000
    with pytest.raises(UnreadablePicture, match="20,000 x 6,000 pixels"):
        decoded(huge, 32)
    with pytest.raises(UnreadablePicture, match=r"32 bits .mode F."):
        decoded(encoded(Image.new("F", (9, 9)), "TIFF"), 32)


def test_a_source_that_is_builtin_is_refused_for_pictures(bench: Any) -> None:
    document = bench.spec("x", recipe=RESNET).to_json_object()
    document["data"]["source"] = {"builtin": "digits"}
    with pytest.raises(BadSpec, match="digits is a table, and the recipe needs other samples"):
        prepare(TrainingJobSpec.model_validate(document), bench.folder / "prepared")


def test_without_pillow_the_refusal_says_what_to_install(refusal: Any, tmp_path: Path, monkeypatch: Any) -> None:
    folder = as_folder(tmp_path / "pictures", in_folders(3))
    monkeypatch.setitem(sys.modules, "PIL", None)
    for name in [name for name in sys.modules if name.startswith("wattrain_worker.data.images.")]:
        monkeypatch.delitem(sys.modules, name)
    told = refusal(folder)
    assert told.startswith("spec.recipe.name: resnet needs pillow, which reads pictures")
    assert "; pip install 'wattrain[images]', or take a worker image that has it" in told
