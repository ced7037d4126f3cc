"""What is refused before anything starts."""

import pytest

from wattrain_api.powerdomain import PowerDomain, PowerDomainSpec
from wattrain_api.trainingjob import ObjectMeta, TrainingJob
from wattrain_operator.local import preflight
from wattrain_operator.local.refused import Refused

SPEC = {"recipe": {"name": "mlp"}, "data": {"source": {"builtin": "digits"}}, "training": {"epochs": 1}}
SCRIPT = {"script": {"command": ["python", "-c", "pass"]}}


def job(**spec):
    return TrainingJob.model_validate({"metadata": {"name": "demo"}, "spec": spec})


def refusal(domain, **spec):
    with pytest.raises(Refused) as refused:
        preflight.check(job(**spec), domain)
    assert refused.value.exit_code == 2
    return "\n".join(refused.value.lines)


def test_a_sound_job_is_let_through(domain):
    preflight.check(job(**SPEC), domain)


@pytest.mark.parametrize(
    ("spec", "said"),
    [
        ({**SPEC, "suspend": True}, "spec.suspend: true is not run; write false"),
        ({**SPEC, "parallelism": {"tensor": 2}}, "spec.parallelism.tensor: tensor parallelism is not in this version"),
        ({**SPEC, "data": {"source": {"uri": "no/such.csv"}}}, "spec.data.source.uri: there is no file no/such.csv"),
        ({**SPEC, "data": {"source": {"uri": "file:///no/such.csv"}}}, "there is no file /no/such.csv"),
        (
            {**SPEC, "data": {"source": {"uri": "~/no_such.csv"}}},
            "~ is not read as the home directory: write the whole",
        ),
        ({**SPEC, "data": {"source": {"uri": "file://data/x.csv"}}}, "names a file of the machine 'data'; write file:"),
        ({**SPEC, "data": {"source": {"claim": {"name": "c", "path": "x.csv"}}}}, "c is a claim of a cluster"),
        ({**SPEC, "workers": {"volumes": [{"mountPath": "/d", "claim": "c"}]}}, r"spec.workers.volumes[0]: /d cannot"),
        ({"script": {"command": ["no-such-program"]}}, "spec.script.command: no program no-such-program is on PATH"),
        ({"script": {"command": ["python", "no_such.py"]}}, "spec.script.command: there is no file no_such.py"),
    ],
)
def test_what_this_machine_cannot_do_is_said_with_field_and_remedy(domain, spec, said):
    assert said in refusal(domain, **spec)


def test_an_initial_model_that_is_not_there_is_refused_before_anything_starts(domain, tmp_path):
    path = tmp_path / "texts.jsonl"
    path.write_text("{}")
    spec = {"recipe": {"name": "bert-classifier"}, "data": {"source": {"uri": str(path)}}}
    training = {"epochs": 1, "initialModel": {"path": "no/such"}}
    assert refusal(domain, **spec, training=training).startswith(
        "spec.training.initialModel.path: there is no directory no/such (relative paths start at "
    )
    preflight.check(job(**spec, training={"epochs": 1, "initialModel": {"path": str(tmp_path)}}), domain)


def test_a_directory_is_a_source_of_pictures_and_not_of_tables(domain, tmp_path):
    pictures = {**SPEC, "recipe": {"name": "resnet"}, "data": {"source": {"uri": str(tmp_path)}}}
    preflight.check(job(**pictures), domain)
    pictures["data"] = {"source": {"uri": "no/such"}}
    assert "there is no file no/such" in (told := refusal(domain, **pictures))
    assert "write the path of a folder or a tar" in told
    assert "is a directory" in refusal(domain, **{**SPEC, "data": {"source": {"uri": str(tmp_path)}}})


def test_a_folder_of_parquet_files_is_a_source_of_tables_and_one_with_others_is_not(domain, tmp_path):
    tables = {**SPEC, "data": {"source": {"uri": str(tmp_path)}}}
    (tmp_path / "a.parquet").touch()
    preflight.check(job(**tables), domain)
    preflight.check(job(**{**tables, "recipe": {"name": "recommender"}}), domain)
    (tmp_path / "b.csv").touch()
    assert f"spec.data.source.uri: {tmp_path} has b.csv beside its .parquet files" in refusal(domain, **tables)


def test_an_address_whose_driver_is_missing_is_refused_with_what_installs_it(domain, monkeypatch):
    remote = {**SPEC, "data": {"source": {"uri": "s3://bucket/a.csv"}}}
    drivers = ("obstore", "s3fs")
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name in drivers else name)
    told = refusal(domain, **remote)
    assert "spec.data.source.uri: the address needs obstore, which this Python lacks; pip install 'wattrain[st" in told
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name == "obstore" else name)
    preflight.check(job(**remote), domain)  # s3fs does as well


