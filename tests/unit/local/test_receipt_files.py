"""A run's directory in, three files out: what they say, and what a user's text cannot do to them."""

import json
import platform
import re
from html.parser import HTMLParser
from importlib import metadata

import pytest

from wattrain_api.facts.card_energy import energy_part
from wattrain_api.powerdomain import PowerDomain
from wattrain_api.trainingjob import TrainingJob
from wattrain_operator.local.machine import cpu_model
from wattrain_operator.local.receipt_files import write_receipt
from wattrain_operator.receipt import Receipt

EVIL = '<script>alert(1)</script> | `a` **b** @all "q" \n# head'
STATUS = {
    "state": "Complete",
    "startTime": "2026-11-24T02:00:00Z",
    "internal": {"activeSeconds": 60, "activeSince": "2026-11-24T02:01:30Z"},
    "completionTime": "2026-11-24T02:03:07Z",
    "progress": {"step": 690, "totalSteps": 690, "loss": 0.0123},
    "restartCount": 1,
    "restarts": [
        {
            "time": "2026-11-24T02:01:00Z", "attempt": 1, "inPlace": True, "rank": 1, "reason": "Killed",
            "exitCode": -9, "lastLine": EVIL, "step": 120, "resumedFromStep": 100, "joulesLost": 6.5,
            "recoverySeconds": 9,
        }
    ],
    "energy": {
        "joules": 1000.0, "low": 350.0, "high": 2200.0, "measuredRatio": 0.0, "source": "model", "carbonGrams": 0.132,
        "cost": 0.0001, "currency": "EUR", "facilityJoules": 1200.0, "wastedJoules": 6.5, "joulesPerSample": 0.02,
        "meters": [
            {"component": "cpu", "source": "model", "joules": 1000.0, "lowJoules": 350.0, "highJoules": 2200.0}
        ],
    },
    "model": {"uri": "model", "metrics": {"step": 690, "loss": 0.2, "accuracy": 0.972}},
}  # fmt: skip
METRICS = [
    {
        "time": 1000.0 + s,
        "step": s,
        "loss": 2.0 / s,
        "watts": 3.0 + s % 2,
        "joules": 3.0 * s,
        "attempt": 1,
        "generation": 0,
    }
    for s in range(1, 51)
]
METRICS[30]["validation"] = {"step": 30, "loss": 0.4, "accuracy": 0.9}


@pytest.fixture
def job():
    return TrainingJob.model_validate(
        {
            "metadata": {"name": "digits-mlp", "namespace": "local"},
            "spec": {
                "recipe": {"name": "mlp"},
                "data": {"source": {"builtin": "digits"}},
                "training": {"epochs": 30, "seed": 7},
                "workers": {"replicas": 2, "env": [{"name": "API_KEY", "value": "hunter2"}]},
            },
        }
    )


@pytest.fixture
def domain():
    tariff = {"currency": "EUR", "pricePerKWh": 0.3}
    carbon = {"zone": "DE", "gramsPerKWh": 396.0, "source": EVIL}
    return PowerDomain.model_validate(
        {"metadata": {"name": "default"}, "spec": {"pue": 1.2, "tariff": tariff, "carbon": carbon}}
    )


@pytest.fixture
def run_dir(tmp_path):
    (tmp_path / "status.json").write_text(json.dumps(STATUS))
    (tmp_path / "metrics.jsonl").write_text("".join(json.dumps(m) + "\n" for m in METRICS) + '{"torn')
    counts = {"read": 1797, "training": 1437, "test": 180}
    (tmp_path / "prepare.json").write_text(
        json.dumps({"source": {"kind": "builtin", "name": "digits"}, "counts": counts})
    )
    return tmp_path


def with_measured(run_dir):
    status = json.loads(json.dumps(STATUS))
    status["energy"]["measuredRatio"] = 1.0
    status["energy"] |= {"low": 1000.0, "high": 1000.0}
    status["energy"]["meters"] = [
        {"component": "gpu", "source": "nvml", "joules": 1000.0, "lowJoules": 1000.0, "highJoules": 1000.0}
    ]
    (run_dir / "status.json").write_text(json.dumps(status))


class Page(HTMLParser):
    def __init__(self, text):
        super().__init__()
        self.tags, self.attributes, self.open = [], [], []
        self.feed(text)

    def handle_starttag(self, tag, attrs):
        self.tags.append(tag)
        self.attributes += attrs


