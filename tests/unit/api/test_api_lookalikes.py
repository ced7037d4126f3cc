import pytest

from .conftest import JOB

ITEM = "- " + "".join(f"  {line}\n" for line in JOB.splitlines())[2:]
LIST = f"apiVersion: v1\nkind: List\nitems:\n{ITEM}"


@pytest.mark.parametrize(
    ("old", "new", "place", "name"),
    [
        ("    epochs", "\u00a0\u00a0\u00a0 epochs", "9: column 1", "no-break space (U+00A0)"),
        ("    epochs", "  \u00a0\u00a0epochs", "9: column 3", "no-break space (U+00A0)"),
        ("epochs: 2", "epochs:\u00a02", "9: column 12", "no-break space (U+00A0)"),
        ("epochs: 2", "epochs: \u00a02", "9: column 13", "no-break space (U+00A0)"),
        ("epochs: 2", "epochs: 2\u202f", "9: column 14", "narrow no-break space (U+202F)"),
        ("training:", "training\u00a0:", "8: column 11", "no-break space (U+00A0)"),
        ("  training:", "\u3000\n  training:", "8: column 1", "ideographic space (U+3000)"),
        ("epochs", "\u200bepochs", "9: column 5", "zero width space (U+200B)"),
        ("spec", "\ufeffspec", "4: column 1", "zero width no-break space (U+FEFF)"),
    ],
)
def test_a_character_that_only_looks_like_a_space_is_told_first_with_line_and_column(refusal, old, new, place, name):
    first = refusal(JOB.replace(old, new)).splitlines()[0]
    assert first == (
        f"job.yaml:{place}: {name}, which looks like a space or like nothing, and is a letter to YAML; delete it, and "
        "type a space where one is needed"
    )


@pytest.mark.parametrize(
    "text",
    [
        JOB + "# a\u00a0comment:\u00a0\n",
        JOB.replace("name: digits", 'name: digits, annotations: {a: "x:\u00a0y"}'),
        JOB.replace("builtin: digits}", "builtin: digits}\n    label: prix\u00a0total"),
    ],
)
def test_where_text_is_meant_any_character_is_right_and_not_blamed_for_another_fault(load, refusal, text):
    assert load(text).jobs
    assert "U+00A0" not in refusal(text.replace("epochs: 2", "epochs: -2"))


def test_a_list_of_kubectl_is_read_item_by_item(load):
    loaded = load(LIST + "- apiVersion: v1\n  kind: ConfigMap\n  metadata: {name: x}\n")
    assert [job.metadata.name for job in loaded.jobs] == ["digits"]
    assert [each.split(":")[-2:] for each in loaded.skipped] == [["13", " ConfigMap"]]
    own = LIST.replace("v1", "wattrain.dev/v1alpha1", 1).replace("kind: List", "kind: TrainingJobList")
    assert len(load(own).jobs) == 1


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        (LIST.replace("epochs: 2", "epochs: -2"), "job.yaml:12: spec.training.epochs: -2 is not allowed: must be at"),
        (LIST + "---\n" + JOB, "job.yaml:14: a second TrainingJob digits: the first is in job.yaml:4"),
        ("apiVersion: v1\nkind: List\nitems: {a: 1}\n", "job.yaml:3: items: must be a list of objects; write each"),
        ("apiVersion: v1\nkind: List\nitems: []\n", "there is no TrainingJob; give a file with kind: TrainingJob"),
        ("apiVersion: v1\nkind: List\nitems: [3]\n", "job.yaml:3: not a Kubernetes object"),
    ],
)  # fmt: skip
def test_what_is_wrong_in_a_list_has_the_line_and_the_field_of_its_item(refusal, text, expected):
    assert expected in refusal(text)
