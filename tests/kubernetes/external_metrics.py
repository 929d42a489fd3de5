"""What must be true of Regrow's own server of external metrics, if a rendering has one."""

import base64
import ssl
import tempfile
import time
from pathlib import Path

GROUP = "external.metrics.k8s.io"
COMPONENT = {"app.kubernetes.io/component": "external-metrics"}
SERVED = {f"regrow_{m}" for m in ("load", "oldest_ready_seconds", "lanes_ready", "lanes_running", "slots", "replicas")}
PROBES = {"readinessProbe": "/readyz", "livenessProbe": "/healthz"}


def is_server(o):
    return o["kind"] == "Deployment" and COMPONENT.items() <= o["spec"]["template"]["metadata"]["labels"].items()


def complaints(objects):
    servers = [o for o in objects if is_server(o)]
    registered = [o for o in objects if o["kind"] == "APIService"]
    if not servers and not registered:
        return
    if len(servers) != 1 or [r["metadata"]["name"] for r in registered] != [f"v1beta1.{GROUP}"]:
        yield f"there is not one server for one APIService: {servers}, {registered}"
        return
    yield from server(servers[0])
    yield from route(objects, servers[0], registered[0]["spec"])
    yield from rights(objects, servers[0])
    yield from readers(objects, servers[0])


def server(deployment):
    spec = deployment["spec"]["template"]["spec"]
    container = spec["containers"][0]
    if spec.get("automountServiceAccountToken") is not True:
        yield "it needs the token of its service account, to learn who the API server is"
    if deployment["spec"]["replicas"] < 2:
        yield "one pod that is exchanged would disturb the discovery of the cluster"
    if deployment["spec"]["strategy"].get("rollingUpdate") != {"maxSurge": 1, "maxUnavailable": 0}:
        yield "it is not rolled out one by one"
    for probe, path in PROBES.items():
        get = container.get(probe, {}).get("httpGet", {})
        if (get.get("path"), get.get("scheme"), get.get("port")) != (path, "HTTPS", "https"):
            yield f"it has no {probe} at {path} by HTTPS"
    notice = int(argument(container, "notice-seconds"))
    if spec.get("terminationGracePeriodSeconds", 30) < notice + 15:
        yield "its grace period is less than its notice + 15"
    sources = [s["secret"] for v in spec["volumes"] for s in v.get("projected", {}).get("sources", [])]
    keys = sorted(i["path"] for s in sources for i in s.get("items", [{"path": f"all of {s['name']}"}]))
    if keys != ["store-password", "tls.crt", "tls.key"]:
        yield f"it gets {keys}, and needs the database's password and its certificate"


def argument(container, name):
    return next(a.split("=", 1)[1] for a in container["args"] if a.startswith(f"--{name}="))


def route(objects, deployment, registered):
    """From the APIService to the pods, as the API server goes: by TLS, under the Service's name."""
    if (registered["group"], registered["version"]) != (GROUP, "v1beta1"):
        yield f"the APIService is for {registered['group']}/{registered['version']}"
    target = registered["service"]
    services = [o for o in objects if o["kind"] == "Service" and o["metadata"]["name"] == target["name"]]
    if not services or services[0]["metadata"]["namespace"] != target["namespace"]:
        yield f"the APIService leads to {target}, which is not there"
        return
    labels = deployment["spec"]["template"]["metadata"]["labels"]
    ports = [p["port"] for p in services[0]["spec"]["ports"]]
    if not services[0]["spec"]["selector"].items() <= labels.items() or ports != [target["port"]]:
        yield "the APIService's Service does not lead to the server"
    policies = [o for o in objects if o["kind"] == "NetworkPolicy" and o["spec"]["podSelector"]["matchLabels"].items() <= labels.items()]
    rules = [rule for p in policies for rule in p["spec"]["ingress"]]
    if policies and {"ports": [{"port": "https", "protocol": "TCP"}]} not in rules:
        yield "no NetworkPolicy lets the API server in"
    secrets = {o["metadata"]["name"]: o for o in objects if o["kind"] == "Secret"}
    named = mounted(deployment)
    if named in secrets:
        bundle = base64.b64decode(registered["caBundle"]).decode()
        data = {k: base64.b64decode(v) for k, v in secrets[named]["data"].items()}
        yield from handshake(data, bundle, f"{target['name']}.{target['namespace']}.svc")


def mounted(deployment):
    volume = next(v for v in deployment["spec"]["template"]["spec"]["volumes"] if v["name"] == "tls")
    return volume["projected"]["sources"][0]["secret"]["name"]


def handshake(data, bundle, name):
    """The certificate is what the API server takes: of the named authority, for this name, for ten years."""
    try:
        with tempfile.TemporaryDirectory() as work:
            for key in ("tls.crt", "tls.key"):
                Path(work, key).write_bytes(data[key])
            listens = ssl.SSLContext(ssl.PROTOCOL_TLS_SERVER)
            listens.load_cert_chain(Path(work, "tls.crt"), Path(work, "tls.key"))
        knocks = ssl.SSLContext(ssl.PROTOCOL_TLS_CLIENT)
        knocks.load_verify_locations(cadata=bundle)
        to_server, to_client = ssl.MemoryBIO(), ssl.MemoryBIO()
        client = knocks.wrap_bio(to_client, to_server, server_hostname=name)
        server = listens.wrap_bio(to_server, to_client, server_side=True)
        for side in (client, server, client):
            try:
                side.do_handshake()
            except ssl.SSLWantReadError:
                pass
        until = ssl.cert_time_to_seconds(client.getpeercert()["notAfter"])
    except (ssl.SSLError, KeyError, ValueError) as why:
        yield f"the API server would not take the certificate: {why}"
        return
    if not 3600 < (until - time.time()) / 86400 < 3700:
        yield "the certificate is not for ten years"


def rights(objects, deployment):
    account = deployment["spec"]["template"]["spec"]["serviceAccountName"]
    own = {"kind": "ServiceAccount", "name": account, "namespace": deployment["metadata"]["namespace"]}
    scaler = {"kind": "ServiceAccount", "name": "horizontal-pod-autoscaler", "namespace": "kube-system"}
    bound = {
        (o["kind"], o["metadata"].get("namespace"), o["roleRef"]["kind"], o["roleRef"]["name"]): o["subjects"]
        for o in objects
        if o["kind"] in ("RoleBinding", "ClusterRoleBinding")
    }
    roles = {o["metadata"]["name"]: o["rules"] for o in objects if o["kind"] == "ClusterRole"}
    readable = [n for n, r in roles.items() if r == [{"apiGroups": [GROUP], "resources": ["*"], "verbs": ["get", "list"]}]]
    wanted = {("RoleBinding", "kube-system", "Role", "extension-apiserver-authentication-reader"): [own]}
    wanted |= {("ClusterRoleBinding", None, "ClusterRole", name): [scaler] for name in readable}
    if len(readable) != 1 or len(roles) != 1 or bound != wanted:
        yield f"rights are {bound} with {roles}, instead of {wanted}"


def readers(objects, deployment):
    """Autoscalers ask for what is served."""
    label = argument(deployment["spec"]["template"]["spec"]["containers"][0], "label").split("=")
    for o in objects:
        if o["kind"] == "HorizontalPodAutoscaler":
            for metric in (m["external"]["metric"] for m in o["spec"]["metrics"] if m["type"] == "External"):
                selected = metric.get("selector", {}).get("matchLabels", {})
                if metric["name"] not in SERVED or not selected.items() <= {label[0]: label[1]}.items():
                    yield f"the HorizontalPodAutoscaler asks for {metric}, which is not served"
