"""What the scenes need besides the release: namespaces, a database, somebody who kills, and the release's values."""

import json
import os
import secrets
import tempfile

import tools

from . import kube, report

SUFFIX = secrets.token_hex(3)
# Where the release is, under the strictest Pod Security Standard; and everything else.
SPACE, RIG = f"regrow-{SUFFIX}", f"regrow-{SUFFIX}-rig"
CHART = tools.ROOT / "deploy/helm/regrow"
RELEASE = "regrow"
POSTGRES = os.environ.get("POSTGRES_IMAGE", "postgres:17-bookworm")
PYTHON = os.environ.get("PYTHON_IMAGE", "python:3.13-slim-bookworm")
PASSWORD, TOKEN = secrets.token_hex(16), secrets.token_hex(24)

# Replicas with so few slots that a small crowd is much work, and times that fit a test.
VALUES = {
    "store": {"type": "postgres", "postgres": {"url": f"postgres://regrow@postgres.{RIG}.svc:5432/regrow"}},
    "secret": {"existingSecret": "regrow"},
    "networkPolicy": {"from": [{"namespaceSelector": {"matchLabels": {"regrow-test": SUFFIX}}}]},
    "resources": {"requests": {"cpu": "50m", "memory": "64Mi"}, "limits": {"memory": "512Mi"}},
}

node = ""


def image_values(image):
    """`registry/name:tag` as values of the chart."""
    repository, _, tag = image.rpartition(":")
    return {"image": {"repository": repository, "tag": tag}}


def begin():
    """Namespaces, secrets, the database; the node that all of it is on, which no scene takes away."""
    global node
    ready = [n for n in kube.get("nodes") if kube.is_ready(n) and not n["spec"].get("unschedulable")]
    node = ready[0]["metadata"]["name"]
    print(f"Kubernetes {'.'.join(map(str, kube.version()))}, {len(ready)} nodes, {kube.helm('version', '--short').stdout.strip()}")
    kube.apply(namespace(SPACE, {"pod-security.kubernetes.io/enforce": "restricted"}), namespace(RIG, {}))
    kube.apply(secret(SPACE, {"gateway-token": TOKEN, "store-password": PASSWORD}))
    kube.apply(secret(RIG, {"gateway-token": TOKEN, "store-password": PASSWORD}), *database(), *killers())
    took = kube.until(180, lambda: all(kube.is_ready(p) for p in kube.get("pods", "-n", RIG)))
    report.need("the database is there", took is not None, lambda: kube.kubectl("describe", "pods", "-n", RIG).stdout)


def end():
    kube.helm("uninstall", RELEASE, "-n", SPACE, "--ignore-not-found", "--wait", check=False)
    kube.kubectl("delete", "namespace", SPACE, RIG, "--ignore-not-found", "--timeout=180s", check=False)
    kube.kubectl("delete", "persistentvolume", f"{SPACE}-state", "--ignore-not-found", check=False)


def namespace(name, labels):
    return {"apiVersion": "v1", "kind": "Namespace", "metadata": {"name": name, "labels": {"regrow-test": SUFFIX, **labels}}}


def secret(space, texts):
    return {"apiVersion": "v1", "kind": "Secret", "metadata": {"name": "regrow", "namespace": space}, "stringData": texts}


def pod(name, spec, labels=None):
    """A pod beside the release, on the node that stays."""
    spec = {"nodeSelector": {"kubernetes.io/hostname": node}, "terminationGracePeriodSeconds": 5,
            "automountServiceAccountToken": False, **spec}
    metadata = {"name": name, "namespace": RIG, "labels": labels or {"app": name}}
    return {"apiVersion": "v1", "kind": "Pod", "metadata": metadata, "spec": spec}


def database():
    env = {"POSTGRES_USER": "regrow", "POSTGRES_DB": "regrow", "POSTGRES_PASSWORD_FILE": "/run/secrets/db/store-password"}
    asks = ["pg_isready", "-h", "127.0.0.1", "-U", "regrow", "-d", "regrow"]
    yield pod("postgres", {
        "containers": [{
            "name": "postgres", "image": POSTGRES, "imagePullPolicy": "IfNotPresent",
            "env": [{"name": name, "value": value} for name, value in env.items()],
            "ports": [{"containerPort": 5432}],
            "readinessProbe": {"exec": {"command": asks}, "periodSeconds": 1, "timeoutSeconds": 5},
            "volumeMounts": [{"name": "secrets", "mountPath": "/run/secrets/db"},
                             {"name": "data", "mountPath": "/var/lib/postgresql/data"}],
        }],
        "volumes": [{"name": "secrets", "secret": {"secretName": "regrow"}}, {"name": "data", "emptyDir": {}}],
    })
    yield {"apiVersion": "v1", "kind": "Service", "metadata": {"name": "postgres", "namespace": RIG},
           "spec": {"selector": {"app": "postgres"}, "ports": [{"port": 5432}]}}


