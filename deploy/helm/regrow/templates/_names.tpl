{{/* Names and labels. */}}

{{- define "regrow.name" -}}
{{- default .Chart.Name .Values.nameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{- define "regrow.fullname" -}}
{{- $name := include "regrow.name" . }}
{{- $full := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) }}
{{- default $full .Values.fullnameOverride | trunc 40 | trimSuffix "-" }}
{{- end }}

{{/* What finds every pod of the release. */}}
{{- define "regrow.selector" -}}
app.kubernetes.io/name: {{ include "regrow.name" . }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "regrow.labels" -}}
{{ include "regrow.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end }}

{{- define "regrow.image" -}}
{{- if .Values.image.digest -}}
{{ .Values.image.repository }}@{{ .Values.image.digest }}
{{- else -}}
{{ .Values.image.repository }}:{{ default .Chart.AppVersion .Values.image.tag }}
{{- end }}
{{- end }}

{{- define "regrow.secretName" -}}
{{- default (include "regrow.fullname" .) .Values.secret.existingSecret }}
{{- end }}

{{/* Where the state is kept if it outlives pods; empty if it does not. */}}
{{- define "regrow.claim" -}}
{{- if eq .Values.store.type "embedded" -}}
{{ default (include "regrow.fullname" .) .Values.store.embedded.existingClaim }}
{{- else if .Values.workspaces.shared -}}
{{ default (printf "%s-workspaces" (include "regrow.fullname" .)) .Values.workspaces.existingClaim }}
{{- end }}
{{- end }}
