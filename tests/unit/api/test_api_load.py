from pathlib import Path

import pytest

from wattrain_api.load import InvalidInput, load_files
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.schema import structural_schema
from wattrain_api.trainingjob import TrainingJob
from wattrain_api.translation import PATTERNS

from .conftest import JOB


@pytest.mark.parametrize("deadline", ["1", "'1'", "2026-12-01 18:00:00Z", "2026-12-01T18:00:00", "tomorrow", "[]"])
def test_a_deadline_is_a_time_with_its_zone_and_nothing_else(refusal, deadline):
    text = refusal(f"{JOB}  energy: {{carbon: {{mode: StartWindow, deadline: {deadline}}}}}\n")
    assert text.startswith("job.yaml:10: spec.energy.carbon.deadline: ")
    assert "must be " in text


def test_a_job_is_loaded_with_its_defaults_and_its_domains(load):
    domain = "---\napiVersion: wattrain.dev/v1alpha1\nkind: PowerDomain\nmetadata: {name: default}\nspec: {pue: 1.5}\n"
    loaded = load(JOB + domain)
    [job] = loaded.jobs
    assert job.metadata.name == "digits"
    assert job.spec.training.batch_size == 64
    assert [d.spec.pue for d in loaded.domains] == [1.5]


def test_numbers_dates_and_times_mean_what_they_mean_to_kubectl(load):
    loaded = load(
        JOB + "    optimizer: {lr: 1e-3}\n  energy: {carbon: {mode: StartWindow, deadline: 2026-12-01T18:00:00Z}}\n"
        "---\napiVersion: wattrain.dev/v1alpha1\nkind: PowerDomain\nmetadata: {name: d}\n"
        "spec: {tariff: {pricePerKWh: 0.3, windows: [{start: 22:00, end: 06:00, pricePerKWh: 0.2}]}}\n"
    )
    [job] = loaded.jobs
    assert job.spec.training.optimizer.lr == 0.001
    assert job.spec.energy.carbon.deadline.hour == 18
    assert loaded.domains[0].spec.tariff.windows[0].start == "22:00"


@pytest.mark.parametrize(
    ("added", "expected"),
    [
        (
            "    optimizer: {lr: -0.1}",
            "job.yaml:10: spec.training.optimizer.lr: -0.1 is not allowed: must be greater than 0; "
            "write a number, greater than 0 and at most 1,000",
        ),
        ("    batchsize: 8", "job.yaml:10: spec.training.batchsize: there is no such field; did you mean batchSize?"),
        ("    batch_size: 8", "job.yaml:10: spec.training.batch_size: there is no such field; did you mean batchSize?"),
        (
            "    optimizer: {name: adm}",
            "job.yaml:10: spec.training.optimizer.name: adm is not allowed: must be one of sgd, adam, adamw, "
            "adafactor, muon; did you mean adam?",
        ),
        (
            '  workers: {replicas: "3"}',
            'job.yaml:10: spec.workers.replicas: "3" is not allowed: must be a whole number; '
            "write a whole number, at least 1 and at most 1,024",
        ),
        (
            "    batchSize: 1.5",
            "job.yaml:10: spec.training.batchSize: 1.5 is not allowed: must be a whole number; "
            "write a whole number, at least 1 and at most 16,777,216",
        ),
        (
            "  energy:\n    carbon: {mode: Off}",
            "job.yaml:11: spec.energy.carbon.mode: Off is not allowed: must be text, and YAML reads it as a truth "
            'value; put it in quotes: "Off"',
        ),
        (
            "  workers: {env: [{value: x}]}",
            "job.yaml:10: spec.workers.env[0].name: required, but missing; add name: name of the variable",
        ),
        (
            "  workers: {volumes: [{mountPath: data, claim: c}]}",
            "job.yaml:10: spec.workers.volumes[0].mountPath: data is not allowed: must be an absolute path; "
            "begin with / and name a directory below it",
        ),
        ("    maxSteps: 5", "job.yaml:8: spec.training: give exactly one of epochs and maxSteps"),
        (
            "  workers: {resources: {limits: {cpu: 0.5}}}",
            "job.yaml:10: spec.workers.resources.limits.cpu: 0.5 is not allowed: must be a whole number or text; "
            'write a quantity such as 2, "1.5", 500m or 2Gi',
        ),
        (
            "  energy: {carbon: {mode: StartWindow, deadline: 2026-12-01}}",
            "job.yaml:10: spec.energy.carbon.deadline: 2026-12-01 is not allowed: must be a time with its zone; "
            "write a time such as 2026-12-01T18:00:00Z",
        ),
        ("  workers:", "job.yaml:10: spec.workers: empty; write fields with their values, or remove the field"),
    ],
)
def test_a_problem_names_the_line_the_field_the_value_and_the_remedy(refusal, added, expected):
    assert refusal(f"{JOB}{added}\n") == expected


def test_every_problem_is_reported_in_the_order_of_the_lines(refusal):
    text = refusal(JOB + "    seed: -1\n    logicalShards: 0\n  queue: {priority: x}\n  nonsense: 1\n")
    assert [line.split(":")[1] for line in text.splitlines()] == ["10", "11", "12", "13"]


