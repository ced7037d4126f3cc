"""`wattrain init` for pictures and texts: what it proposes is what a training takes, without an edit."""

from __future__ import annotations

import io
import json
import tarfile
from pathlib import Path

import numpy as np
import pytest
from PIL import Image

from wattrain_api.data import Source
from wattrain_api.inspected import InspectedFolder
from wattrain_api.load import load_files
from wattrain_api.support import unsupported
from wattrain_operator.cli.starter_folder_job import folder_job_text
from wattrain_worker.data.folder_inspection import inspect_folder, main
from wattrain_worker.data.images import picture_inspection
from wattrain_worker.data.prepare import prepare
from wattrain_worker.errors import BadData

WORDS = ("the", "rank", "keeps", "its", "step", "until", "a", "checkpoint", "is", "whole", "and", "goes", "on")


def picture(seed: int, size: tuple[int, int]) -> bytes:
    pixels = np.random.default_rng(seed).integers(0, 256, (size[1], size[0], 3), np.uint8)
    content = io.BytesIO()
    Image.fromarray(pixels).save(content, "PNG")
    return content.getvalue()


def text(seed: int, paragraphs: int = 20) -> str:
    draw = np.random.default_rng(seed)
    return "\n\n".join(" ".join(draw.choice(WORDS, 12)) + "." for _ in range(paragraphs))


def written(folder: Path, files: dict[str, bytes]) -> Path:
    for name, content in files.items():
        (folder / name).parent.mkdir(parents=True, exist_ok=True)
        (folder / name).write_bytes(content)
    return folder


def pictures(count: int, size: tuple[int, int]) -> dict[str, bytes]:
    return {f"{'ab'[i % 2]}/{i:03}.png": picture(i, size) for i in range(count)}


def proposed(path: Path, into: Path) -> InspectedFolder:
    """What is proposed, after the job that is written for it was read again and prepared."""
    seen = inspect_folder(Source(uri=str(path)))
    (into / "job.yaml").write_text(folder_job_text(str(path), seen, "job.yaml"))
    (job,) = load_files([into / "job.yaml"]).jobs
    assert unsupported(job.spec) == []
    assert (job.spec.data, job.spec.recipe) == (seen.data, seen.recipe)
    counts = prepare(job.spec, into / "prepared").document["counts"]
    assert (counts["training"], counts["validation"], counts["test"]) == (seen.training, seen.validation, seen.test)
    return seen


@pytest.mark.parametrize(
    ("size", "proposal"), [((20, 90), 32), ((60, 90), 48), ((200, 70), 64), ((100, 100), 96), ((130, 128), 128)]
)
def test_pictures_are_made_as_wide_as_the_median_shorter_side_allows(size, proposal, tmp_path):
    seen = proposed(written(tmp_path / "given", pictures(20, size)), tmp_path)
    assert seen.recipe.name == "resnet"
    assert seen.data.image.size == proposal
    assert seen.shorter_sides == (min(size),) * 3
    assert (seen.data.split.method, seen.data.image.max_corrupt) == ("stratified", 0)
    assert (seen.found, seen.looked_at, seen.unreadable) == (20, 20, 0)
    assert seen.recipe.params.norm == "group"
    assert [(each.name, each.rows) for each in seen.classes] == [("a", 10), ("b", 10)]


def test_unreadable_pictures_are_left_out_where_some_were_seen(tmp_path):
    files = pictures(40, (8, 8)) | {"a/017.png": b"no picture"}
    seen = proposed(written(tmp_path / "given", files), tmp_path)
    assert (seen.unreadable, seen.data.image.max_corrupt) == (1, 0.05)
    assert "1 of 41 pictures are left out" in "".join(seen.warnings)


def test_of_many_pictures_some_are_decoded_and_the_counts_are_those_of_the_preparation(tmp_path, monkeypatch):
    monkeypatch.setattr(picture_inspection, "SAMPLES_FOR_DEFAULT_SHARES", 100)
    seen = proposed(written(tmp_path / "given", pictures(240, (8, 8))), tmp_path)
    assert (seen.found, seen.looked_at, seen.training) == (240, 100, 192)


def test_a_tar_of_pictures_is_looked_at_like_a_folder(tmp_path):
    with tarfile.open(tmp_path / "given.tar", "w") as tar:
        for name, content in pictures(20, (40, 40)).items():
            member = tarfile.TarInfo(name)
            member.size = len(content)
            tar.addfile(member, io.BytesIO(content))
    assert proposed(tmp_path / "given.tar", tmp_path).data.image.size == 32


@pytest.mark.parametrize(("count", "train"), [(1, 0.8), (3, 0.6), (6, 0.8), (40, 0.8)])
def test_no_split_of_texts_is_empty_however_few_documents_there_are(count, train, tmp_path):
    files = {f"{i}.txt": text(i).encode() for i in range(count)}
    seen = proposed(written(tmp_path / "given", files), tmp_path)
    assert seen.recipe.name == "gpt"
    assert (seen.found, seen.text_bytes) == (count, sum(map(len, files.values())))
    assert min(seen.training, seen.validation, seen.test) > 0
    assert seen.data.split.train == train


def test_a_line_alone_is_trained_on_without_validation_and_test(tmp_path):
    seen = proposed(written(tmp_path, {"given.txt": text(0, 1).encode()}) / "given.txt", tmp_path)
    assert (seen.training > 0, seen.validation, seen.test) == (True, 0, 0)


def test_more_text_has_a_larger_vocabulary_and_longer_windows(tmp_path):
    lines = "".join(json.dumps({"text": text(i)}) + "\n" for i in range(150))
    small = proposed(written(tmp_path, {"small.txt": text(0, 80).encode()}) / "small.txt", tmp_path).data.text
    large = proposed(written(tmp_path, {"large.jsonl": lines.encode()}) / "large.jsonl", tmp_path).data.text
    assert (small.vocabulary_size, small.sequence_length) == (512, 16)
    assert (large.vocabulary_size, large.sequence_length) == (512, 128)


def test_what_there_is_more_of_is_trained_on(tmp_path):
    some = pictures(12, (8, 8))
    texts = {f"{i}.txt": text(i).encode() for i in range(13)}
    assert inspect_folder(Source(uri=str(written(tmp_path / "a", some | texts)))).recipe.name == "gpt"
    (tmp_path / "a" / "0.txt").unlink()
    assert inspect_folder(Source(uri=str(tmp_path / "a"))).recipe.name == "resnet"


@pytest.mark.parametrize(
    ("files", "said"),
    [
        ({"a.png": picture(0, (8, 8)), "b.png": picture(1, (8, 8))}, "has no class (2 of 2 pictures have none)"),
        ({"a/1.png": b"x", "b/1.png": b"y"}, "none of 2 pictures can be decoded, the first: 'a/1.png' (it is of no"),
        ({"train/1.png": b"x", "val/1.png": b"y"}, "are named like splits, not like classes"),
        ({"a.txt": b"\xff\xfe"}, "'a.txt', line 1: the byte 0xff is no UTF-8"),
        ({"a.md": b"x", "b.md": b"y"}, "given' has neither pictures nor texts, but 2 .md; give a folder"),
    ],
)
def test_what_no_training_could_learn_from_is_refused_by_a_sentence(files, said, tmp_path, capsys):
    source = Source(uri=str(written(tmp_path / "given", files)))
    with pytest.raises(BadData) as refused:
        inspect_folder(source)
    assert said in str(refused.value)
    assert main(["--source", source.model_dump_json()]) == 2
    assert capsys.readouterr().err.startswith("error: data: ")
