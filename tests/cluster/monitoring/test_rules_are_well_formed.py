"""The rules by promtool's lint and by those of the house; planted mistakes are found."""

import copy
import re

import pytest
import yaml
from harness.prometheus import promtool
from harness.rules_lint import problems_of_rules
from harness.rules_world import RULES, job_figures, operator_figures

from wattrain_api import metrics

FILES = sorted(RULES.glob("*.yaml"))
RUNBOOK = RULES.parents[2] / "docs" / "runbook"
SECTIONS = ("## What it means", "## How to look", "## What to do")


@pytest.fixture(scope="module")
def all_rules(rules):
    return [rule for file in FILES for rule in rules(file.name)]


@pytest.fixture(scope="module")
def exported():
    """All metrics by name, with their labels."""
    return {e.name: set(e.labels) for subject in metrics.SUBJECTS for e in metrics.exported_of(subject)}


def pages():
    return {file.name for file in RUNBOOK.glob("*.md")}


def test_promtool_has_nothing_to_say(promtool_is_there):
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", *FILES)
    assert done.returncode == 0, done.stdout + done.stderr


def test_the_rules_of_the_house_hold_and_every_metric_is_exported(all_rules, exported):
    assert len(all_rules) > 20
    assert list(problems_of_rules(all_rules, exported, pages())) == []


def test_the_tests_use_the_labels_that_are_exported(exported):
    for key in {**job_figures("demo", lambda m: "Running", {}), **operator_figures()}:
        name, _, labels = key.rstrip("}").partition("{")
        own = set(re.findall(r"(\w+)=", labels))
        assert own - {"namespace", "pod"} <= exported[name], key


def test_every_page_of_the_runbook_is_of_an_alert_and_has_all_sections(all_rules):
    alerts = {f"{rule['alert']}.md" for rule in all_rules if "alert" in rule}
    assert pages() - {"README.md"} == alerts
    index = (RUNBOOK / "README.md").read_text(encoding="utf-8")
    for page in alerts:
        text = (RUNBOOK / page).read_text(encoding="utf-8")
        assert [section for section in SECTIONS if section not in text] == [], page
        assert f"({page})" in index


def misspelt(rule):
    rule["expr"] = rule["expr"].replace("wattrain_trainingjob_loss", "wattrain_trainingjob_los")


def without_page(rule):
    rule["alert"] = "WattrainLossOdd"
    rule["annotations"]["runbook_url"] = "docs/runbook/WattrainLossOdd.md"


@pytest.mark.parametrize(
    ("plant", "said"),
    [
        (misspelt, "nobody exports wattrain_trainingjob_los"),
        (without_page, "WattrainLossOdd: it has no page in the runbook"),
        (lambda rule: rule.pop("for"), "has no `for`"),
        (lambda rule: rule["labels"].update(severity="page"), "its severity is none of"),
        (lambda rule: rule["annotations"].update(summary="{{ $labels.namespace }}"), "its summary has values"),
        (lambda rule: rule["annotations"].update(description="It is nan."), "does not say of what it is"),
        (lambda rule: rule["annotations"].pop("runbook_url"), "its annotations are not"),
        (lambda rule: rule["annotations"].update(runbook_url="docs/runbook/X.md"), "another alert's"),
    ],
)
def test_a_planted_mistake_is_found(all_rules, exported, plant, said):
    planted = copy.deepcopy(all_rules)
    (rule,) = [rule for rule in planted if rule.get("alert") == "WattrainLossNotFinite"]
    plant(rule)
    (problem,) = problems_of_rules(planted, exported, pages())
    assert said in problem


def test_a_recorded_name_that_is_used_and_not_recorded_is_found(all_rules, exported):
    planted = [rule for rule in all_rules if not rule.get("record", "").endswith(":avg10m")]
    assert {problem.split(":")[0] for problem in problems_of_rules(planted, exported, pages())} == {
        "WattrainLossDiverging"
    }


@pytest.mark.parametrize("expression", ["sum by (namespace (up)", "rate(wattrain_trainingjob_loss)"])
def test_promtool_finds_a_planted_mistake(promtool_is_there, tmp_path, expression):
    file = tmp_path / "rules.yaml"
    rule = {"record": "namespace:x:sum", "expr": expression}
    file.write_text(yaml.safe_dump({"groups": [{"name": "x", "rules": [rule]}]}), encoding="utf-8")
    done = promtool("check", "rules", "--lint=all", "--lint-fatal", file)
    assert done.returncode != 0
