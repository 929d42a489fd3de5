{{/* Regrow's own server of external metrics. */}}

{{- define "regrow.external.name" -}}
{{ include "regrow.fullname" . }}-external-metrics
{{- end }}

{{- define "regrow.external.selector" -}}
{{ include "regrow.selector" . }}
app.kubernetes.io/component: external-metrics
{{- end }}

{{- define "regrow.external.labels" -}}
{{ include "regrow.labels" . }}
app.kubernetes.io/component: external-metrics
{{- end }}

{{- define "regrow.external.tlsSecret" -}}
{{ default (include "regrow.external.name" .) .Values.externalMetrics.tlsSecret }}
{{- end }}
