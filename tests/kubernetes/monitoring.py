"""Alerts and dashboard: their queries parse, and ask only for metrics that Regrow has."""

import json
import re

# The program's own test (regrow/tests/e2e/metrics.rs) holds the same files against what it tells. A histogram has _bucket,
# _sum and _count.
METRICS = set(
    """regrow_lanes_ready regrow_lanes_running regrow_oldest_ready_seconds regrow_slots regrow_replicas
    regrow_runs_running regrow_slots_free regrow_ready regrow_draining regrow_build_info
    regrow_accepted_total regrow_refused_total regrow_runs_ended_total regrow_takeovers_total regrow_takeover_seconds_bucket
    regrow_replicas_lost_total regrow_runs_resumed_total regrow_fenced_total regrow_store_seconds_bucket regrow_store_errors_total
    regrow_model_calls_total regrow_model_call_seconds_bucket regrow_tokens_total regrow_event_loop_lag_seconds
    regrow_config_refused regrow_config_reloads_total regrow_config_restart_keys
    process_resident_memory_bytes process_cpu_seconds_total process_open_fds process_max_fds
    process_start_time_seconds""".split()
)
METRIC = re.compile(r"\b(?:regrow|process)_[a-z_]+\b")


def queries(alerts, dashboard):
    """Every query with the place where it stands."""
    for group in alerts["groups"]:
        for rule in group["rules"]:
            yield rule["alert"], rule["expr"]
    for panel in json.loads(dashboard)["panels"]:
        for target in panel["targets"]:
            yield f"panel {panel['title']}", target["expr"].replace("$__rate_interval", "5m")


def complaints(alerts, dashboard, parse):
    for at, query in queries(alerts, dashboard):
        for metric in sorted(set(METRIC.findall(query)) - METRICS):
            yield f"{at} asks for {metric}, which Regrow has not"
        if parse:
            try:
                parse(query)
            except Exception as why:  # the parser has no type of its own for it
                yield f"{at}: {why}"
    for group in alerts["groups"]:
        for rule in group["rules"]:
            if rule["labels"].get("severity") not in ("critical", "warning"):
                yield f"{rule['alert']} has no severity"
            if not rule["annotations"].get("summary") or not rule["annotations"].get("description"):
                yield f"{rule['alert']} does not say what it means"
    panels = json.loads(dashboard)["panels"]
    if len({p["id"] for p in panels}) != len(panels):
        yield "two panels have one id"


def adapter(values, wanted, parse):
    """prometheus-adapter serves the metrics that the chart's HPA asks for, from series that Regrow has."""
    rules = {rule["name"]["as"]: rule for rule in values["rules"]["external"]}
    if set(rules) != set(wanted):
        yield f"it serves {sorted(rules)}, and the HPA asks for {sorted(wanted)}"
    for name, rule in rules.items():
        series = METRIC.match(rule["seriesQuery"]).group()
        query = rule["metricsQuery"].replace("<<.Series>>", series).replace("<<.LabelMatchers>>", 'namespace="regrow"')
        for metric in sorted(set(METRIC.findall(query + rule["seriesQuery"])) - METRICS):
            yield f"{name} asks for {metric}, which Regrow has not"
        if "<<" in query:
            yield f"{name} has an unknown template"
        for text in (query, rule["seriesQuery"]) if parse else ():
            try:
                parse(text)
            except Exception as why:  # the parser has no type of its own for it
                yield f"{name}: {why}"
