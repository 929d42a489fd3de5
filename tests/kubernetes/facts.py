"""What must be true of the objects of one rendering, whatever the values. Each fact yields complaints."""

import json

import external_metrics as own_external_metrics

EXPECTED_PROBES = {"startupProbe": "/startupz", "readinessProbe": "/readyz", "livenessProbe": "/healthz"}


def complaints(objects, version, external):
    """`version` as (1, 27); `external` names what the release expects to exist: {"Secret/regrow", …}."""
    for fact in (pods, serving, scaling, selectors, references, ports, versions, custom, external_metrics):
        for complaint in fact(objects, version, external):
            yield f"{fact.__name__}: {complaint}"


def of(objects, *kinds):
    return [o for o in objects if o["kind"] in kinds]


def name(o):
    return f"{o['kind']}/{o['metadata']['name']}"


def is_hook(o):
    return "helm.sh/hook" in o["metadata"].get("annotations", {})


def pod_specs(objects):
    for o in of(objects, "Deployment", "Job"):
        yield o, o["spec"]["template"]["spec"]
    for o in of(objects, "Pod"):
        yield o, o["spec"]


def containers(spec):
    return spec.get("initContainers", []) + spec["containers"]


def selected(selector, labels):
    return selector.items() <= labels.items()


def template_labels(deployment):
    return deployment["spec"]["template"]["metadata"]["labels"]


def pods(objects, *_):
    for o, spec in pod_specs(objects):
        context = spec.get("securityContext", {})
        if (context.get("runAsNonRoot"), context.get("runAsUser")) != (True, 65532):
            yield f"{name(o)} does not run as 65532"
        if context.get("seccompProfile") != {"type": "RuntimeDefault"}:
            yield f"{name(o)} has no seccomp profile"
        if spec.get("automountServiceAccountToken") is not False and not own_external_metrics.is_server(o):
            yield f"{name(o)} mounts a token of its service account"
        for c in containers(spec):
            at, own = f"{name(o)} {c['name']}", c.get("securityContext", {})
            wanted = {"allowPrivilegeEscalation": False, "readOnlyRootFilesystem": True, "capabilities": {"drop": ["ALL"]}}
            if not wanted.items() <= own.items():
                yield f"{at} is not restricted"
            tail = c["image"].rsplit("/", 1)[-1]
            if "@sha256:" not in tail and (":" not in tail or tail.endswith(":latest")):
                yield f"{at} has no fixed image: {c['image']}"
            if not c.get("resources", {}).get("requests") or "memory" not in c["resources"].get("limits", {}):
                yield f"{at} has no requests, or no limit of memory"
    for o in of(objects, "ServiceAccount"):
        if o.get("automountServiceAccountToken") is not False:
            yield f"{name(o)} mounts tokens"


def serving(objects, *_):
    config = next(o for o in of(objects, "ConfigMap") if "regrow" in json.loads(o["data"].get("openclaw.json", "{}")))
    own = json.loads(config["data"]["openclaw.json"])["regrow"]
    for d in of(objects, "Deployment"):
        if own_external_metrics.is_server(d):
            continue
        spec = d["spec"]["template"]["spec"]
        grace = spec.get("terminationGracePeriodSeconds", 30)
        if grace < own["noticeSeconds"] + own["drainSeconds"] + 15:
            yield f"{name(d)} has {grace} s of grace, which is less than notice + drain + 15"
        for c in spec["containers"]:
            for probe, path in EXPECTED_PROBES.items():
                if c.get(probe, {}).get("httpGet", {}).get("path") != path:
                    yield f"{name(d)} has no {probe} at {path}"
            if any("subPath" in mount for mount in c["volumeMounts"]):
                yield f"{name(d)} mounts by subPath, and so never sees a change"
        shared = any(e["name"] == "REGROW_STORE" for e in spec["containers"][0]["env"])
        strategy = d["spec"]["strategy"]
        if shared and strategy.get("rollingUpdate") != {"maxSurge": 1, "maxUnavailable": 0}:
            yield f"{name(d)} is not rolled out one by one"
        if not shared and (strategy["type"], d["spec"].get("replicas")) != ("Recreate", 1):
            yield f"{name(d)} would open the embedded store twice"
        state = next(v for v in spec["volumes"] if v["name"] == "state")
        if not shared and "persistentVolumeClaim" not in state:
            yield f"{name(d)} keeps its embedded store in a volume that goes with the pod"
        lost = {t["key"]: t.get("tolerationSeconds") for t in spec["tolerations"]}
        if {lost.get(f"node.kubernetes.io/{key}") for key in ("unreachable", "not-ready")} != {30}:
            yield f"{name(d)} is not replaced 30 s after its node is lost"


