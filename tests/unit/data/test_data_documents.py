"""Documents, their splits, the tokenizer that is trained on one of them, and windows of tokens."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tarfile
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from wattrain_api.data import Split
from wattrain_worker.data.prepared_data import SPLITS, Prepared
from wattrain_worker.data.texts.byte_pairs import END_OF_TEXT, BytePairs, train_byte_pairs
from wattrain_worker.data.texts.documents import Document
from wattrain_worker.data.texts.paragraphs import paragraphs_of
from wattrain_worker.data.texts.text_splits import split_texts
from wattrain_worker.data.texts.windows import NO_TOKEN, windows_of
from wattrain_worker.errors import BadData, BadSpec

GPT: dict[str, Any] = {
    "recipe": {"name": "gpt"},
    "text": {"vocabularySize": 400, "sequenceLength": 16},
    "split": {"train": 0.6, "validation": 0.2, "test": 0.2},
}
WORDS = ["Der", "Zug", "fährt", "am", "Abend", "über", "die", "Brücke;", "niemand", "sieht", "ihn."]


def texts_of(count: int) -> list[str]:
    """Documents that differ, some of them by a word alone."""
    return [" ".join([*WORDS[number % 7 :], f"Nr. {number}.\n", *WORDS]) for number in range(count)]


@pytest.fixture
def lines(bench: Any) -> Path:
    written = "".join(json.dumps({"text": text, "n": 1}) + "\n" for text in texts_of(60))
    return Path(bench.write(written, "texts.jsonl"))


def read_back(prepared: Prepared, split: str, bench: Any) -> str:
    """What the windows of `split` say, with the end of each text."""
    from tokenizers import Tokenizer

    content = (bench.folder / "prepared" / "tokenizer.json").read_bytes().decode()
    tokens = getattr(prepared, split).tensors["tokens"]
    following = tokens[:, 1:].ravel()
    return str(Tokenizer.from_str(content).decode(following[following != NO_TOKEN].tolist(), skip_special_tokens=False))


def test_every_document_is_in_one_split_and_its_windows_hold_every_byte_of_it(bench: Any, lines: Path) -> None:
    prepared = bench.prepared(lines, **GPT)
    found = [read_back(prepared, split, bench).split(END_OF_TEXT)[:-1] for split in SPLITS]
    assert sorted(text for each in found for text in each) == sorted(texts_of(60))
    assert [len(each) for each in found] == [prepared.document["documents"][split] for split in SPLITS]
    for split, texts in zip(SPLITS, found, strict=True):
        assert getattr(prepared, split).tensors["bytes"].sum() == sum(len(text.encode()) for text in texts)
    assert prepared.document["counts"]["testAlsoInTraining"] == 0


def test_the_same_documents_give_the_same_bytes_in_another_process(bench: Any, lines: Path) -> None:
    bench.prepare(lines, **GPT)
    spec = bench.spec(lines, **GPT)
    (bench.folder / "spec.json").write_text(spec.model_dump_json(by_alias=True))
    environment = {"WATTRAIN_SPEC": str(bench.folder / "spec.json"), "WATTRAIN_DATA_DIR": str(bench.folder / "again")}
    environment |= {"TOKENIZERS_PARALLELISM": "false"}
    subprocess.run([sys.executable, "-m", "wattrain_worker.data"], env=environment, check=True, capture_output=True)
    assert bench.shards() == bench.shards("again")


def test_the_tokenizer_is_trained_on_the_training_split_alone(bench: Any) -> None:
    """A word of validation and test changes neither the tokenizer nor what is trained on; one of training does."""
    parts = split_texts([Document("", "\n\n".join(texts_of(60)))], Split(**GPT["split"])).texts
    for into, splits in (("as-it-was", ()), ("leak", ("validation", "test")), ("learnt", ("train",))):
        # as long as the word before, so that the document is cut at the same places
        text = "".join(each.replace("niemand", "qzwxqzw") if s in splits else each for s in SPLITS for each in parts[s])
        bench.prepare(bench.write(text, f"{into}.txt"), into=into, **GPT)
    was, leak, learnt = (bench.shards(into) for into in ("as-it-was", "leak", "learnt"))
    assert leak["test.safetensors"] != was["test.safetensors"]
    for name in ("tokenizer.json", "train.safetensors"):
        assert leak[name] == was[name] != learnt[name]
    assert any("qzw" in token for token in json.loads(learnt["tokenizer.json"])["model"]["vocab"])


def test_equal_documents_stay_in_one_split_and_a_further_one_moves_none() -> None:
    documents = [Document("", text) for text in texts_of(40)] * 2
    found = split_texts(documents, Split())
    assert found.repeats == 40
    for one, other in (("train", "validation"), ("train", "test"), ("validation", "test")):
        assert not set(found.texts[one]) & set(found.texts[other])
    more = split_texts([*documents, Document("", "Ein weiteres Blatt.")], Split())
    for name in SPLITS:
        assert set(found.texts[name]) <= set(more.texts[name])


def test_a_single_document_is_cut_at_the_ends_of_its_paragraphs() -> None:
    text = "\n\n".join(texts_of(30))
    found = split_texts([Document("", text)], Split())
    assert "".join(part for name in SPLITS for part in found.texts[name]) == text
    assert all(part.endswith("\n\n") for name in SPLITS[:2] for part in found.texts[name])
    assert [len("".join(found.texts[name])) / len(text) for name in SPLITS] == pytest.approx([0.8, 0.1, 0.1], abs=0.04)
    lines = split_texts([Document("", "a line\n" * 10)], Split())
    assert [each[0].count("\n") for each in lines.texts.values()] == [8, 1, 1]
    assert lines.test_also_in_training == 1


def test_a_split_that_nothing_comes_into_is_refused_with_what_to_do() -> None:
    with pytest.raises(BadData, match=r"the \w+ split is empty: there are 2 documents, .*; give more, write another"):
        split_texts([Document("", "one"), Document("", "two")], Split())
    assert split_texts([Document("", "one")], Split(train=1, validation=0, test=0)).texts["train"] == ["one"]


def test_paragraphs_put_together_are_the_text_and_long_ones_end_with_a_line() -> None:
    for text in ("", "a", "a\n", "a\n\n\nb\n \nc", "\n\na\r\n\r\nb", "a\u2028b\n\nc"):
        assert "".join(paragraphs_of(text)) == text
    assert list(paragraphs_of("a\nb\n\n\nc\n")) == ["a\nb\n\n\n", "c\n"]
    long = list(paragraphs_of("0123456789\n" * 5000))
    assert max(map(len, long)) < 17_000
    assert all(part.endswith("\n") for part in long)


def test_what_looks_like_the_end_of_a_text_is_text() -> None:
    pairs = BytePairs(train_byte_pairs(texts_of(9), 300))
    stream = pairs.stream([f"a{END_OF_TEXT}b"])
    assert [stream[0], stream[-1]] == [pairs.end_of_text] * 2
    assert pairs.end_of_text not in stream[1:-1]
    assert pairs.bytes_of_tokens[stream].sum() == len(f"a{END_OF_TEXT}b")


def test_windows_predict_each_token_once() -> None:
    shard = windows_of(np.arange(12, dtype=np.uint16), 4, np.full(12, 3, np.int32))
    assert shard.tensors["tokens"].tolist() == [[0, 1, 2, 3, 4], [4, 5, 6, 7, 8], [8, 9, 10, 11, NO_TOKEN]]
    assert shard.tensors["bytes"].tolist() == [12, 12, 9]
    assert len(windows_of(np.array([7], np.uint16), 4, np.full(12, 3, np.int32))) == 0


def test_a_folder_and_a_tar_of_texts_are_prepared_alike_and_other_files_are_named(bench: Any) -> None:
    folder = bench.folder / "texts"
    (folder / "b").mkdir(parents=True)
    for number, text in enumerate(texts_of(40)):
        (folder / "b" / f"{number:02}.txt").write_text(text, encoding="utf-8")
    (folder / "readme.md").write_text("no text of ours")
    prepared = bench.prepared(folder, **GPT)
    assert prepared.document["warnings"] == [
        "1 files end neither in .txt nor in .jsonl and are left out: 'readme.md'; rename or remove them"
    ]
    with tarfile.open(bench.folder / "texts.tar.gz", "w:gz") as tar:
        for path in sorted((folder / "b").iterdir()):
            tar.add(path, path.name)
    bench.prepare(bench.folder / "texts.tar.gz", into="of-tar", **GPT)
    assert {name: each for name, each in bench.shards("of-tar").items() if name != "prepare.json"} == {
        name: each for name, each in bench.shards().items() if name != "prepare.json"
    }


@pytest.mark.parametrize(
    ("name", "content", "said"),
    [
        ("a.txt", b"gut\nsch\xf6n\n", r"'a\.txt', line 2: the byte 0xf6 is no UTF-8; convert the file"),
        ("a.txt", b"", r"'a\.txt', line 1: the file is empty; remove it"),
        ("a.txt", b"\xef\xbb\xbf \n", r"'a\.txt', line 1: the file is empty"),
        ("a.jsonl", b'{"text": "a"}\n{"text": \n', r"'a\.jsonl', line 2: no JSON \(.*\); write one object a line"),
        (
            "a.jsonl",
            b'{"text": "a"}\n\n{"body": "b"}\n',
            r"'a\.jsonl', line 3: no text; write an object with the field",
        ),
        ("a.jsonl", b'["a"]\n', r"'a\.jsonl', line 1: no text"),
        ("a.jsonl", b'{"text": "\\ud800"}\n', r"'a\.jsonl', line 1: \\ud800 is half of a character"),
        ("a.jsonl", b'{"text": " "}\n', r"has no text: 0 files .*, and 1 lines have an empty text; give \.txt files"),
        ("a.md", b"text", r"has no text: 1 files end neither in \.txt nor in \.jsonl"),
    ],
)
def test_what_is_no_text_is_refused_with_its_file_and_line(bench: Any, name: str, content: bytes, said: str) -> None:
    (bench.folder / name).write_bytes(content)
    assert re.search(said, str(bench.refusal(bench.folder / name, **GPT)))


def test_lines_with_an_empty_text_are_left_out_and_counted(bench: Any, lines: Path) -> None:
    with lines.open("a", encoding="utf-8") as file:
        file.write('{"text": ""}\n')
    counts = bench.prepared(lines, **GPT).document["counts"]
    assert (counts["read"], counts["missingDropped"]) == (61, 1)


def test_without_the_package_tokenizers_the_remedy_is_named(
    bench: Any, lines: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setitem(sys.modules, "tokenizers", None)
    for name in [name for name in sys.modules if name.startswith("wattrain_worker.data.texts.")]:
        monkeypatch.delitem(sys.modules, name)
    with pytest.raises(BadSpec, match=r"gpt needs tokenizers, .*; pip install 'wattrain\[text\]', or take a worker"):
        bench.prepare(lines, **GPT)