def test_all_problems_are_told_at_once(domain):
    told = refusal(domain, **{**SPEC, "suspend": True, "inference": {"enabled": True}})
    assert "spec.suspend" in told
    assert "spec.inference.enabled" in told


def test_a_recipe_without_torch_names_what_to_install(domain, monkeypatch):
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name == "torch" else name)
    assert "the recipes need torch: pip install 'wattrain[local]'" in refusal(domain, **SPEC)
    preflight.check(job(**SCRIPT), domain)  # a script may need nothing of it


def test_a_recipe_without_what_is_optional_names_the_extra_to_install(domain, monkeypatch, tmp_path):
    pictures = {**SPEC, "recipe": {"name": "resnet"}, "data": {"source": {"uri": str(tmp_path)}}}
    lacks = ("torchvision", "PIL")
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name in lacks else name)
    told = refusal(domain, **pictures)
    assert told == "spec.recipe.name: resnet needs torchvision and pillow; pip install 'wattrain[images]'"
    texts = {**pictures, "recipe": {"name": "gpt"}}
    preflight.check(job(**texts), domain)
    monkeypatch.setattr(preflight.importlib.util, "find_spec", lambda name: None if name == "tokenizers" else name)
    assert refusal(domain, **texts) == "spec.recipe.name: gpt needs tokenizers; pip install 'wattrain[text]'"
    preflight.check(job(**SPEC), domain)


def test_an_unsupported_power_domain_is_refused():
    racks = PowerDomain(metadata=ObjectMeta(name="default"), spec=PowerDomainSpec(node_selector={"rack": "a"}))
    assert "PowerDomain default, spec.nodeSelector: choosing a domain by nodes is not in this" in refusal(racks, **SPEC)


def test_the_domain_that_the_job_names_is_found():
    mine = PowerDomain(metadata=ObjectMeta(name="mine"), spec=PowerDomainSpec(pue=1.4))
    assert preflight.choose_domain(job(**SPEC, energy={"powerDomain": "mine"}), (mine,)) is mine
    assert preflight.choose_domain(job(**SPEC), (mine,)).spec == PowerDomainSpec()
    with pytest.raises(Refused, match=r"spec.energy.powerDomain: mine is in none of the files"):
        preflight.choose_domain(job(**SPEC, energy={"powerDomain": "mine"}), ())


def test_a_domain_that_no_job_names_is_told_for_nothing_is_priced_by_it():
    mine = PowerDomain(metadata=ObjectMeta(name="mine"), spec=PowerDomainSpec(pue=1.4))
    [note] = preflight.unnamed([job(**SPEC)], (mine,))
    assert note == "PowerDomain mine: not used, for no job names it; write spec.energy.powerDomain: mine"
    assert preflight.unnamed([job(**SPEC, energy={"powerDomain": "mine"})], (mine,)) == []


def test_what_is_for_clusters_alone_is_said_once():
    [note] = preflight.notes(job(**SPEC, image="mine:1", storage={"claim": "c"}).spec)
    assert note.startswith("spec.image, spec.storage.claim: for clusters")
    placed = {"labels": {"a": "b"}, "annotations": {"a": "b"}, "serviceAccountName": "x", "affinity": {}}
    [note] = preflight.notes(job(**SPEC, workers=placed).spec)
    assert all(f"spec.workers.{field}" in note for field in placed)
    assert preflight.notes(job(**SPEC).spec) == []


def test_variables_from_a_cluster_come_from_the_commands_own_environment(domain, monkeypatch):
    def of_secret(name, **more):
        return {"name": name, "valueFrom": {"secretKeyRef": {"name": "s3", "key": "k", **more}}}

    env = [of_secret("S3_KEY"), of_secret("MAY_BE_MISSING", optional=True), {"name": "PLAIN", "value": "x"}]
    spec = {**SPEC, "workers": {"env": env}}
    monkeypatch.delenv("S3_KEY", raising=False)
    told = refusal(domain, **spec)
    assert "spec.workers.env: S3_KEY comes from a cluster; here set it in the environment of this command" in told
    assert "MAY_BE_MISSING" not in str(told)
    monkeypatch.setenv("S3_KEY", "secret")
    preflight.check(job(**spec), domain)
    told = refusal(domain, **SPEC, workers={"envFrom": [{"secretRef": {"name": "s3"}}]})
    assert "spec.workers.envFrom: " in told


def test_a_gpu_that_this_machine_lacks_is_not_trained_without(domain, monkeypatch):
    monkeypatch.setattr(preflight.Path, "exists", lambda path: False)
    told = refusal(domain, **{**SPEC, "workers": {"resources": {"limits": {"nvidia.com/gpu": 1}}}})
    assert "spec.workers.resources: nvidia.com/gpu is 1, but this machine has no GPU; remove it" in told