def scaling(objects, *_):
    scalers = {}
    for o in of(objects, "HorizontalPodAutoscaler", "ScaledObject"):
        scalers.setdefault(o["spec"]["scaleTargetRef"]["name"], []).append(o)
    names = {d["metadata"]["name"] for d in of(objects, "Deployment")}
    for target, owners in scalers.items():
        if target not in names:
            yield f"{name(owners[0])} scales {target}, which is not there"
        if len(owners) > 1:
            yield f"{target} is scaled by {', '.join(map(name, owners))}"
    for d in of(objects, "Deployment"):
        if ("replicas" in d["spec"]) == (d["metadata"]["name"] in scalers):
            yield f"{name(d)}: `replicas` must be there exactly if nothing scales it"
    for o in of(objects, "HorizontalPodAutoscaler"):
        behavior = o["spec"]["behavior"]
        if behavior["scaleUp"]["stabilizationWindowSeconds"] or not behavior["scaleDown"]["stabilizationWindowSeconds"]:
            yield f"{name(o)} must go up at once and down slowly"


def selectors(objects, *_):
    deployments = of(objects, "Deployment")
    for d in deployments:
        found = [name(x) for x in deployments if selected(d["spec"]["selector"]["matchLabels"], template_labels(x))]
        if found != [name(d)]:
            yield f"{name(d)} selects the pods of {found}"
        for spread in d["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            if not selected(spread["labelSelector"]["matchLabels"], template_labels(d)):
                yield f"{name(d)} is spread by labels that it has not"
            # Nodes that lack any constraint's label are left out by all of them.
            if spread["topologyKey"] != "kubernetes.io/hostname":
                yield f"{name(d)} is not spread over nodes without the label {spread['topologyKey']}"
    for s in of(objects, "Service"):
        found = [d for d in deployments if selected(s["spec"]["selector"], template_labels(d))]
        if not found:
            yield f"{name(s)} leads nowhere"
        for d in found:
            ports = {p["name"] for p in d["spec"]["template"]["spec"]["containers"][0]["ports"]}
            if not {p["targetPort"] for p in s["spec"]["ports"]} <= ports:
                yield f"{name(s)} leads to a port that {name(d)} has not"
        jobs = [j for j in of(objects, "Job") if selected(s["spec"]["selector"], j["spec"]["template"]["metadata"]["labels"])]
        if jobs:
            yield f"{name(s)} leads to {name(jobs[0])}"
    for p in of(objects, "PodDisruptionBudget"):
        if len([d for d in deployments if selected(p["spec"]["selector"]["matchLabels"], template_labels(d))]) != 1:
            yield f"{name(p)} is not about one Deployment"
        if p["spec"].get("maxUnavailable") != 1:
            yield f"{name(p)} does not let one go"
    policies = of(objects, "NetworkPolicy")
    for d in deployments if policies else []:
        if not any(selected(n["spec"]["podSelector"]["matchLabels"], template_labels(d)) for n in policies):
            yield f"no NetworkPolicy is about {name(d)}"
    for n in policies:
        if not any(selected(n["spec"]["podSelector"]["matchLabels"], template_labels(d)) for d in deployments):
            yield f"{name(n)} is about no Deployment"
    for m in of(objects, "ServiceMonitor"):
        found = [s for s in of(objects, "Service") if selected(m["spec"]["selector"]["matchLabels"], s["metadata"]["labels"])]
        if [p["name"] for s in found for p in s["spec"]["ports"]] != ["metrics"]:
            yield f"{name(m)} does not find the one Service for metrics"


def references(objects, _, external):
    """Whatever a pod names is made by this rendering, and for hooks by hooks: the rest is not there yet."""
    for o, spec in pod_specs(objects):
        early = is_hook(o) and o["kind"] == "Job"
        made = {name(x) for x in objects if not early or is_hook(x)}
        wanted = set()
        if "serviceAccountName" in spec:
            wanted.add(f"ServiceAccount/{spec['serviceAccountName']}")
        for v in spec.get("volumes", []):
            for source in [v, *v.get("projected", {}).get("sources", [])]:
                if "configMap" in source:
                    wanted.add(f"ConfigMap/{source['configMap']['name']}")
                if "secret" in source:
                    wanted.add(f"Secret/{source['secret'].get('name') or source['secret']['secretName']}")
                if "persistentVolumeClaim" in source:
                    wanted.add(f"PersistentVolumeClaim/{source['persistentVolumeClaim']['claimName']}")
        for missing in sorted(wanted - made - external):
            yield f"{name(o)} needs {missing}, which nobody makes" + (" before it runs" if early else "")


def ports(objects, *_):
    """Server-side apply, which Helm 4 uses, finds ports by their protocol too, and older clusters know no default for it."""
    for o in of(objects, "Service"):
        if not all(p.get("protocol") for p in o["spec"]["ports"]):
            yield f"{name(o)} has a port without a protocol"
    for o, spec in pod_specs(objects):
        if not all(p.get("protocol") for c in containers(spec) for p in c.get("ports", [])):
            yield f"{name(o)} has a port without a protocol"
        if not all(c.get("terminationMessagePolicy") == "FallbackToLogsOnError" for c in spec["containers"]) and o["kind"] != "Pod":
            yield f"{name(o)} ends without telling why"


def versions(objects, version, _):
    for p in of(objects, "PodDisruptionBudget"):
        if p["apiVersion"] != ("policy/v1" if version >= (1, 21) else "policy/v1beta1"):
            yield f"{name(p)} is {p['apiVersion']}"
    for h in of(objects, "HorizontalPodAutoscaler"):
        if h["apiVersion"] != ("autoscaling/v2" if version >= (1, 23) else "autoscaling/v2beta2"):
            yield f"{name(h)} is {h['apiVersion']}"
    for d in of(objects, "Deployment"):
        for spread in d["spec"]["template"]["spec"]["topologySpreadConstraints"]:
            if ("matchLabelKeys" in spread) != (version >= (1, 27)):
                yield f"{name(d)}: matchLabelKeys on {version}"


def custom(objects, *_):
    """Kinds that no schema of Kubernetes knows."""
    for o in of(objects, "ScaledObject"):
        for t in o["spec"]["triggers"]:
            if t["type"] not in ("metrics-api", "postgresql") or t["metricType"] not in ("AverageValue", "Value"):
                yield f"{name(o)} has a strange trigger: {t['type']}, {t['metricType']}"
            for key, value in t["metadata"].items():
                if not isinstance(value, str) or not value:
                    yield f"{name(o)}: {key} must be a text that says something, not {value!r}"
            auth = t.get("authenticationRef", {}).get("name")
            if auth and auth not in {a["metadata"]["name"] for a in of(objects, "TriggerAuthentication")}:
                yield f"{name(o)} needs the TriggerAuthentication {auth}"
    for o in of(objects, "PrometheusRule"):
        if not o["spec"]["groups"][0]["rules"]:
            yield f"{name(o)} has no rules"


def external_metrics(objects, *_):
    yield from own_external_metrics.complaints(objects)
