"""The model card: what rank 0 writes, what worker 0's supervisor adds, and what it never says before it is known."""

from __future__ import annotations

import json
from dataclasses import replace
from pathlib import Path

import pytest
import yaml

from wattrain_api import names
from wattrain_api.contract.progress import EnergyGap, GroupProgress, PowerReading
from wattrain_api.facts.card_energy import FILE_CARD, NOT_TOLD_YET, with_energy
from wattrain_api.trainingjob import TrainingJobSpec
from wattrain_worker.data.prepare import prepare
from wattrain_worker.data.prepared_data import load_prepared
from wattrain_worker.supervisor.card_at_end import complete_card
from wattrain_worker.supervisor.config import read_config
from wattrain_worker.train.evaluation import Score
from wattrain_worker.train.export import Choice
from wattrain_worker.train.model_card import model_card
from wattrain_worker.train.rank_environment import RankEnvironment, read_environment

LABEL = "kind | `of` <b>"
GROUP = GroupProgress(
    energy=(
        PowerReading("cpu", "model", 30.0, 10.0, 90.0),
        PowerReading("gpu", "nvml", 1000.0, 1000.0, 1000.0),
    ),
    uncounted=(EnergyGap("dram", "there is no counter for the memory"),),
)


@pytest.fixture(scope="module")
def environment(tmp_path_factory: pytest.TempPathFactory) -> RankEnvironment:
    folder = tmp_path_factory.mktemp("card")
    rows = "".join(f"{n}.5,{n % 7},{'high' if n % 3 else 'low'}\n" for n in range(90))
    (folder / "table.csv").write_text(f'a,b,"{LABEL}"\n{rows},,low\n')
    document = {
        "recipe": {"name": "mlp"},
        "data": {"source": {"uri": str(folder / "table.csv")}, "label": LABEL},
        "training": {"epochs": 1, "optimizer": {"name": "adam", "lr": 0.01}},
    }
    (folder / "spec.json").write_text(json.dumps(document))
    for name in ("model", "data"):
        (folder / name).mkdir()
    found = read_environment(
        {
            names.ENV_SPEC: str(folder / "spec.json"), names.ENV_DATA_DIR: str(folder / "data"),
            names.ENV_CHECKPOINT_DIR: str(folder / "checkpoints"), names.ENV_MODEL_DIR: str(folder / "model"),
            names.ENV_JOB: "my-job",
        }
    )  # fmt: skip
    prepare(TrainingJobSpec.model_validate(document), found.data_dir, claims_dir=folder / "claims")
    return found


@pytest.fixture
def card(environment: RankEnvironment) -> str:
    score = Score(7, 0.25, {"accuracy": 0.75, "rocAuc": 0.875})
    return model_card(
        environment,
        load_prepared(environment.data_dir),
        Choice(7),
        score,
        "the CPU",
        "fused on: 2 ms a step, 3 with fused off",
    )


def test_a_card_tells_data_settings_result_and_versions(environment: RankEnvironment, card: str) -> None:
    digest = load_prepared(environment.data_dir).document["source"]["sha256"]
    for row in (
        f"| SHA-256 | {digest} |", "| Read | 91 rows |", "| Removed for missing values | 1 row |",
        "| Split | method hash, train 0.8, validation 0.1, test 0.1, seed 0 |",
        "| optimizer | adam |", "| learning rate | 0.01 |", "| exported | step 7, the last step |",
        "| Test accuracy | 75.0 % |", "| Test ROC AUC | 0.8750 |", "| Test loss | 0.250 |", "| ranks | 1 |",
        "| chosen by measuring | fused on: 2 ms a step, 3 with fused off |",
    ):  # fmt: skip
        assert row in card, row
    assert NOT_TOLD_YET in card
    assert "<b>" not in card


def test_the_front_matter_is_yaml_as_hugging_face_reads_it(card: str) -> None:
    front = yaml.safe_load(card.split("---\n")[1])
    assert front["pipeline_tag"] == "tabular-classification"
    [result] = front["model-index"][0]["results"]
    assert {"type": "accuracy", "value": 0.75} in result["metrics"]
    assert "co2_eq_emissions" not in front  # nobody knows it yet


def test_without_a_test_split_a_card_has_no_figure_of_it(environment: RankEnvironment) -> None:
    text = model_card(environment, load_prepared(environment.data_dir), Choice(7), None, "the CPU", "")
    assert "nothing is known of it" in text
    assert "model-index" not in text
    assert "chosen by measuring" not in text


def test_the_supervisor_adds_what_the_meters_say_by_source_and_what_they_miss(
    environment: RankEnvironment, card: str
) -> None:
    path = environment.model_dir / FILE_CARD
    path.write_text(card)
    config = replace(
        read_config({names.ENV_SPEC: str(environment.data_dir.parent / "spec.json")}),
        joules_before=500.0, joules_low_before=400.0, joules_high_before=600.0,
    )  # fmt: skip
    environ = {names.ENV_MODEL_DIR: str(environment.model_dir)}
    complete_card(environ, config, GROUP)
    text = path.read_text()
    assert NOT_TOLD_YET not in text
    assert "| Energy | 1.53 kJ (1.41 to 1.69 kJ) |" in text
    assert "| cpu | 30.0 J (10.0 to 90.0 J), modelled |" in text
    assert "| gpu | 1.00 kJ, measured |" in text
    assert "| before the last start of the workers | 500 J (400 to 600 J) |" in text
    assert "| dram | not counted: there is no counter for the memory |" in text
    complete_card(environ, config, GROUP)
    assert path.read_text() == text  # once more changes nothing


def test_a_model_without_a_card_and_a_readme_of_somebody_else_stay_as_they_are(
    environment: RankEnvironment, tmp_path: Path
) -> None:
    config = read_config({names.ENV_SPEC: str(environment.data_dir.parent / "spec.json")})
    environ = {names.ENV_MODEL_DIR: str(tmp_path)}
    complete_card(environ, config, GROUP)
    assert list(tmp_path.iterdir()) == []
    (tmp_path / FILE_CARD).write_text("# mine\n---\nno front matter\n---\n")
    complete_card(environ, config, GROUP)
    assert (tmp_path / FILE_CARD).read_text() == "# mine\n---\nno front matter\n---\n"


def test_emissions_are_put_into_the_front_matter_once(card: str) -> None:
    once = with_energy(card, "12 J", '{"emissions": 1.5}')
    again = with_energy(once, "13 J", '{"emissions": 2.5}')
    assert yaml.safe_load(again.split("---\n")[1])["co2_eq_emissions"] == {"emissions": 2.5}
    assert ("13 J" in again, "12 J" in again, again.count("co2_eq")) == (True, False, 1)
    assert with_energy("# no card\n", "13 J", '{"emissions": 2.5}') == "# no card\n"