def test_the_json_holds_the_figures_of_the_run(run_dir, job, domain):
    receipt = write_receipt(run_dir, job, domain)
    found = json.loads((run_dir / "receipt.json").read_text())
    assert Receipt.model_validate(found) == receipt
    assert found["job"] | {"reason": "", "message": ""} == {
        "name": "digits-mlp", "namespace": "local", "what": "recipe mlp", "workers": 2, "ranks": 2,
        "state": "Complete", "reason": "", "message": "",
    }  # fmt: skip
    assert found["test"] == {"step": 690, "loss": 0.2, "accuracy": 0.972}
    assert found["energy"]["meters"] == STATUS["energy"]["meters"]
    assert (found["energy"]["lowJoules"], found["energy"]["highJoules"], found["energy"]["pue"]) == (350, 2200, 1.2)
    assert found["carbon"]["grams"] == 0.132
    assert found["carbon"]["lowGrams"] == pytest.approx(0.0462)
    assert (found["carbon"]["gramsPerKWh"], found["carbon"]["zone"]) == (396.0, "DE")
    assert found["cost"]["currency"] == "EUR"
    assert found["cost"]["high"] == pytest.approx(0.00022)
    assert found["restarts"][0]["joulesLost"] == 6.5
    assert (found["seed"], found["duration"]["seconds"], found["duration"]["activeSeconds"]) == (7, 187, 157)
    assert found["data"] == json.loads((run_dir / "prepare.json").read_text())
    assert found["versions"]["wattrain"] == metadata.version("wattrain")
    assert set(found["versions"]) == {"python", "torch", "wattrain"}


def test_the_receipt_has_the_features_the_shares_of_the_classes_and_what_is_doubtful(run_dir, job, domain):
    prepared = json.loads((run_dir / "prepare.json").read_text())
    prepared["counts"] |= {"repeats": 90, "testAlsoInTraining": 30}
    prepared |= {
        "columns": ["age", "new"], "columnTypes": ["number", "boolean"], "classesAsWritten": ["007", "<b>"],
        "labelHistogram": {"train": [900, 100], "validation": [0, 0], "test": [20, 10]},
        "warnings": ["90 of 1,797 rows repeat"],
    }  # fmt: skip
    (run_dir / "prepare.json").write_text(json.dumps(prepared))
    write_receipt(run_dir, job, domain)
    text = (run_dir / "receipt.md").read_text()
    for row in (
        "| That repeat an earlier one | 90 rows |",
        "| Of the test, alike one of the training | 30 rows |",
        "| Features | 2 (1 number, 1 boolean): age, new |",
        "| Warning | 90 of 1,797 rows repeat |",
        "| 007 | 900 (90.0 %) | 0 | 20 (66.7 %) |",
    ):
        assert row in text
    assert "&lt;b&gt;" in (run_dir / "receipt.html").read_text()


def test_every_price_and_intensity_that_was_used_is_named_with_its_share(run_dir, job, domain):
    status = json.loads(json.dumps(STATUS))
    night = {"joules": 600.0, "pue": 1.2, "zone": "DE", "gramsPerKWh": 396.0, "pricePerKWh": 0.1, "currency": "EUR"}
    status["energy"] |= {
        "accounts": [
            {"joules": 250.0, "pue": 1.2, "zone": "FR", "gramsPerKWh": 50.0},
            night,
            {"joules": 150.0, "pue": 1.5, "zone": "FR", "gramsPerKWh": 50.0, "pricePerKWh": 2.0, "currency": "USD"},
        ],
        "costs": [
            {"currency": "EUR", "cost": 0.0001, "since": "2026-11-24T02:01:00Z"},
            {"currency": "USD", "cost": 0.0002, "since": "2026-11-24T02:02:00Z"},
        ],
        "costSince": "2026-11-24T02:01:00Z", "spreadJoules": 600.0,
    }  # fmt: skip
    (run_dir / "status.json").write_text(json.dumps(status))
    receipt = write_receipt(run_dir, job, domain)
    assert [(r.share, r.price_per_kwh, r.currency, r.grams_per_kwh) for r in receipt.rates] == [
        (0.6, 0.1, "EUR", 396), (0.25, None, "", 50), (0.15, 2, "USD", 50),
    ]  # fmt: skip
    assert (receipt.cost.currency, [c.amount for c in receipt.costs]) == ("EUR", [0.0001, 0.0002])
    assert (receipt.energy.pue, receipt.carbon.grams_per_kwh) == (1.2, 396.0)  # means: 1200 J / 1000 J, 0.132 g
    text = (run_dir / "receipt.md").read_text()
    assert "| 60 % | 1.2 | 396 | DE | EUR 0.1 |" in text
    assert "| 25 % | 1.2 | 50 | FR | none |" in text
    assert "| 15 % | 1.5 | 50 | FR | USD 2 |" in text
    assert "of 60 % of the energy, priced since 2026-11-24 02:01:00 UTC" in text
    assert "mean of 396 g/kWh" in text
    assert "600 J were used in gaps without reports" in text


