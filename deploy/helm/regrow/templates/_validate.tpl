{{/*
What cannot work is refused before anything is made, with the value's name and what to do. What a single value may be is
in values.schema.json; here is what does not go together.
*/}}
{{- define "regrow.validate" -}}
{{- include "regrow.validate.store" . }}
{{- include "regrow.validate.secret" . }}
{{- include "regrow.validate.config" . }}
{{- include "regrow.validate.scaling" . }}
{{- include "regrow.validate.external" . }}
{{- include "regrow.validate.rest" . }}
{{- end }}

{{- define "regrow.validate.store" -}}
{{- $values := .Values }}{{ $url := $values.store.postgres.url }}
{{- if eq $values.store.type "embedded" }}
{{- if gt (int $values.replicas) 1 }}
{{- fail (printf "replicas: %d, but the embedded store is one file for one replica. Set replicas to 1, or store.type to postgres" (int $values.replicas)) }}
{{- end }}
{{- if or $values.autoscaling.hpa.enabled $values.autoscaling.keda.enabled }}
{{- fail "autoscaling: the embedded store is one file for one replica. Switch autoscaling.hpa and autoscaling.keda off, or set store.type to postgres" }}
{{- end }}
{{- if $values.split.enabled }}
{{- fail "split.enabled: the embedded store is one file for one replica. Set split.enabled to false, or store.type to postgres" }}
{{- end }}
{{- if $values.workspaces.shared }}
{{- fail "workspaces.shared: with the embedded store the workspaces are on its volume already. Set workspaces.shared to false, or store.type to postgres" }}
{{- end }}
{{- if $url }}
{{- fail "store.postgres.url is set, but store.type is embedded. Set store.type to postgres, or remove the URL" }}
{{- end }}
{{- else }}
{{- if not $url }}
{{- fail "store.postgres.url is missing, and store.type is postgres. Set it to postgres://user@host:5432/database" }}
{{- end }}
{{- if not (regexMatch "^postgres(ql)?://" $url) }}
{{- fail "store.postgres.url must begin with postgres://. Set it to postgres://user@host:5432/database" }}
{{- end }}
{{- if or (regexMatch "^[a-z]+://[^/@]*:[^/]*@" $url) (regexMatch "[?&]password=" $url) }}
{{- fail "store.postgres.url contains a password, which whoever may look at pods would see. Put it into store.postgres.passwordSecret or store.postgres.password, and leave it out of the URL" }}
{{- end }}
{{- if not (regexMatch "^[a-z]+://[^/@]+@[^/?@]+/[^/?]+(\\?.*)?$" $url) }}
{{- fail "store.postgres.url needs a user, a host and a database. Set it to postgres://user@host:5432/database" }}
{{- end }}
{{- end }}
{{- end }}

{{- define "regrow.validate.secret" -}}
{{- $secret := .Values.secret }}{{ $postgres := .Values.store.postgres }}{{ $existing := $secret.existingSecret }}
{{- if and $existing (or $secret.token $secret.keys $postgres.password) }}
{{- fail (printf "secret.existingSecret is %s, so secret.token, secret.keys and store.postgres.password would have no effect. Put them into that Secret, as gateway-token and store-password, or leave existingSecret empty" $existing) }}
{{- end }}
{{- if and $postgres.password $postgres.passwordSecret.name }}
{{- fail "store.postgres.password and store.postgres.passwordSecret.name are both set. Keep one" }}
{{- end }}
{{- range $key := list "gateway-token" "store-password" }}
{{- if hasKey $secret.keys $key }}
{{- fail (printf "secret.keys has %s, which has a value of its own. Set %s" $key (ternary "secret.token" "store.postgres.password" (eq $key "gateway-token"))) }}
{{- end }}
{{- end }}
{{- if and (eq .Values.store.type "postgres") (not (or $postgres.password $postgres.passwordSecret.name $existing)) }}
{{- fail "the password of store.postgres.url is missing. Set store.postgres.passwordSecret.name, store.postgres.password, or secret.existingSecret to a Secret with the key store-password" }}
{{- end }}
{{- /* A rendering without a cluster finds no account `default`, and then nothing can be said about Secrets. */}}
{{- if lookup "v1" "ServiceAccount" .Release.Namespace "default" }}
{{- if $existing }}
{{- $keys := list "gateway-token" }}
{{- if and (eq .Values.store.type "postgres") (not $postgres.passwordSecret.name) }}{{ $keys = append $keys "store-password" }}{{ end }}
{{- include "regrow.validate.found" (dict "root" . "value" "secret.existingSecret" "name" $existing "keys" $keys) }}
{{- end }}
{{- with $postgres.passwordSecret }}
{{- if and .name (eq $.Values.store.type "postgres") }}
{{- include "regrow.validate.found" (dict "root" $ "value" "store.postgres.passwordSecret" "name" .name "keys" (list .key)) }}
{{- end }}
{{- end }}
{{- end }}
{{- end }}

