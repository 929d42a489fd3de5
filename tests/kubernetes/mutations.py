"""Proof that the facts can fail: each mutation breaks one of them in a rendering that was right."""

import copy

from external_metrics import is_server
from facts import complaints, of


def deployment(objects):
    return next(d for d in of(objects, "Deployment") if not is_server(d))


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
    "a configuration that is never brought up to date": lambda o: container(o)["volumeMounts"][0].update(subPath="openclaw.json"),
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


def server(objects):
    return next(o for o in objects if is_server(o))["spec"]["template"]["spec"]


def named(objects, kind):
    return next(o for o in of(objects, kind) if o["metadata"]["name"].endswith("external-metrics"))


def registered(objects):
    return of(objects, "APIService")[0]["spec"]


# The same for a rendering with Regrow's own server of external metrics.
EXTERNAL = {
    "a server without a token": lambda o: server(o).update(automountServiceAccountToken=False),
    "a token where nobody asks Kubernetes": lambda o: deployment(o)["spec"]["template"]["spec"].update(automountServiceAccountToken=True),
    "a server with all secrets": lambda o: server(o)["volumes"][0]["projected"]["sources"].append({"secret": {"name": "regrow"}}),
    "a single server": lambda o: next(filter(is_server, o))["spec"].update(replicas=1),
    "a probe without TLS": lambda o: server(o)["containers"][0]["readinessProbe"]["httpGet"].pop("scheme"),
    "a notice that is cut off": lambda o: server(o).update(terminationGracePeriodSeconds=10),
    "an API without a server": lambda o: o.remove(next(filter(is_server, o))),
    "a server without an API": lambda o: o.remove(of(o, "APIService")[0]),
    "an API that leads elsewhere": lambda o: registered(o)["service"].update(name="regrow"),
    "an API at another port": lambda o: registered(o)["service"].update(port=8443),
    "another authority": lambda o: registered(o).update(caBundle=named(o, "Secret")["data"]["tls.crt"]),
    "a certificate without its key": lambda o: named(o, "Secret")["data"].update({"tls.key": ""}),
    "a certificate for another namespace": lambda o: (registered(o)["service"].update(namespace="other"), named(o, "Service")["metadata"].update(namespace="other")),
    "a policy that keeps the API server out": lambda o: named(o, "NetworkPolicy")["spec"]["ingress"].pop(),
    "a policy for others": lambda o: named(o, "NetworkPolicy")["spec"]["podSelector"]["matchLabels"].update(x="y"),
    "no right to know the API server": lambda o: o.remove(of(o, "RoleBinding")[0]),
    "that right in another namespace": lambda o: of(o, "RoleBinding")[0]["metadata"].update(namespace="regrow"),
    "an autoscaler without rights": lambda o: of(o, "ClusterRoleBinding")[0]["subjects"].clear(),
    "rights beyond metrics": lambda o: of(o, "ClusterRole")[0]["rules"][0]["apiGroups"].append(""),
    "a metric that nobody serves": lambda o: of(o, "HorizontalPodAutoscaler")[0]["spec"]["metrics"][0]["external"]["metric"].update(name="x"),
    "labels that nobody serves": lambda o: of(o, "HorizontalPodAutoscaler")[0]["spec"]["metrics"][0]["external"]["metric"].update(selector={"matchLabels": {"x": "y"}}),
}


def unnoticed(objects, version, external, mutations=MUTATIONS):
    """The mutations that no fact complains of."""
    for what, mutate in mutations.items():
        broken = copy.deepcopy(objects)
        mutate(broken)
        if not list(complaints(broken, version, external)):
            yield what