def test_values_of_environment_variables_are_in_no_file(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    texts = [(run_dir / f"receipt.{kind}").read_text() for kind in ("json", "md", "html")]
    assert "API_KEY" in texts[0]
    assert not any("hunter2" in text for text in texts)


def test_modelled_figures_are_called_modelled_with_their_range_everywhere(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    for kind in ("md", "html"):
        text = (run_dir / f"receipt.{kind}").read_text()
        assert "1.00 kJ (0.350 to 2.20 kJ)" in text
        # energy, facility, lost, a sample, carbon, cost, the component, the restart; on the page the chart's caption
        rows = [line for line in text.splitlines() if re.search(r"[0-9] ([km]?J|m?g|EUR)\b", line)]
        assert len(rows) == 8 + (kind == "html")
        assert all(re.search(r"\([0-9.]+ to [0-9.,]+ ([km]?J|m?g|EUR)\)", row) for row in rows)
        assert all("modelled" in row for row in rows[:-1])
        assert "Energy lost, with the restart itself, modelled" in text
    assert "Power while training, in watts, modelled; shaded: from low to high" in text
    assert "not in the chart: 853 J (299 to 1,880 J)." in text


def test_figures_that_are_incomplete_are_marked_and_never_called_measured(run_dir, job, domain):
    status = json.loads((run_dir / "status.json").read_text())
    reason = "a GPU is cut into MIG slices; it is not counted"
    status["energy"] |= {"measuredRatio": None, "incomplete": [{"component": "gpu", "reason": reason}]}
    (run_dir / "status.json").write_text(json.dumps(status))
    receipt = write_receipt(run_dir, job, domain)
    assert receipt.to_json_object()["energy"]["incomplete"] == [{"component": "gpu", "reason": reason}]
    for name in ("receipt.md", "receipt.html"):
        text = (run_dir / name).read_text()
        assert reason in text
        assert "incomplete" in text
        assert "100 %" not in text


def test_measured_figures_are_not_called_modelled(run_dir, job, domain):
    with_measured(run_dir)
    write_receipt(run_dir, job, domain)
    for kind in ("md", "html"):
        text = (run_dir / f"receipt.{kind}").read_text().partition("<body>")[2 if kind == "html" else 0]
        told = re.sub(r'data-plot="[^"]*"|<script.*', "", text, flags=re.DOTALL)
        assert "odelled" not in told
        assert "modelled&quot;: true" not in text
        assert "measured (nvml)" in told


def test_the_page_needs_nothing_from_outside(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    page = Page((run_dir / "receipt.html").read_text())
    assert not {"link", "img", "iframe", "object", "use", "image"} & set(page.tags)
    assert not {"src", "href", "xlink:href", "onload", "onerror", "action"} & {name for name, _ in page.attributes}
    text = (run_dir / "receipt.html").read_text()
    assert "url(" not in text
    assert "@import" not in text
    assert page.tags.count("script") == 2
    assert "default-src 'none'; style-src 'unsafe-inline'; script-src 'sha256-" in text


def test_the_plots_show_training_validation_and_power(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    page = Page((run_dir / "receipt.html").read_text())
    plots = [json.loads(value) for name, value in page.attributes if name == "data-plot"]
    shown = [(plot["title"], {line["name"]: line["values"] for line in plot["lines"]}) for plot in plots]
    (loss, losses), (power, watts) = shown
    assert (loss, power) == ("Loss", "Power while training, in watts, modelled")
    assert (losses["training"][0], losses["training"][-1]) == (2.0, 0.04)
    assert [value for value in losses["validation"] if value is not None] == [0.4]
    assert (watts["power"][0], watts["power"][-1], list(watts)) == (4.0, 3.0, ["power", "at most", "at least"])


def test_text_of_a_user_cannot_become_markup(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    html, markdown = ((run_dir / f"receipt.{kind}").read_text() for kind in ("html", "md"))
    assert "&lt;script&gt;alert(1)" in html
    assert "<script" not in markdown
    assert Page(html).tags.count("script") == 2  # those that draw
    assert "\n# head" not in markdown
    assert "@all" not in markdown
    row = next(line for line in markdown.splitlines() if "Killed" in line)
    assert len(re.findall(r"(?<!\\)\|", row)) == 8  # seven columns


def test_every_table_has_as_many_cells_in_each_row(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    blocks = (run_dir / "receipt.md").read_text().split("\n\n")
    found = [b.splitlines() for b in blocks if b.startswith("|")]
    assert len(found) == 6
    for table in found:
        assert len({len(re.findall(r"(?<!\\)\|", row)) for row in table}) == 1


def test_a_job_that_failed_before_its_first_step_has_a_receipt_too(tmp_path, job, domain):
    status = {"state": "Failed", "reason": "BadData", "message": "column age: 3 values below 0"}
    (tmp_path / "status.json").write_text(json.dumps(status))
    receipt = write_receipt(tmp_path, job, domain)
    assert (receipt.test, receipt.data, receipt.carbon, receipt.cost) == (None, None, None, None)
    for kind in ("md", "html"):
        text = (tmp_path / f"receipt.{kind}").read_text()
        assert "BadData: column age: 3 values below 0" in text
        assert "data-plot" not in text


def test_a_status_of_a_newer_version_is_read_as_far_as_it_is_known(run_dir, job, domain):
    (run_dir / "status.json").write_text(json.dumps({**STATUS, "fromTheFuture": 1}))
    assert write_receipt(run_dir, job, domain).job.state == "Complete"


def test_writing_again_leaves_three_files_and_no_others(run_dir, job, domain):
    before = {p.name for p in run_dir.iterdir()}
    write_receipt(run_dir, job, domain)
    write_receipt(run_dir, job, domain)
    assert {p.name for p in run_dir.iterdir()} - before == {"receipt.json", "receipt.md", "receipt.html"}


def test_the_receipt_tells_validation_speed_and_what_became_of_the_rows(run_dir, job, domain):
    lines = [{"step": i, "loss": 1.0, "time": float(i), "watts": 2.0, "samplesPerSecond": 100.0 * i} for i in (1, 2, 3)]
    lines[2]["validation"] = {"step": 2, "loss": 0.5}
    (run_dir / "metrics.jsonl").write_text("".join(json.dumps(line) + "\n" for line in lines))
    (run_dir / "prepare.json").write_text(
        json.dumps({"source": {"kind": "file", "path": "wine.csv"}, "counts": {"read": 178, "duplicates": 0}})
    )
    assert write_receipt(run_dir, job, domain).training.samples_per_second == 200.0
    text = (run_dir / "receipt.md").read_text()
    assert "| Rows per second | 200 |" in text
    assert "| Source | wine.csv |" in text
    assert "| Read | 178 rows |" in text
    assert "Duplicates" not in text
    assert "validation" in (run_dir / "receipt.html").read_text()


def repeated(run_dir):
    table = (run_dir / "receipt.md").read_text().split("## To repeat it")[1]
    return dict(re.findall(r"^\| (.+?) \| (.+?) \|$", table, re.MULTILINE))


def test_what_is_needed_to_repeat_it_is_said(run_dir, job, domain):
    source = {"kind": "file", "name": "wine.csv", "sha256": "0123456789abcdef" * 4}
    (run_dir / "prepare.json").write_text(json.dumps({"source": source, "label": "cultivar"}))
    write_receipt(run_dir, job, domain)
    told = repeated(run_dir)
    assert told["data, SHA-256"] == "0123456789ab..."
    assert told["label"] == "cultivar"
    assert told["recipe"] == r"mlp: hidden \[64, 64\], dropout 0"
    assert (told["optimizer"], told["learning rate"], told["batch size"]) == ("adamw", "0.001", "64")
    assert (told["epochs"], told["seed"]) == ("30", "7")
    assert "steps" not in told


def test_parameters_that_a_recipe_does_not_take_are_not_said_to_repeat_it(run_dir, job, domain):
    document = job.to_json_object()
    document["spec"]["recipe"] = {"name": "logistic-regression"}
    document["spec"]["training"] = {
        "maxSteps": 1500, "optimizer": {"name": "sgd", "lr": 0.1, "momentum": 0.9},
        "schedule": {"name": "cosine", "warmupSteps": 10}, "earlyStopping": {"patience": 4},
    }  # fmt: skip
    write_receipt(run_dir, TrainingJob.model_validate(document), domain)
    told = repeated(run_dir)
    assert (told["recipe"], told["optimizer"]) == ("logistic-regression", "sgd, momentum 0.9")
    assert told["early stopping"] == "loss, patience 4, at least 0"
    assert (told["learning rate"], told["steps"]) == ("0.1, cosine, 10 warm-up steps", "1,500")


def test_of_a_script_nothing_is_said_that_it_may_not_have_taken(run_dir, job, domain):
    document = job.to_json_object()
    del document["spec"]["recipe"], document["spec"]["training"]
    document["spec"]["script"] = {"command": ["python", "train.py"]}
    write_receipt(run_dir, TrainingJob.model_validate(document), domain)
    assert not {"recipe", "optimizer", "learning rate", "batch size"} & set(repeated(run_dir))


def test_the_processor_is_the_one_that_linux_names(tmp_path):
    (tmp_path / "cpuinfo").write_text("processor\t: 0\nmodel name\t: Some CPU @ 2.70GHz\nmodel name\t: Other\n")
    assert cpu_model(tmp_path / "cpuinfo") == "Some CPU @ 2.70GHz"
    assert cpu_model(tmp_path / "nothing") == platform.processor()


def test_pauses_are_told_and_not_counted(run_dir, job, domain):
    receipt = write_receipt(run_dir, job, domain)
    assert (receipt.duration.seconds, receipt.duration.active_seconds) == (187, 157)
    assert "Complete after 2 min 37 s, paused 30 s." in (run_dir / "receipt.md").read_text()
    straight = {**STATUS, "internal": {"activeSince": "2026-11-24T02:00:01Z"}}
    (run_dir / "status.json").write_text(json.dumps(straight))
    write_receipt(run_dir, job, domain)
    assert "Complete after 3 min 06 s." in (run_dir / "receipt.md").read_text()


def test_a_restart_tells_how_long_the_group_was_down(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    text = (run_dir / "receipt.md").read_text()
    assert "| Down |" in text
    assert "| step 100 | 9 s |" in text


def test_the_loss_is_on_a_logarithmic_axis_unless_a_value_is_not_positive(run_dir, job, domain):
    write_receipt(run_dir, job, domain)
    assert "<figcaption>Loss, logarithmic<" in (run_dir / "receipt.html").read_text()
    with (run_dir / "metrics.jsonl").open("a") as file:
        file.write('\n{"step": 60, "loss": -0.5}\n')
    write_receipt(run_dir, job, domain)
    assert "<figcaption>Loss<" in (run_dir / "receipt.html").read_text()


@pytest.mark.parametrize(
    ("carbon", "told"),
    [
        ({}, ("world", "world mean of 2025, Ember 2026")),
        ({"gramsPerKWh": 20}, ("not named", "no source named")),
        ({"gramsPerKWh": 381, "zone": "DE", "source": "UBA"}, ("DE", "UBA")),
    ],
)
def test_the_worlds_mean_is_named_as_the_source_of_no_other_figure(carbon, told):
    intensity = PowerDomain.model_validate({"metadata": {"name": "d"}, "spec": {"carbon": carbon}}).spec.carbon
    assert (intensity.zone_name, intensity.source_name) == told


def test_the_model_card_of_a_complete_job_tells_what_it_cost(run_dir, job, domain):
    card = run_dir / "model" / "README.md"
    card.parent.mkdir()
    card.write_text(f'---\nlibrary_name: "wattrain"\n---\n\n# digits-mlp\n\n{energy_part("not known")}')
    write_receipt(run_dir, job, domain)
    text = card.read_text()
    assert "| Energy | 1.00 kJ (0.350 to 2.20 kJ) | modelled |" in text
    assert "| Cost of the energy | " in text
    assert '"emissions": 0.132' in text.split("---\n")[1]
    assert "<script" not in text.split("---\n")[2]


@pytest.mark.parametrize(("initial", "said"), [({}, "pre-training"), ({"path": "runs/bert"}, "fine-tuning")])
def test_the_model_card_tells_whether_the_training_went_on_from_a_model(initial, said, run_dir, job, domain):
    spec = job.spec.to_json_object()
    spec |= {"recipe": {"name": "bert-classifier"}, "data": {"source": {"uri": "a.jsonl"}, "label": "topic"}}
    spec["training"] |= {"initialModel": initial} if initial else {}
    job = TrainingJob.model_validate({"metadata": {"name": "a", "namespace": "local"}, "spec": spec})
    card = run_dir / "model" / "README.md"
    card.parent.mkdir()
    card.write_text(f'---\nlibrary_name: "wattrain"\n---\n\n# a\n\n{energy_part("not known")}')
    write_receipt(run_dir, job, domain)
    assert f'"training_type": "{said}"' in card.read_text()


def test_the_model_card_of_a_job_that_failed_is_left_alone(run_dir, job, domain):
    (run_dir / "status.json").write_text(json.dumps(STATUS | {"state": "Failed"}))
    card = run_dir / "model" / "README.md"
    card.parent.mkdir()
    card.write_text(energy_part("not known"))
    write_receipt(run_dir, job, domain)
    assert card.read_text() == energy_part("not known")
