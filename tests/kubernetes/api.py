"""Just enough of a Kubernetes API for Helm's `lookup`: a namespace with Secrets in it."""

import base64
import http.server
import json
import tempfile
import threading
from contextlib import contextmanager
from pathlib import Path

KINDS = {
    "v1": ["Secret", "ServiceAccount", "ConfigMap", "Service", "PersistentVolumeClaim", "Pod"],
    "apps/v1": ["Deployment"],
    "batch/v1": ["Job"],
    "networking.k8s.io/v1": ["NetworkPolicy"],
    "policy/v1": ["PodDisruptionBudget"],
    "autoscaling/v2": ["HorizontalPodAutoscaler"],
    "rbac.authorization.k8s.io/v1": ["RoleBinding", "ClusterRole", "ClusterRoleBinding"],
    "apiregistration.k8s.io/v1": ["APIService"],
}

# Helm takes over what a release of this name has made.
OURS = {
    "labels": {"app.kubernetes.io/managed-by": "Helm"},
    "annotations": {"meta.helm.sh/release-name": "regrow", "meta.helm.sh/release-namespace": "regrow"},
}


@contextmanager
def cluster(secrets):
    """The kubeconfig of a cluster that has these Secrets: {name: {key: text}}."""
    server = http.server.ThreadingHTTPServer(("127.0.0.1", 0), type("Handler", (Handler,), {"secrets": secrets}))
    threading.Thread(target=server.serve_forever, daemon=True).start()
    with tempfile.TemporaryDirectory() as work:
        file = Path(work, "kubeconfig")
        file.write_text(json.dumps(kubeconfig(f"http://127.0.0.1:{server.server_port}")))
        file.chmod(0o600)
        try:
            yield file
        finally:
            server.shutdown()
            server.server_close()


def kubeconfig(url):
    return {
        "apiVersion": "v1",
        "kind": "Config",
        "current-context": "x",
        "contexts": [{"name": "x", "context": {"cluster": "x", "user": "x"}}],
        "clusters": [{"name": "x", "cluster": {"server": url}}],
        "users": [{"name": "x", "user": {}}],
    }


def plural(kind):
    return kind.lower().removesuffix("y") + ("ies" if kind.endswith("y") else "s")


class Handler(http.server.BaseHTTPRequestHandler):
    secrets = {}

    def do_GET(self):
        found = self.find(self.path.split("?")[0])
        missing = {"kind": "Status", "apiVersion": "v1", "status": "Failure", "reason": "NotFound", "code": 404}
        body = json.dumps(found or missing).encode()
        self.send_response(200 if found else 404)
        self.send_header("Content-Type", "application/json")
        self.send_header("Content-Length", str(len(body)))
        self.end_headers()
        self.wfile.write(body)

    def find(self, path):
        name = path.rsplit("/", 1)[-1]
        if path == "/version":
            return {"major": "1", "minor": "33", "gitVersion": "v1.33.0"}
        if path == "/api":
            return {"kind": "APIVersions", "versions": ["v1"]}
        if path == "/apis":
            versions = [{"groupVersion": v, "version": v.split("/")[1]} for v in KINDS if "/" in v]
            groups = [{"name": v["groupVersion"].split("/")[0], "versions": [v], "preferredVersion": v} for v in versions]
            return {"kind": "APIGroupList", "apiVersion": "v1", "groups": groups}
        version = path.removeprefix("/apis/").removeprefix("/api/")
        if version in KINDS:
            resources = [{"name": plural(k), "kind": k, "namespaced": True, "singularName": "", "verbs": ["get"]} for k in KINDS[version]]
            return {"kind": "APIResourceList", "groupVersion": version, "resources": resources}
        if path.endswith("/serviceaccounts/default"):
            return {"kind": "ServiceAccount", "apiVersion": "v1", "metadata": {"name": name}}
        if "/secrets/" in path and name in self.secrets:
            data = {k: base64.b64encode(v.encode()).decode() for k, v in self.secrets[name].items()}
            return {"kind": "Secret", "apiVersion": "v1", "metadata": {"name": name, **OURS}, "data": data}
        return None

    def log_message(self, *_):
        pass
