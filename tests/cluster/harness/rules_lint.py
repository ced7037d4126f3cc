"""Rules of the house for Prometheus' rules: what promtool does not look at."""

import re

RECORD = re.compile(r"(namespace|namespace_trainingjob):wattrain_[a-z_]+:[a-z0-9_]+")
ALERT = re.compile(r"Wattrain([A-Z][a-z]+)+")
SEVERITIES = {"critical", "warning", "info"}
ANNOTATIONS = {"summary", "description", "runbook_url"}
RUNBOOKS = "docs/runbook/"
_NAME = re.compile(r"[a-zA-Z_:][a-zA-Z0-9_:]*")
_TEXTS_AND_RANGES = re.compile(r'"[^"]*"|\[[^]]*\]')


def problems_of_rules(rules, exported, pages):
    """What is wrong with `rules`: each a sentence that begins with the rule's name.

    `exported`: names of all metrics. `pages`: names of files in the runbook.
    """
    known = set(exported) | {rule["record"] for rule in rules if "record" in rule}
    for rule in rules:
        name = rule.get("record") or rule["alert"]
        for metric in sorted(metrics_in(rule["expr"]) - known):
            yield f"{name}: nobody exports {metric}"
        if "record" in rule:
            if not RECORD.fullmatch(name):
                yield f"{name}: not level:metric:operations"
            continue
        yield from (f"{name}: {problem}" for problem in _problems_of_alert(rule, pages))


def metrics_in(expression):
    """Names of Wattrain's metrics and of recorded series in `expression`."""
    names = _NAME.findall(_TEXTS_AND_RANGES.sub("", expression))
    return {name for name in names if name.startswith(("wattrain_", "process_")) or ":" in name}


def _problems_of_alert(rule, pages):
    if not ALERT.fullmatch(rule["alert"]):
        yield "not Wattrain and CamelCase"
    if "for" not in rule:
        yield "fires at once: it has no `for`"
    if rule.get("labels", {}).get("severity") not in SEVERITIES:
        yield f"its severity is none of {sorted(SEVERITIES)}"
    notes = rule.get("annotations", {})
    if set(notes) != ANNOTATIONS:
        yield f"its annotations are not {sorted(ANNOTATIONS)}"
        return
    if "{{" in notes["summary"]:
        yield "its summary has values, by which alerts could not be grouped"
    if "$labels." not in notes["description"] and not rule["expr"].startswith("absent("):
        yield "its description does not say of what it is"
    if notes["runbook_url"] != f"{RUNBOOKS}{rule['alert']}.md":
        yield "its runbook_url is another alert's"
    elif f"{rule['alert']}.md" not in pages:
        yield "it has no page in the runbook"
