"""`spec.workers.affinity`: nodes and neighbours that the workers must or should have. Named as in a pod."""

from __future__ import annotations

from typing import Annotated, ClassVar, Literal

from pydantic import Field

from wattrain_api.base import LabelKey, LabelValue, Model, Rule


class LabelRequirement(Model):
    """What a label must be."""

    RULES: ClassVar = (
        Rule(
            "(self.operator in ['Exists', 'DoesNotExist']) == (!has(self.values) || self.values.size() == 0)",
            "Exists and DoesNotExist take no values, all others need some",
            lambda r: (r.operator in ("Exists", "DoesNotExist")) == (not r.values),
        ),
    )

    key: LabelKey
    """The label."""
    operator: Literal["In", "NotIn", "Exists", "DoesNotExist", "Gt", "Lt"]
    """How it is compared; Gt and Lt, of nodes alone, with one integer."""
    values: Annotated[tuple[LabelValue, ...], Field(max_length=32)] = ()
    """With what."""


class NodeTerm(Model):
    """Nodes whose labels are all as required."""

    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(min_length=1, max_length=8)]
    """What their labels must be."""


class RequiredNodes(Model):
    """Nodes that fit one of the terms."""

    node_selector_terms: Annotated[tuple[NodeTerm, ...], Field(min_length=1, max_length=8)]
    """The terms."""


class PreferredNodes(Model):
    """Nodes that are better than others."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """How much better."""
    preference: NodeTerm
    """Which ones."""


class NodeAffinity(Model):
    """On which nodes the workers must or should be."""

    required_during_scheduling_ignored_during_execution: RequiredNodes | None = None
    """On no others."""
    preferred_during_scheduling_ignored_during_execution: Annotated[
        tuple[PreferredNodes, ...], Field(max_length=8)
    ] = ()
    """Rather on these."""


class LabelSelector(Model):
    """Pods whose labels are all as required."""

    match_labels: Annotated[dict[LabelKey, LabelValue], Field(max_length=16)] = {}
    """Labels and their values."""
    match_expressions: Annotated[tuple[LabelRequirement, ...], Field(max_length=8)] = ()
    """What else their labels must be."""


class PodTerm(Model):
    """Pods of the job's namespace, and what they share with the workers."""

    label_selector: LabelSelector
    """Which pods."""
    topology_key: LabelKey
    """Label of nodes; nodes with the same value are one place."""


class PreferredPods(Model):
    """Places that are better, or worse, than others."""

    weight: Annotated[int, Field(ge=1, le=100)]
    """By how much."""
    pod_affinity_term: PodTerm
    """Which ones."""


class PodAffinity(Model):
    """Near to, or far from, which pods the workers must or should be."""

    required_during_scheduling_ignored_during_execution: Annotated[tuple[PodTerm, ...], Field(max_length=8)] = ()
    """What must be so."""
    preferred_during_scheduling_ignored_during_execution: Annotated[tuple[PreferredPods, ...], Field(max_length=8)] = ()
    """What should be so."""


class Affinity(Model):
    """Where the workers must or should be, as in a pod."""

    node_affinity: NodeAffinity | None = None
    """On which nodes."""
    pod_affinity: PodAffinity | None = None
    """Near to which pods."""
    pod_anti_affinity: PodAffinity | None = None
    """Far from which pods."""
