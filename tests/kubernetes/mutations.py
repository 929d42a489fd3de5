"""Proof that the facts can fail: each mutation breaks one of them in a rendering that was right."""

import copy

from facts import complaints, of


def deployment(objects):
    return of(objects, "Deployment")[0]


def pod(objects):
    return deployment(objects)["spec"]["template"]["spec"]


def container(objects):
    return pod(objects)["containers"][0]


def job(objects):
    return of(objects, "Job")[0]["spec"]["template"]["spec"]


MUTATIONS = {
    "replicas beside a scaler": lambda o: deployment(o)["spec"].update(replicas=3),
    "a grace period that is too short": lambda o: pod(o).update(terminationGracePeriodSeconds=30),
    "a writable root": lambda o: container(o)["securityContext"].update(readOnlyRootFilesystem=False),
    "root in the migration": lambda o: job(o)["securityContext"].update(runAsUser=0),
    "a service account's token": lambda o: pod(o).pop("automountServiceAccountToken"),
    "the tag latest": lambda o: container(o).update(image="registry:5000/regrow:latest"),
    "no tag": lambda o: container(o).update(image="registry:5000/regrow"),
    "no limit of memory": lambda o: container(o)["resources"].pop("limits"),
    "no readiness probe": lambda o: container(o).pop("readinessProbe"),
    "liveness that depends on the store": lambda o: container(o)["livenessProbe"]["httpGet"].update(path="/readyz"),
    "unavailable replicas in a roll-out": lambda o: deployment(o)["spec"]["strategy"]["rollingUpdate"].update(maxUnavailable=1),
    "slow replacement after node loss": lambda o: pod(o)["tolerations"].pop(),
    "spread over zones that nodes may not have": lambda o: pod(o)["topologySpreadConstraints"][0].update(topologyKey="topology.kubernetes.io/zone"),
    "a port without its protocol": lambda o: container(o)["ports"][0].pop("protocol"),
    "an end without its reason": lambda o: container(o).pop("terminationMessagePolicy"),
    "a selector that finds nothing": lambda o: deployment(o)["spec"]["selector"]["matchLabels"].update(x="y"),
    "a Service that leads nowhere": lambda o: of(o, "Service")[0]["spec"]["selector"].update(x="y"),
    "a Service to a port that is not there": lambda o: of(o, "Service")[0]["spec"]["ports"][0].update(targetPort="web"),
    "a budget that lets nobody go": lambda o: of(o, "PodDisruptionBudget")[0]["spec"].update(maxUnavailable=0),
    "a network policy for others": lambda o: of(o, "NetworkPolicy")[0]["spec"]["podSelector"]["matchLabels"].update(x="y"),
    "a hook that needs the release's Secret": lambda o: job(o)["volumes"].append({"name": "x", "secret": {"secretName": "regrow"}}),
    "a ConfigMap that nobody makes": lambda o: pod(o)["volumes"][0]["configMap"].update(name="other"),
    "a scaler without a target": lambda o: of(o, "HorizontalPodAutoscaler")[0]["spec"]["scaleTargetRef"].update(name="x"),
    "an old API": lambda o: of(o, "HorizontalPodAutoscaler")[0].update(apiVersion="autoscaling/v2beta2"),
    "the embedded store without its volume": lambda o: [container(o)["env"].pop() for _ in range(2)],
}


def unnoticed(objects, version, external):
    """The mutations that no fact complains of."""
    for what, mutate in MUTATIONS.items():
        broken = copy.deepcopy(objects)
        mutate(broken)
        if not list(complaints(broken, version, external)):
            yield what