@pytest.mark.parametrize(
    ("text", "expected"),
    [
        ("", "job.yaml: there is no TrainingJob; give a file with kind: TrainingJob, such as one of examples/"),
        ("- 1\n", "job.yaml:1: not a Kubernetes object; begin with apiVersion, kind, metadata and spec"),
        (JOB.replace("TrainingJob", "Trainingjob"), "job.yaml:2: kind: Trainingjob is not allowed: no kind of "
         "Wattrain's; did you mean TrainingJob?"),
        (JOB.replace("v1alpha1", "v1"), "job.yaml:1: apiVersion: wattrain.dev/v1 is not allowed: not the apiVersion of "
         "this kind; write apiVersion: wattrain.dev/v1alpha1"),
        (JOB.replace("digits}\nspec", "Digits}\nspec"), "job.yaml:3: metadata.name: Digits is not allowed: must be a "
         "DNS label; use lowercase letters, digits and hyphens, with a letter or digit at both ends"),
        (JOB + "---\n" + JOB, "job.yaml:11: a second TrainingJob digits: the first is in job.yaml:1; "
         "give each a name of its own"),
    ],
)  # fmt: skip
def test_documents_that_hold_no_job_or_one_twice_are_refused(refusal, text, expected):
    assert refusal(text) == expected


def test_jobs_of_one_file_and_of_several_are_loaded_in_their_order(tmp_path):
    (tmp_path / "two.yaml").write_text(
        JOB.replace("digits}\nspec", "b}\nspec") + "---\n" + JOB.replace("digits}\nspec", "c}\nspec")
    )
    (tmp_path / "one.yaml").write_text(JOB.replace("digits}\nspec", "a}\nspec"))
    loaded = load_files([tmp_path / "two.yaml", tmp_path / "one.yaml"], ["workers.replicas=3"])
    assert [(job.metadata.name, job.spec.workers.replicas) for job in loaded.jobs] == [("b", 3), ("c", 3), ("a", 3)]


def test_two_jobs_of_one_name_are_refused_with_the_files_that_have_them(tmp_path):
    files = [tmp_path / "a.yaml", tmp_path / "b.yaml"]
    for file in files:
        file.write_text(JOB)
    with pytest.raises(InvalidInput) as caught:
        load_files(files)
    assert str(caught.value) == (
        f"{files[1]}:1: a second TrainingJob digits: the first is in {files[0]}:1; give each a name of its own"
    )


def test_jobs_without_a_name_are_refused_for_that_alone(refusal):
    nameless = JOB.replace("{name: digits}\nspec", "{}\nspec")
    text = refusal(nameless + "---\n" + nameless)
    assert [line.split(": ")[1] for line in text.splitlines()] == ["metadata.name", "metadata.name"]


def test_a_name_that_is_too_long_for_its_pods_is_refused(refusal, job):
    job["metadata"]["name"] = "a" * 48
    assert "must have at most 47 characters" in refusal(job)
    job["metadata"]["name"] = "a" * 47
    job["spec"]["training"]["epochs"] = 0
    assert "metadata.name" not in refusal(job)


def test_documents_for_kubectl_alone_are_skipped_and_named(load, tmp_path):
    loaded = load(JOB + "---\napiVersion: v1\nkind: PersistentVolumeClaim\nmetadata: {name: data}\n")
    assert loaded.skipped == (f"{tmp_path}/job.yaml:11: PersistentVolumeClaim",)


def test_a_job_as_the_api_server_shows_it_loads_again(load, job):
    job["metadata"] |= {"uid": "1", "resourceVersion": "7", "creationTimestamp": "2026-11-24T00:00:00Z"}
    job["status"] = {"anything": 1}
    assert load(job).jobs[0].metadata.uid == "1"


def test_two_domains_of_one_name_are_refused(refusal):
    domain = "---\napiVersion: wattrain.dev/v1alpha1\nkind: PowerDomain\nmetadata: {name: d}\n"
    assert (
        refusal(JOB + domain + domain) == "job.yaml:15: a second PowerDomain d: the first is in job.yaml:11; give one"
    )


def test_an_unknown_time_zone_is_refused_with_an_example(refusal):
    text = refusal(
        JOB + "---\napiVersion: wattrain.dev/v1alpha1\nkind: PowerDomain\nmetadata: {name: d}\n"
        "spec: {tariff: {pricePerKWh: 1, timeZone: Europe/Bärlin}}\n"
    )
    assert text.startswith("job.yaml:14: spec.tariff: timeZone must be a name of the IANA time zone database")


def test_problems_of_several_files_are_reported_together(tmp_path: Path):
    (tmp_path / "b.yaml").write_text(JOB.replace("epochs: 2", "epochs: 0"))
    (tmp_path / "a.yaml").write_text("apiVersion: wattrain.dev/v1alpha1\nkind: PowerDomain\nmetadata: {}\n")
    with pytest.raises(InvalidInput) as caught:
        load_files([tmp_path / "b.yaml", tmp_path / "a.yaml", tmp_path / "missing.yaml"])
    problems = caught.value.problems
    assert [Path(p.file).name for p in problems] == ["b.yaml", "a.yaml", "missing.yaml"]
    assert problems[2].message == "cannot be read: no such file or directory"


def test_control_characters_of_a_strangers_file_do_not_reach_the_terminal(refusal):
    assert "\x1b" not in refusal(JOB + '  "\\e[2J": 1\n')


def test_every_pattern_is_explained_in_words():
    def patterns(schema):
        yield from [schema["pattern"]] if "pattern" in schema else []
        for child in [*schema.get("properties", {}).values(), schema.get("items"), schema.get("additionalProperties")]:
            yield from patterns(child) if child else []

    specs = [structural_schema(model)["properties"] for model in (TrainingJob, PowerDomain)]
    found = {p for fields in specs for name in ("metadata", "spec") for p in patterns(fields[name])}
    assert found == set(PATTERNS)