{{- define "regrow.validate.found" -}}
{{- $found := lookup "v1" "Secret" .root.Release.Namespace .name }}
{{- if not $found }}
{{- fail (printf "%s names the Secret %s, which the namespace %s does not have. Make it: kubectl -n %s create secret generic %s --from-literal=%s=…" .value .name .root.Release.Namespace .root.Release.Namespace .name (first .keys)) }}
{{- end }}
{{- range .keys }}
{{- if not (hasKey ($found.data | default dict) .) }}
{{- fail (printf "%s names the Secret %s, which has no key %s. Add it" $.value $.name .) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "regrow.validate.config" -}}
{{- $instead := dict "gateway.bind" "" "gateway.port" "" "gateway.customBindHost" "" "gateway.auth.mode" "" "gateway.auth.token" "secret.token"
  "regrow.store" "store.postgres.url" "regrow.storePassword" "store.postgres.passwordSecret" "regrow.slots" "slots"
  "regrow.drainSeconds" "drainSeconds" "regrow.noticeSeconds" "noticeSeconds" "regrow.metricsPort" "metrics.port"
  "regrow.roles" "split.enabled" "regrow.advertise" "" }}
{{- range $path, $value := $instead }}
{{- $here := $.Values.config }}
{{- range splitList "." $path }}
{{- $here = ternary (get (ternary $here dict (kindIs "map" $here)) .) nil (kindIs "map" $here) }}
{{- end }}
{{- if not (or (kindIs "invalid" $here) (eq (toString $here) "")) }}
{{- fail (printf "config.%s is written by the chart. Remove it%s" $path (ternary (printf ", and set %s" $value) "" (ne $value ""))) }}
{{- end }}
{{- end }}
{{- end }}

{{- define "regrow.validate.scaling" -}}
{{- $scaling := .Values.autoscaling }}{{ $keda := $scaling.keda }}{{ $gateway := .Values.split.gateway.autoscaling }}
{{- if and $scaling.hpa.enabled $keda.enabled }}
{{- fail "autoscaling.hpa.enabled and autoscaling.keda.enabled: two would fight over one Deployment, since KEDA makes an HPA itself. Switch one off" }}
{{- end }}
{{- if gt (int $scaling.minReplicas) (int $scaling.maxReplicas) }}
{{- fail "autoscaling.minReplicas is above autoscaling.maxReplicas. Lower it" }}
{{- end }}
{{- if gt (int $gateway.minReplicas) (int $gateway.maxReplicas) }}
{{- fail "split.gateway.autoscaling.minReplicas is above split.gateway.autoscaling.maxReplicas. Lower it" }}
{{- end }}
{{- $work := or $scaling.targetLoad $scaling.oldestReadySeconds }}
{{- if and $scaling.hpa.enabled (not (or $work $scaling.hpa.cpuUtilization)) }}
{{- fail "autoscaling.hpa has nothing to go by. Set autoscaling.targetLoad, autoscaling.oldestReadySeconds or autoscaling.hpa.cpuUtilization" }}
{{- end }}
{{- if and $keda.enabled (not $work) }}
{{- fail "autoscaling.keda has nothing to go by. Set autoscaling.targetLoad or autoscaling.oldestReadySeconds" }}
{{- end }}
{{- if and $keda.enabled (eq $keda.source "metrics-api") (not .Values.metrics.enabled) }}
{{- fail "autoscaling.keda.source is metrics-api, which asks the metrics port. Set metrics.enabled to true, or the source to postgresql" }}
{{- end }}
{{- if and $keda.enabled (eq $keda.source "postgresql") (not $keda.postgresql.host) (contains "," (regexReplaceAll "\\?.*$" .Values.store.postgres.url "")) }}
{{- fail "autoscaling.keda.postgresql.host is missing: store.postgres.url names several hosts, and KEDA asks one. Set it" }}
{{- end }}
{{- end }}

