from typing import Annotated, ClassVar

import pytest
from pydantic import Field

from wattrain_api.base import Model, Quantity, Rule
from wattrain_api.schema import structural_schema


class Inner(Model):
    """Inside."""

    a: Annotated[int, Field(ge=1, lt=5)] = 2
    """A number."""


class Outer(Model):
    """Outside."""

    RULES: ClassVar = (Rule("self.size > 0", "size must be positive", lambda _: True),)

    size: Annotated[float, Field(gt=0)]
    inner: Inner = Inner()
    other: Inner = Inner(a=3)
    """The other one."""
    maybe: Inner | None = None
    memory: Quantity | None = None
    pairs: Annotated[dict[Annotated[str, Field(max_length=9)], int], Field(max_length=3)] = {}


SCHEMA = structural_schema(Outer)
FIELDS = SCHEMA["properties"]


def test_exclusive_bounds_are_those_of_openapi_3_0():
    assert FIELDS["size"] == {"type": "number", "minimum": 0, "exclusiveMinimum": True}
    a = FIELDS["inner"]["properties"]["a"]
    assert (a["minimum"], a["maximum"], a["exclusiveMaximum"], a["format"]) == (1, 5, True, "int32")


def test_references_are_inlined_and_the_fields_own_description_wins():
    assert FIELDS["other"]["description"] == "The other one."
    assert FIELDS["maybe"]["description"] == "Inside."


def test_defaults_say_only_what_the_fields_inside_do_not():
    assert FIELDS["inner"]["default"] == {}
    assert FIELDS["other"]["default"] == {"a": 3}
    assert "default" not in FIELDS["maybe"]
    assert SCHEMA["required"] == ["size"]


def test_a_quantity_is_an_int_or_a_string_and_never_negative():
    assert FIELDS["memory"]["x-kubernetes-int-or-string"] is True
    assert FIELDS["memory"]["minimum"] == 0
    assert "type" not in FIELDS["memory"]


def test_rules_stand_at_their_object_and_bounds_of_keys_become_rules():
    assert SCHEMA["x-kubernetes-validations"] == [{"rule": "self.size > 0", "message": "size must be positive"}]
    assert FIELDS["pairs"]["maxProperties"] == 3
    assert "key.size() <= 9" in FIELDS["pairs"]["x-kubernetes-validations"][0]["rule"]


def test_what_has_no_structural_form_is_an_error():
    class Choice(Model):
        value: int | str

    class Multiple(Model):
        value: Annotated[int, Field(multiple_of=2)]

    with pytest.raises(ValueError, match="choice of types"):
        structural_schema(Choice)
    with pytest.raises(ValueError, match="multipleOf"):
        structural_schema(Multiple)
