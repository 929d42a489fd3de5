"""The Kustomize overlays make what the chart makes: both are brought into one form and compared."""

import json
import re

RELEASE_LABELS = {"app.kubernetes.io/managed-by", "app.kubernetes.io/version", "helm.sh/chart"}
HASH = re.compile(r"-[a-z0-9]{10}$")


def differences(chart, overlay):
    """Where the two lists of objects differ."""
    ours, migration = plain_chart(chart)
    theirs, init = plain_overlay(overlay)
    yield from differ("", ours, theirs)
    if migration and init:
        yield from differ("migration", plain_container(migration, {}), init)
    elif migration or init:
        yield "migration: only one of the two migrates"


def plain_chart(objects):
    job = [o["spec"]["template"]["spec"]["containers"][0] for o in objects if o["kind"] == "Job"]
    kept = [o for o in objects if "helm.sh/hook" not in o["metadata"].get("annotations", {})]
    return {key(o): plain(o, {}) for o in kept}, job[0] if job else None


def plain_overlay(objects):
    texts = {HASH.sub("", o["metadata"]["name"]): o["data"] for o in objects if o["kind"] == "ConfigMap"}
    kept = [o for o in objects if HASH.sub("", o["metadata"]["name"]) != "regrow-store"]
    init = [c for o in kept if o["kind"] == "Deployment" for c in o["spec"]["template"]["spec"].pop("initContainers", [])]
    return {key(o): plain(o, texts) for o in kept}, plain_container(init[0], texts) if init else None


def key(o):
    return f"{o['kind']}/{HASH.sub('', o['metadata']['name'])}"


def plain(o, texts):
    """Without what belongs to the tool rather than to the object."""
    meta = o["metadata"]
    out = {k: v for k, v in o.items() if k != "metadata"}
    out["labels"] = {k: v for k, v in meta.get("labels", {}).items() if k not in RELEASE_LABELS}
    if o["kind"] == "ConfigMap":
        out["data"] = {k: json.loads(v) for k, v in o["data"].items()}
    if o["kind"] == "Deployment":
        template = out["spec"]["template"]
        template["metadata"].pop("annotations", None)
        spec = template["spec"]
        spec["containers"] = [plain_container(c, texts) for c in spec["containers"]]
        for volume in spec["volumes"]:
            if "configMap" in volume:
                volume["configMap"]["name"] = HASH.sub("", volume["configMap"]["name"])
        spec["volumes"].sort(key=lambda v: v["name"])
    return out


def plain_container(container, texts):
    env = {}
    for e in container["env"]:
        ref = e.get("valueFrom", {}).get("configMapKeyRef")
        env[e["name"]] = texts[HASH.sub("", ref["name"])][ref["key"]] if ref else e.get("value", e.get("valueFrom"))
    return {**container, "env": env}


def differ(at, a, b):
    if isinstance(a, dict) and isinstance(b, dict):
        for k in sorted(a.keys() | b.keys()):
            yield from differ(f"{at}.{k}", a.get(k), b.get(k))
    elif isinstance(a, list) and isinstance(b, list) and len(a) == len(b):
        for i, (x, y) in enumerate(zip(a, b)):
            yield from differ(f"{at}[{i}]", x, y)
    elif a != b:
        yield f"{at}: the chart has {a}, the overlay {b}"