{{- define "regrow.validate.external" -}}
{{- $own := .Values.externalMetrics }}{{ $hpa := .Values.autoscaling.hpa }}
{{- if and $own.enabled (eq .Values.store.type "embedded") }}
{{- fail "externalMetrics.enabled: the embedded store is one file for one replica, so there is nothing to scale. Set externalMetrics.enabled to false, or store.type to postgres" }}
{{- end }}
{{- if and $own.enabled .Values.autoscaling.keda.enabled }}
{{- fail "externalMetrics.enabled and autoscaling.keda.enabled: a cluster has one server of external metrics, and KEDA is one. Switch one off; with externalMetrics, scale by autoscaling.hpa" }}
{{- end }}
{{- if ne (empty $own.tlsSecret) (empty $own.caBundle) }}
{{- fail "externalMetrics.tlsSecret and externalMetrics.caBundle belong together: the certificate, and the authority by which the API server knows it. Set both, or neither" }}
{{- end }}
{{- if and $own.enabled $hpa.enabled }}
{{- range $label, $value := $hpa.metricLabels }}
{{- if not (and (eq $label "release") (eq $value $.Release.Name)) }}
{{- fail (printf "autoscaling.hpa.metricLabels has %s: %s, but metrics of externalMetrics have the one label release: %s. Remove it" $label $value $.Release.Name) }}
{{- end }}
{{- end }}
{{- $served := list "regrow_load" "regrow_oldest_ready_seconds" "regrow_lanes_ready" "regrow_lanes_running" "regrow_slots" "regrow_replicas" }}
{{- range $value, $metric := dict "loadMetric" $hpa.loadMetric "ageMetric" $hpa.ageMetric }}
{{- if not (has $metric $served) }}
{{- fail (printf "autoscaling.hpa.%s is %s, which externalMetrics does not serve. Set it to one of %s" $value $metric (join ", " $served)) }}
{{- end }}
{{- end }}
{{- end }}
{{- if and $own.enabled $own.tlsSecret (lookup "v1" "ServiceAccount" .Release.Namespace "default") }}
{{- include "regrow.validate.found" (dict "root" . "value" "externalMetrics.tlsSecret" "name" $own.tlsSecret "keys" (list "tls.crt" "tls.key")) }}
{{- end }}
{{- end }}

{{- define "regrow.validate.rest" -}}
{{- if eq .Values.image.tag "latest" }}
{{- fail "image.tag is latest, which is something else tomorrow. Set it to a version, or image.digest to a digest" }}
{{- end }}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}
{{- fail "ingress.host is missing, and ingress.enabled is true. Set it to the name that clients use" }}
{{- end }}
{{- if and (not .Values.metrics.enabled) (or .Values.metrics.serviceMonitor.enabled .Values.metrics.prometheusRule.enabled) }}
{{- fail "metrics.enabled is false, so metrics.serviceMonitor and metrics.prometheusRule would see nothing. Set metrics.enabled to true, or switch them off" }}
{{- end }}
{{- if eq (int .Values.metrics.port) 18789 }}
{{- fail "metrics.port is 18789, the gateway's own port. Choose another one, such as 9464" }}
{{- end }}
{{- end }}
