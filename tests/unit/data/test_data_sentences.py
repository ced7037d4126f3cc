"""Pairs of sentences of word pieces: how they are made, and that they are the same each time."""

from __future__ import annotations

import json
import subprocess
import sys
from typing import Any

import numpy as np
import pytest

from wattrain_api.data import Source, Split
from wattrain_worker.data.source_files import opened
from wattrain_worker.data.texts.documents import read_documents
from wattrain_worker.data.texts.paragraphs import paragraphs_of, sentences_of
from wattrain_worker.data.texts.sentence_pairs import pairs_of
from wattrain_worker.data.texts.special_tokens import END, FIRST_WORD, PAD, SPECIAL_TOKENS, START
from wattrain_worker.data.texts.text_splits import split_texts
from wattrain_worker.errors import BadSpec

pytest.importorskip("tokenizers", reason="makes word pieces: pip install --editable '.[dev]'")

TEXTS = [
    f"The number {n} comes before {n + 1}. Is it even? It is {'even' if n % 2 == 0 else 'odd'}! So it is."
    for n in range(60)
]
TRAIN = """
import hashlib, json, sys
from wattrain_worker.data.texts.word_pieces import train_word_pieces
print(hashlib.sha256(train_word_pieces(json.loads(sys.argv[1]), 120)).hexdigest())
"""


def tokens(*numbers: int) -> Any:
    return np.array(numbers, np.uint16)


def test_sentences_end_at_marks_and_with_their_paragraph() -> None:
    text = "One. Two is\nlonger!  Three?\n\nNo mark\n\n3.5 is no end."
    assert sentences_of(paragraphs_of(text)) == ["One.", "Two is longer!", "Three?", "No mark", "3.5 is no end."]


def test_word_pieces_are_the_same_in_every_process_whatever_its_hash_tables(monkeypatch: pytest.MonkeyPatch) -> None:
    found = set()
    for threads in ("1", "2", "3"):
        monkeypatch.setenv("RAYON_NUM_THREADS", threads)
        done = subprocess.run(
            [sys.executable, "-c", TRAIN, json.dumps(TEXTS)], capture_output=True, text=True, check=True
        )
        found.add(done.stdout)
    assert len(found) == 1


def test_word_pieces_keep_words_and_what_a_text_writes_is_text() -> None:
    from wattrain_worker.data.texts.word_pieces import WordPieces, train_word_pieces

    content = train_word_pieces(TEXTS, 120)
    pieces = WordPieces(content)
    assert 60 < pieces.vocabulary <= 120
    [even, special, foreign] = pieces.encode(["even", "[MASK]", "\u03b1"])
    assert len(even) == 1
    assert all(special >= FIRST_WORD) or list(special) == [1, 1, 1], "no special token, but its characters"
    assert foreign.tolist() == [SPECIAL_TOKENS.index("[UNK]")]
    with pytest.raises(BadSpec, match="vocabularySize: 20, but the training split has"):
        train_word_pieces(TEXTS, 20)


def test_a_sample_is_two_parts_of_a_document_whose_second_follows_or_is_of_another_one() -> None:
    documents = [[tokens(10 * d + s, 10 * d + s) for s in range(1, 5)] for d in range(1, 41)]
    shard = pairs_of(documents, 16, seed=3).tensors
    assert shard["tokens"].shape == (40, 16)
    follows = shard["follows"].astype(bool)
    assert 8 < follows.sum() < 32
    for number, row in enumerate(shard["tokens"].tolist()):
        whole = row[: row.index(PAD)] if PAD in row else row
        assert (whole[0], whole[-1], whole.count(END)) == (START, END, 2)
        middle = whole.index(END)
        first, second = whole[1:middle], whole[middle + 1 : -1]
        assert {token // 10 for token in first} == {number + 1}
        assert ({token // 10 for token in second} == {number + 1}) == follows[number]
        if follows[number]:
            assert first + second == [10 * (number + 1) + s for s in range(1, 5) for _ in range(2)]
        assert shard["second"][number].tolist() == [0] * (middle + 1) + [1] * (len(second) + 1) + [0] * (
            16 - len(whole)
        )
    again = pairs_of(documents, 16, seed=3).tensors
    assert all(np.array_equal(shard[name], again[name]) for name in shard)
    assert not np.array_equal(pairs_of(documents, 16, seed=4).tensors["follows"], shard["follows"])


def test_of_one_document_alone_all_second_parts_follow_and_of_one_sentence_there_is_no_pair() -> None:
    assert pairs_of([[tokens(7), tokens(8), tokens(9)]], 16, seed=1).tensors["follows"].tolist() == [1]
    assert len(pairs_of([[tokens(7, 7)]], 16, seed=1)) == 0


def test_a_long_sentence_is_cut_so_that_no_sample_is_too_long() -> None:
    shard = pairs_of([[tokens(*[7] * 100), tokens(*[8] * 100), tokens(9)]], 16, seed=1).tensors
    assert shard["tokens"].shape[1] == 16
    assert (shard["tokens"] == END).sum(axis=1).tolist() == [2] * len(shard["tokens"])


def test_other_texts_in_validation_and_test_change_neither_vocabulary_nor_training_samples(bench: Any) -> None:
    data = {"recipe": {"name": "bert"}, "text": {"vocabularySize": 300, "sequenceLength": 32}}
    foreign = [f"{text} Vexed zyzzyva, quoth he." for text in TEXTS]

    def source(texts: list[str]) -> Any:
        return bench.write("".join(json.dumps({"text": text}) + "\n" for text in texts), "texts.jsonl")

    def dealt(texts: list[str]) -> dict[str, list[str]]:
        return split_texts(read_documents(opened(Source(uri=str(source(texts))))).found, Split()).texts

    assert bench.prepare(source(TEXTS), into="once", **data).document["task"] == "masked-language-modeling"
    elsewhere = dealt(foreign)
    kept = set(dealt(TEXTS)["train"])
    others = [text for text in foreign if text in (*elsewhere["validation"], *elsewhere["test"])]
    found = bench.prepare(source([*(text for text in TEXTS if text in kept), *others]), into="again", **data).document
    assert found["documents"]["train"] == len(kept)
    once, again = bench.shards("once"), bench.shards("again")
    assert (again["tokenizer.json"], again["train.safetensors"]) == (once["tokenizer.json"], once["train.safetensors"])
    assert again["test.safetensors"] != once["test.safetensors"]