def killers():
    """On each node a pod that sees the node's processes and may end them."""
    template = {
        "metadata": {"labels": {"app": "killer"}},
        "spec": {
            "hostPID": True, "automountServiceAccountToken": False, "terminationGracePeriodSeconds": 1,
            "containers": [{
                "name": "killer", "image": PYTHON, "imagePullPolicy": "IfNotPresent",
                "command": ["python3", "-c", "import signal; signal.pause()"],
                "securityContext": {"runAsUser": 0, "capabilities": {"drop": ["ALL"], "add": ["KILL"]}},
            }],
        },
    }
    yield {"apiVersion": "apps/v1", "kind": "DaemonSet", "metadata": {"name": "killer", "namespace": RIG},
           "spec": {"selector": {"matchLabels": {"app": "killer"}}, "template": template}}


SIGNAL = """
import os, pathlib, sys
uid, program, signal, most = sys.argv[1], sys.argv[2], int(sys.argv[3]), int(sys.argv[4])
found = []
for process in pathlib.Path('/proc').glob('[0-9]*'):
    try:
        groups = (process / 'cgroup').read_text().replace('_', '-')
        comm, _, rest = (process / 'stat').read_text().partition('(')[2].rpartition(')')
        if uid in groups and comm == program:
            found.append((int(rest.split()[19]), int(process.name)))
    except (FileNotFoundError, ProcessLookupError):
        pass
# By the time of their start.
for _, pid in sorted(found)[:most]:
    os.kill(pid, signal)
    print(pid)
"""


def signal(of_pod, program, number, most=1):
    """Sends a signal to a pod's processes, the oldest first, from outside of the container: SIGKILL is then as a crash."""
    on = of_pod["spec"]["nodeName"]
    killer = next(p for p in kube.get("pods", "-n", RIG, "-l", "app=killer") if p["spec"].get("nodeName") == on)
    said = kube.kubectl("exec", "-n", RIG, killer["metadata"]["name"], "--", "python3", "-c", SIGNAL,
                        of_pod["metadata"]["uid"], program, int(number), most).stdout
    report.need(f"{of_pod['metadata']['name']} gets {number.name}", said.strip(), f"no process {program} in it")


def merged(*values):
    """Values of the chart, the later ones over the earlier."""
    result = {}
    for layer in values:
        for key, value in layer.items():
            both = isinstance(value, dict) and isinstance(result.get(key), dict)
            result[key] = merged(result[key], value) if both else value
    return result


def helm_release(verb, *values, release=RELEASE, flags=(), base=VALUES):
    """`helm install` or `helm upgrade` with values; what it said and how it ended."""
    if verb == "install" and kube.version() < (1, 22) and "--server-side" in kube.helm("install", "--help").stdout:
        # Helm 4's way crashes API servers of before; upgrades follow the installation.
        flags = [*flags, "--server-side=false"]
    with tempfile.NamedTemporaryFile("w", suffix=".json") as file:
        json.dump(merged(image_values(os.environ["REGROW_IMAGE"]), base, *values), file)
        file.flush()
        return kube.helm(verb, release, CHART, "-n", SPACE, "-f", file.name, *flags, check=False)


def pods(component, release=RELEASE):
    """Pods of a kind, those that are going as well."""
    selector = f"app.kubernetes.io/instance={release},app.kubernetes.io/component={component}"
    return kube.get("pods", "-n", SPACE, "-l", selector)


def staying(component, release=RELEASE):
    """Pods of a kind without those that are going."""
    return [p for p in pods(component, release) if not p["metadata"].get("deletionTimestamp")]


def replicas(release=RELEASE):
    """Pods that serve, if one kind does everything."""
    return staying("replica", release)


def ready_replicas(release=RELEASE):
    return [p for p in replicas(release) if kube.is_ready(p)]


def whole(number, release=RELEASE):
    """Exactly so many replicas, all ready, of one template."""
    found = replicas(release)
    templates = {p["metadata"]["labels"]["pod-template-hash"] for p in found}
    return len(found) == number and all(map(kube.is_ready, found)) and len(templates) == 1


def logs(release=RELEASE):
    selector = f"app.kubernetes.io/instance={release}"
    return kube.kubectl("logs", "-n", SPACE, "-l", selector, "--prefix", "--tail=20", "--request-timeout=20s", check=False).stdout
