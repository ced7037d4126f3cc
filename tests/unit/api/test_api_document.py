import pytest

from wattrain_api.document import MAX_VALUES, read_documents, resolve
from wattrain_api.load import MAX_FILE_BYTES
from wattrain_api.problem import InvalidInput


def test_every_value_knows_its_line():
    document = read_documents("a:\n  b:\n  - c: 1\n  - d: 2\n", "f")[0]
    assert document.value == {"a": {"b": [{"c": 1}, {"d": 2}]}}
    assert document.line_of(("a", "b", 1, "d")) == 4
    assert document.line_of(("a", "b", 7)) == 2


@pytest.mark.parametrize(
    ("text", "value"),
    [
        ("1e-3", 0.001), ("1.", 1), (".5", 0.5), ("1e3", 1000), ("1e300", 1e300),
        ("0x10", 16), ("010", 8), ("0o10", 8), ("1_000", 1000), ("-3", -3),
        ("22:00", "22:00"), ("2026-12-01", "2026-12-01"), ("yes", True), ("Off", False), ("n", False), ("~", None),
        ("", None), ("-.inf", float("-inf")), ("1.2.3", "1.2.3"), ("0o9", "0o9"), ("9" * 5000, float("inf")),
    ],
)  # fmt: skip
def test_a_plain_scalar_is_what_kubectl_takes_it_for(text, value):
    assert resolve(text) == value
    assert type(resolve(text)) is type(value)


def test_quotes_keep_text_as_text():
    assert read_documents("""{a: "off", b: '5', c: !!str x}""", "f")[0].value == {"a": "off", "b": "5", "c": "x"}


def test_maps_are_merged_and_the_own_fields_win():
    text = "base: &base {a: 1, b: 2}\nmore: &more {b: 3, c: 4}\nx: {<<: [*base, *more], a: 9}\n"
    assert read_documents(text, "f")[0].value["x"] == {"a": 9, "b": 2, "c": 4}


@pytest.mark.parametrize(
    ("text", "line", "words"),
    [
        ("a: 1\nb: 2\na: 3\n", 3, "already given in line 1"),
        ("a: [1\nb: 2\n", 2, "this is not YAML"),
        ("a:\n\tb: 1\n", 2, "cannot be indented with tabs"),
        ("a: *b\n", 1, "undefined alias"),
        ("a: 1\nb: !!python/object/apply:os.system [ls]\n", 2, "is not understood"),
        ("a:\n  y: 1\n", 2, 'put it in quotes: "y"'),
        ("? [a]\n: 1\n", 1, "cannot be the name of a field"),
        ("x: 1\na: \x07\n", 2, "a character that YAML does not allow"),
        ("a: {<<: 3}\n", 1, "<< merges maps alone"),
    ],
)
def test_what_is_no_safe_yaml_is_refused_with_its_line(text, line, words):
    with pytest.raises(InvalidInput) as caught:
        read_documents(text, "f")
    assert caught.value.problems[0].line == line
    assert words in str(caught.value)


@pytest.mark.parametrize(
    "text", ["a: &a [*a]", "a: &a {<<: *a}", "[" * 3000, "[" * 70 + "]" * 70], ids=["alias", "merge", "open", "deep"]
)
def test_endless_nesting_is_refused(text):
    with pytest.raises(InvalidInput, match=r"nested too deeply|levels"):
        read_documents(text, "f")


def test_aliases_that_multiply_are_refused_before_they_fill_the_memory():
    layers = ["a0: &a0 [x, x, x, x, x, x, x, x, x, x]"]
    layers += [f"a{n}: &a{n} [{', '.join([f'*a{n - 1}'] * 10)}]" for n in range(1, 12)]
    with pytest.raises(InvalidInput, match=f"more than {MAX_VALUES:,} values"):
        read_documents("\n".join(layers), "f")


def test_a_file_that_is_too_large_is_refused(refusal):
    assert refusal("#" * (MAX_FILE_BYTES + 1)) == "job.yaml: the file is larger than 1 MiB; keep only the job in it"


def test_a_file_that_is_not_utf_8_is_refused(tmp_path):
    from wattrain_api.load import load_files

    (tmp_path / "job.yaml").write_bytes("a: 1\nb: ü\n".encode("latin-1"))
    with pytest.raises(InvalidInput, match=r"job.yaml:2: this is not UTF-8 text"):
        load_files([tmp_path / "job.yaml"])
