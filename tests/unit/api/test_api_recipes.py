"""Parameters by recipe: what the models refuse, what the definition refuses, and in which words."""

from typing import Annotated, Any, ClassVar, Literal

import pytest
from pydantic import Field

from wattrain_api.base import Model
from wattrain_api.recipe_parameters import RecipeParameters
from wattrain_api.registered import RECIPE_PARAMETERS
from wattrain_api.schema import structural_schema
from wattrain_api.trainingjob import TrainingJob, TrainingJobSpec

RULES = "x-kubernetes-validations"
RECIPE = structural_schema(TrainingJobSpec)["properties"]["recipe"]
NAMES = ", ".join(RECIPE_PARAMETERS)


def fields_of(name: str) -> dict[str, Any]:
    return structural_schema(RECIPE_PARAMETERS[name])["properties"]


def test_the_definition_has_all_recipes_and_all_their_parameters():
    assert RECIPE["properties"]["name"]["enum"] == list(RECIPE_PARAMETERS)
    assert set(RECIPE["properties"]["params"]["properties"]) == {
        f for name in RECIPE_PARAMETERS for f in fields_of(name)
    }


@pytest.mark.parametrize("name", list(RECIPE_PARAMETERS))
def test_models_and_rules_refuse_each_recipe_the_parameters_of_the_others(job, refusal, name):
    for field in RECIPE["properties"]["params"]["properties"]:
        job["spec"]["recipe"] = {"name": name, "params": {field: "wrong for all"}}
        told = refusal(job)
        taking = [rule["rule"] for rule in RECIPE[RULES] if rule["rule"].startswith(f"!has(self.params.{field})")]
        assert (f"spec.recipe.params.{field}: " in told, f"no parameter of {name}" in told) == (
            True,
            field not in fields_of(name),
        )
        assert all((f'"{name}"' in rule) == (field in fields_of(name)) for rule in taking)
        assert len(taking) == (not all(field in fields_of(other) for other in RECIPE_PARAMETERS))


@pytest.mark.parametrize(
    ("recipe", "expected"),
    [
        ({"name": "logistic-regression", "params": {"dropout": 0.5}},
         "spec.recipe.params.dropout: 0.5 is not allowed: no parameter of logistic-regression; remove it, or write "
         f"{' or '.join(name for name in RECIPE_PARAMETERS if 'dropout' in fields_of(name))} for recipe.name"),
        ({"name": "mlp", "params": {"hiden": 3}},
         "spec.recipe.params.hiden: 3 is not allowed: there is no such field; did you mean hidden?"),
        ({"name": "logistic-regression", "params": {"hiden": 3}},
         "spec.recipe.params.hiden: 3 is not allowed: there is no such field; fields here are classes"),
        ({"name": "mlp", "params": {"dropout": 1}},
         "spec.recipe.params.dropout: 1 is not allowed: must be less than 1; write a number, at least 0 and less than "
         "1"),
        ({"name": "mlp", "params": {"hidden": [3, 0]}},
         "spec.recipe.params.hidden[1]: 0 is not allowed: must be at least 1; write a whole number, at least 1 and at "
         "most 65,536"),
        ({"name": "nlp"},
         f"spec.recipe.name: nlp is not allowed: must be one of {NAMES}; did you mean mlp?"),
        ({"name": "cnn"},
         f"spec.recipe.name: cnn is not allowed: must be one of {NAMES}; choose one of these"),
        ({"params": {}},
         "spec.recipe.name: required, but missing; add name: which model"),
        ({"name": "mlp", "mlp": 1}, "spec.recipe.mlp: there is no such field; fields here are name, params"),
        ("mlp", 'spec.recipe: "mlp" is not allowed: must be a map of fields; write fields with their values'),
    ],
)  # fmt: skip
def test_what_a_recipe_does_not_take_is_refused_with_field_value_and_remedy(job, refusal, recipe, expected):
    job["spec"]["recipe"] = recipe
    told = refusal(job).partition(": ")[2]
    assert told.startswith(expected)


def test_what_earlier_versions_have_stored_of_other_recipes_is_not_read():
    stored = {"name": "logistic-regression", "params": {"hidden": [64, 64], "dropout": 0, "classes": 3}}
    document = {"metadata": {"name": "x"}, "spec": {"recipe": stored, "data": {"source": {"builtin": "digits"}}}}
    document["spec"]["training"] = {"epochs": 1}
    spec = TrainingJob.model_validate(document, extra="ignore").spec
    assert spec.recipe is not None
    assert spec.recipe.to_json_object() == {"name": "logistic-regression", "params": {"classes": 3}}


def test_a_parameter_is_explained_with_its_default_and_whose_it_is():
    fields = RECIPE["properties"]["params"]["properties"]
    assert fields["hidden"]["description"] == "Of mlp: sizes of the hidden layers. Default: [64, 64]."
    assert fields["classes"]["description"] == (
        "Of bert-classifier, logistic-regression, mlp, resnet: number of classes; default: as many as the data has."
    )
    assert "mlp: a multilayer perceptron" in RECIPE["properties"]["name"]["description"]


# --- Unions in general ----------------------------------------------------------------------------------------------


class OneParameters(RecipeParameters):
    """First."""

    loop: Annotated[int, Field(ge=1)]
    """Turns."""
    width: int = 2
    """Width of one."""


class TwoParameters(RecipeParameters):
    """Second."""

    width: int = 3
    """Width of two."""


class One(Model):
    name: Literal["one"]
    """Which."""
    params: OneParameters
    """Parameters."""


class Two(Model):
    name: Literal["two"]
    """Which."""
    params: TwoParameters = TwoParameters()
    """Parameters."""


def union_of(*members: Any) -> dict[str, Any]:
    class Outer(Model):
        RULES: ClassVar = ()
        value: Annotated[members[0] | members[1], Field(discriminator="name")]

    return structural_schema(Outer)["properties"]["value"]


def test_a_parameter_that_one_recipe_needs_is_no_duty_of_the_others():
    union = union_of(One, Two)
    assert "required" not in union["properties"]["params"]
    assert [(rule["rule"], rule["fieldPath"]) for rule in union[RULES]] == [
        ('!has(self.params.__loop__) || self.name in ["one"]', ".params.loop"),
        ('self.name != "one" || has(self.params.__loop__)', ".params.loop"),
    ]


def test_the_same_parameter_of_two_recipes_is_described_for_each():
    width = union_of(One, Two)["properties"]["params"]["properties"]["width"]
    assert width["description"] == "Of one: width of one. Default: 2. Of two: width of two. Default: 3."
    assert "default" not in width


def test_only_a_word_that_is_no_abbreviation_begins_small_after_whose_parameter_it_is():
    class DecayingParameters(RecipeParameters):
        """Third."""

        decay: float = 0.0
        """L2 norm of the weights, times this, is added to the loss."""

    class Decaying(Model):
        name: Literal["decaying"]
        """Which."""
        params: DecayingParameters = DecayingParameters()
        """Parameters."""

    decay = union_of(Two, Decaying)["properties"]["params"]["properties"]["decay"]
    assert decay["description"].startswith("Of decaying: L2 norm of the weights")


def test_the_same_name_for_parameters_of_two_kinds_is_an_error_that_names_both():
    class OtherParameters(RecipeParameters):
        """Third."""

        width: str = ""
        """Width of the third."""

    class Other(Model):
        name: Literal["other"]
        """Which."""
        params: OtherParameters = OtherParameters()
        """Parameters."""

    with pytest.raises(ValueError, match=r"params\.width is not the same in the recipes two, other"):
        union_of(Two, Other)
