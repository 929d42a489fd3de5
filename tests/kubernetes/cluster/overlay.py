"""Without Helm: the overlay for PostgreSQL, whose replicas migrate by themselves."""

import json
import os
import tempfile
import time
from pathlib import Path

import tools

from . import kube, report, rig, talking, upgrade

OVERLAY = tools.ROOT / "deploy/kustomize/overlays/postgres"


def scene():
    with tempfile.TemporaryDirectory() as directory:
        # As somebody would write it who keeps what is theirs apart.
        Path(directory, "kustomization.yaml").write_text(json.dumps(kustomization(directory)))
        begin = time.monotonic()
        applied = kube.kubectl("apply", "-k", directory, check=False)
        report.need("the overlay is applied by one command", applied.returncode == 0, applied.stderr)
        report.need("three replicas are ready", upgrade.settles(3), rig.logs)
        report.figure("`kubectl apply -k`, migration and three replicas ready", f"{time.monotonic() - begin:.1f} s")
        report.check("they answer", *talking.answers("overlay"))
        kube.kubectl("delete", "-k", directory, "--wait")
    kube.until(120, lambda: not kube.get("pods", "-n", rig.SPACE))


def kustomization(directory):
    values = rig.image_values(os.environ["REGROW_IMAGE"])["image"]
    patches = [{"patch": json.dumps([{"op": "replace", "path": "/spec/template/spec/containers/0/resources",
                                      "value": rig.VALUES["resources"]}]), "target": {"kind": "Deployment"}}]
    if kube.version() < (1, 21):
        budget = {"apiVersion": "policy/v1", "kind": "PodDisruptionBudget", "metadata": {"name": "regrow"}, "$patch": "delete"}
        patches.append({"patch": json.dumps(budget)})
    return {
        "apiVersion": "kustomize.config.k8s.io/v1beta1", "kind": "Kustomization", "namespace": rig.SPACE,
        "resources": [os.path.relpath(OVERLAY, directory)],
        "images": [{"name": "regrow", "newName": values["repository"], "newTag": values["tag"]}],
        "configMapGenerator": [{"name": "regrow-store", "behavior": "merge",
                                "literals": [f"REGROW_STORE={rig.VALUES['store']['postgres']['url']}"]}],
        "patches": patches,
    }
