"""The contract's structures and their JSON: nothing is lost between the two, and nonsense never gets in."""

from __future__ import annotations

import ast
import dataclasses
import functools
import inspect
import json
import math
import types
import typing
from typing import Any

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from wattrain_api.contract import (
    codec,
    directive,
    failures,
    gpu_limit,
    group_exchange,
    kinds,
    phases,
    progress,
    recorded_step,
    termination,
)
from wattrain_api.contract.codec import KIND, decode, decode_json, encode, encode_json, fields_of, problem_of
from wattrain_api.contract.directive import Directive
from wattrain_api.contract.failures import Failure
from wattrain_api.contract.group_exchange import MemberMessage, MemberReport, MemberState
from wattrain_api.contract.phases import Phase
from wattrain_api.contract.progress import Evaluation, PowerReading, Progress, RankReport, RestartInPlace
from wattrain_api.contract.termination import TerminationMessage

MODULES = (progress, group_exchange, termination, directive, failures, recorded_step, gpu_limit)
STRUCTURES = sorted(
    {item for module in MODULES for item in vars(module).values() if dataclasses.is_dataclass(item)},
    key=lambda structure: structure.__name__,
)
TYPES = {
    "count": int, "integer": int, "number": float, "figure": float, "amount": float, "time": float,
    "share": float,
    "true or false": bool, "reason": str, "word": str,
}  # fmt: skip
NONSENSE = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats() | st.text() | st.sampled_from([10**400, -1, "x" * 9999]),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(max_size=3), inner, max_size=3),
    max_leaves=5,
)


def structures() -> st.SearchStrategy[Any]:
    """Structures with sensible values, at least one of which is said."""
    return st.sampled_from(STRUCTURES).flatmap(sensible)


@functools.cache
def sensible(structure: type) -> st.SearchStrategy[Any]:
    hints = typing.get_type_hints(structure)
    values = {name: _value(kind, hints[name]) for name, _, kind, _ in fields_of(structure)}
    return st.builds(structure, **values).filter(encode)  # what says nothing is nothing


def _value(kind: codec.Kind, hint: Any) -> st.SearchStrategy[Any]:
    if typing.get_origin(hint) is types.UnionType:
        [inner] = [argument for argument in typing.get_args(hint) if argument is not type(None)]
        return st.none() | _value(kind, inner)
    if typing.get_origin(hint) is tuple:
        return st.lists(_value(kind, typing.get_args(hint)[0]), max_size=3).map(tuple)
    if kind.structure is not None:
        return sensible(kind.structure)
    if kind.words:
        return st.sampled_from(kind.words).map(hint)
    if hint is float:
        low = None if kind.name in ("number", "figure") else 0.0
        if kind.name == "figure":
            return st.floats(allow_nan=False)
        if kind.name == "share":
            return st.floats(0.0, 1.0, exclude_min=True)
        return st.floats(low, 1e9, allow_nan=False, allow_infinity=False)
    if hint is int:
        return st.integers(0, 2**31 - 1)
    if hint is bool:
        return st.booleans()
    return st.sampled_from(["Killed", "A"]) if kind.name == "reason" else st.text("abc", max_size=8)


@given(value=structures())
def test_what_is_encoded_is_decoded_as_it_was(value: Any) -> None:
    text = encode_json(value)
    assert decode_json(type(value), text) == value
    assert json.loads(text) == encode(value)


@st.composite
def spoilt(draw: st.DrawFn, document: st.SearchStrategy[Any]) -> Any:
    """A document with nonsense in up to four of its values, at any depth."""
    copy = json.loads(json.dumps(draw(document)))
    for _ in range(draw(st.integers(1, 4))):
        holder: Any = copy
        for _ in range(draw(st.integers(1, 3))):
            keys = sorted(holder) if isinstance(holder, dict) else range(len(holder))
            if not keys:
                break
            key = draw(st.sampled_from(keys))
            if not isinstance(holder[key], dict | list) or draw(st.booleans()):
                holder[key] = draw(NONSENSE)
                break
            holder = holder[key]
    return copy


@settings(suppress_health_check=[HealthCheck.too_slow])  # how fast a structure is made is the machine's
@given(data=st.data())
def test_whatever_is_decoded_makes_sense(data: st.DataObject) -> None:
    structure = data.draw(st.sampled_from(STRUCTURES))
    value = decode(structure, data.draw(spoilt(sensible(structure).map(encode))))
    if value is None:
        return
    _check(value)
    again = decode_json(structure, encode_json(value))
    assert again is None or encode(again) == encode(value)  # None: all that is left are defaults; nan equals nothing
    json.dumps(encode(value), allow_nan=False)


def _check(value: Any) -> None:
    hints = typing.get_type_hints(type(value))
    for name, _, kind, _ in fields_of(type(value)):
        item = getattr(value, name)
        for one in item if typing.get_origin(hints[name]) is tuple else [item]:
            if dataclasses.is_dataclass(one):
                _check(one)
            elif isinstance(one, str):
                assert one.isprintable()
                assert len(one) <= 2048
            elif isinstance(one, float):
                assert math.isfinite(one) or kind.name == "figure"
            elif isinstance(one, int) and kind.name == "count":
                assert 0 <= one < 2**53


@pytest.mark.parametrize("structure", STRUCTURES)
def test_every_field_has_a_kind_of_its_own_type(structure: type) -> None:
    for name, hint in typing.get_type_hints(structure).items():
        field = next(field for field in fields_of(structure) if field.name == name)
        is_tuple, is_optional = typing.get_origin(hint) is tuple, typing.get_origin(hint) is types.UnionType
        inner = typing.get_args(hint)[0] if is_tuple or is_optional else hint
        assert issubclass(inner, field.kind.structure or TYPES.get(field.kind.name.removeprefix("list of "), str)), name
        assert not (field.required and is_optional), name


