"""Whatever a file holds, it loads or is refused with words: never a traceback."""

from collections.abc import Callable
from typing import Any

import yaml
from hypothesis import given, settings
from hypothesis import strategies as st

from wattrain_api.document import read_documents
from wattrain_api.load import load_files
from wattrain_api.problem import InvalidInput
from wattrain_api.schema import Schema, structural_schema
from wattrain_api.trainingjob import TrainingJob

NAMES = st.sampled_from(["a", "name", "0", "é", "y"])
SCALARS = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.sampled_from(["off", "2Gi", "mlp", "x-"]),
)
VALUES = st.recursive(SCALARS, lambda inner: st.lists(inner, max_size=3) | st.dictionaries(NAMES, inner, max_size=3))


def sometimes_right(schema: Schema) -> st.SearchStrategy[Any]:
    """Values with the field names of `schema`, right and wrong ones mixed."""
    if "enum" in schema:
        return st.sampled_from(schema["enum"]) | SCALARS
    if "properties" in schema:
        fields = {name: sometimes_right(child) for name, child in schema["properties"].items()}
        return st.fixed_dictionaries({}, optional=fields)
    if "items" in schema:
        return st.lists(sometimes_right(schema["items"]), max_size=2) | SCALARS
    if "additionalProperties" in schema:
        return st.dictionaries(NAMES, sometimes_right(schema["additionalProperties"]), max_size=2) | SCALARS
    return st.integers(-1, 10) | VALUES


SPECS = sometimes_right(structural_schema(TrainingJob)["properties"]["spec"])


def refusal(read: Callable[[], object]) -> InvalidInput | None:
    try:
        read()
    except InvalidInput as error:
        return error
    return None


@given(st.text(alphabet="ab:-[]{}&*!<#|>'\"%@`?, \n\t0.~\x85\ufeff", max_size=60))
@settings(max_examples=300, deadline=None)
def test_any_text_is_read_or_refused(text):
    refused = refusal(lambda: read_documents(text, "f"))
    assert refused is None or all(problem.message for problem in refused.problems)


@given(spec=SPECS | VALUES, metadata=VALUES | st.just({"name": "digits"}))
@settings(max_examples=150, deadline=None)
def test_any_document_is_loaded_or_refused(tmp_path_factory, spec, metadata):
    document = {"apiVersion": "wattrain.dev/v1alpha1", "kind": "TrainingJob", "metadata": metadata, "spec": spec}
    file = tmp_path_factory.getbasetemp() / "fuzz.yaml"
    file.write_text(yaml.safe_dump(document), encoding="utf-8")
    refused = refusal(lambda: load_files([file]))
    for problem in refused.problems if refused else ():
        assert problem.message
        assert str(problem).isprintable()
