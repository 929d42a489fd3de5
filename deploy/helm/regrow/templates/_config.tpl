{{/* What the chart itself says in openclaw.json; values of its own decide it. */}}
{{- define "regrow.ownConfig" -}}
gateway:
  bind: lan
  port: 18789
  auth:
    mode: token
    token: {source: file, id: /run/secrets/regrow/gateway-token}
regrow:
  slots: {{ .Values.slots }}
  noticeSeconds: {{ .Values.noticeSeconds }}
  drainSeconds: {{ .Values.drainSeconds }}
{{- if .Values.metrics.enabled }}
  metricsPort: {{ .Values.metrics.port }}
{{- end }}
{{- end }}

{{- define "regrow.config" -}}
{{- mustMergeOverwrite (deepCopy .Values.config) (include "regrow.ownConfig" . | fromYaml) | toPrettyJson }}
{{- end }}

{{/* The ports of the database's hosts, as JSON. */}}
{{- define "regrow.storePorts" -}}
{{- $ports := list }}
{{- $hosts := regexReplaceAll "^[a-z]+://([^/@]*@)?([^/?]*).*$" .Values.store.postgres.url "${2}" }}
{{- range $host := splitList "," $hosts }}
{{- $ports = append $ports (regexFind ":[0-9]+$" $host | trimPrefix ":" | default "5432" | int) }}
{{- end }}
{{- $ports | uniq | toJson }}
{{- end }}