def test_a_senseless_value_is_as_if_it_were_not_there() -> None:
    value = {"step": -1, "loss": "0.5", "phase": "dancing", "samples": "9", "epochs": True, "node": 5}
    assert decode(Progress, {**value, "attempt": 2}) == Progress(attempt=2)
    assert decode(Progress, value) is None


@pytest.mark.parametrize(("word", "text"), [("NaN", "nan"), ("Infinity", "inf"), ("-Infinity", "-inf")])
def test_a_figure_that_is_no_number_any_more_is_a_word_in_json(word: str, text: str) -> None:
    encoded = encode(RankReport(step=3, loss=float(text), validation=Evaluation(3, loss=float(text))))
    assert (encoded["loss"], encoded["validation"]) == (word, {"step": 3, "loss": word})
    found = decode_json(RankReport, json.dumps(encoded, allow_nan=False))
    assert found is not None
    assert str(found.loss) == text
    assert decode(RankReport, {"step": 3, "loss": word.lower(), "dataWaitSeconds": word}) == RankReport(step=3)


@pytest.mark.parametrize("value", [None, [], "text", 5, {}, {"unknown": 1}])
def test_what_is_no_object_or_says_nothing_is_nothing(value: object) -> None:
    assert decode(Evaluation, value) is None


@pytest.mark.parametrize("text", [b"", b"{", b"\xff", "[" * 1_000_000])
def test_what_is_no_json_is_nothing(text: bytes | str) -> None:
    assert decode_json(Progress, text) is None


def test_an_item_that_makes_no_sense_is_left_out_of_its_list() -> None:
    power = {"component": "cpu", "source": "model", "joules": 1.0, "lowJoules": 0.5, "highJoules": 2.0}
    worthless = [{**power, "source": "guess"}, {**power, "joules": -1}, {"component": "cpu"}, None, 5]
    found = decode(Progress, {"power": [*worthless, power], "messages": ["one", 2, "three"]})
    assert found is not None
    assert found.power == (PowerReading("cpu", "model", 1.0, 0.5, 2.0),)
    assert found.messages == ("one", "three")


def test_unknown_fields_of_a_newer_side_are_ignored_and_new_ones_are_optional() -> None:
    assert decode(Directive, {"version": 3, "cap": {"watts": 90}}) == Directive(3)
    assert decode(Progress, {"step": 5}) == Progress(step=5)


def test_a_figure_of_a_tensor_is_a_count_where_it_is_whole() -> None:
    assert decode(RankReport, {"step": 3.0}) == RankReport(step=3)
    assert decode(RankReport, {"step": 3.5}) is None


def test_a_report_of_a_rank_that_there_is_not_is_none() -> None:
    assert decode(RankReport, {"rank": "0", "step": 5}) is None
    assert decode(RankReport, {"step": 5}) == RankReport(rank=0, step=5)


def test_a_text_cannot_steer_a_terminal_nor_turn_a_line_around() -> None:
    failure = decode(Failure, {"lastLine": "\x1b[2Jdone\nfine\u202egnp", "node": "n" * 999})
    assert failure is not None
    assert (failure.last_line, len(failure.node)) == ("[2Jdone fine gnp", 253)


def test_none_is_absent_and_everything_else_is_said() -> None:
    said = encode(RestartInPlace(time=5.0, failure=Failure("Killed", -9, worker=1, rank=2)))
    assert said == {
        "time": 5.0, "reason": "Killed", "exitCode": -9, "worker": 1, "rank": 2, "node": "", "lastLine": "", "step": 0,
        "generation": 0, "resumedFromStep": 0, "joulesLost": 0.0,
    }  # fmt: skip


def test_halves_of_surrogate_pairs_do_not_stop_a_message() -> None:
    assert json.loads(encode_json(TerminationMessage(cause=Failure(last_line="a\ud800"))))["cause"]["lastLine"] == "a?"


@pytest.mark.parametrize(
    ("value", "said"),
    [
        ([], "a MemberMessage is an object, not []"),
        ({"worker": "0", "state": "running"}, "worker is '0': write count"),
        ({"worker": 0, "state": "asleep"}, "state is 'asleep': write waiting or running or failed or done or stopped"),
        ({"worker": 0, "state": "done"}, "report is None: write MemberReport"),
    ],
)
def test_a_message_that_is_of_no_use_is_explained(value: object, said: str) -> None:
    assert decode(MemberMessage, value) is None
    assert problem_of(MemberMessage, value) == said


def test_a_message_of_the_group_is_read() -> None:
    message = decode(MemberMessage, {"worker": 1, "state": "failed", "report": {"step": 7}, "failure": {"exitCode": 1}})
    assert message == MemberMessage(1, MemberState.FAILED, MemberReport(step=7), failure=Failure(exit_code=1))


def test_every_structure_is_explained_and_no_phase_is_listed_elsewhere() -> None:
    for module in MODULES:
        tree = ast.parse(inspect.getsource(module))
        classes = [node for node in tree.body if isinstance(node, ast.ClassDef)]
        assert [c.name for c in classes if ast.get_docstring(c) is None] == []
    assert set(phases.STARTING_PHASES) - {None, ""} <= set(Phase)
    assert f"{Phase.TRAINING}" == "training"
    assert KIND in kinds.count()
