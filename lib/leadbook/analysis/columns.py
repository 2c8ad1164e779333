"""What the columns of phase 09's tables mean."""

__all__ = ["COLUMNS"]

COLUMNS = {
    "what": "the number", "value": "measured now", "% of leads": "share of all stored leads",
    "target": "what is asked for",
    "task book (SQL)": "as the task book writes it", "run here (MongoDB)": "the pipeline or command that was run",
    "remark": "what it counts, or why it differs",
    "field": "field of a lead", "present": "leads that have it, not null and not blank", "percent": "share of leads",
    "required": "a lead without it is not valid", "source": "data_source", "leads": "leads concerned",
    "all sources": "the share over all sources",
    "index": "name of the index", "fields": "its keys", "unique": "refuses a second equal value",
    "through the index": "documents counted through it", "by a scan": "documents it should know", "whole": "both agree",
    "anomaly": "the rule", "kind": "possible duplicate, contradiction, or suspicion",
    "groups": "sets of leads that belong together", "example": "masked", "what it means": "why it matters",
    "what to do": "advice",
    "query": "query of the report", "filtered": "selects by a field, so an index should help",
    "plan": "how the server finds the documents; metadata = it need not look at any", "ms": "time of one run",
    "problem": "why it did not run", "area": "what it tells of", "metric": "what was measured",
    "measured": "the number",
    "unit": "of the number", "verdict": "of the phase that measured it", "phase": "of this run", "check": "its check",
    "reading": "of the monitoring snapshot", "first third": "mean", "last third": "mean",
    "change %": "last to first",
    "priority": "high: a target is missed", "topic": "what it is about", "action": "what to do",
    "evidence": "the measurement it rests on", "impact": "estimate of the effect",
}  # fmt: skip
"""By column name."""
