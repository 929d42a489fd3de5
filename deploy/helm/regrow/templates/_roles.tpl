{{/*
The Deployments: one whose replicas do everything, or with `split` one for the doors and one for the runs.
  name     the component's label;  suffix  of the Deployment's name;  args  of the program
  replicas 0 is a number; `scaled` means that something else sets it;  doors  whether the Service leads there
*/}}
{{- define "regrow.roles" -}}
{{- $replicas := ternary 1 3 (eq .Values.store.type "embedded") }}
{{- if not (kindIs "invalid" .Values.replicas) }}{{ $replicas = int .Values.replicas }}{{ end }}
{{- $scaled := or .Values.autoscaling.hpa.enabled .Values.autoscaling.keda.enabled }}
{{- $split := .Values.split }}
{{- if $split.enabled }}
- name: gateway
  suffix: -gateway
  args: [serve, --role, gateway]
  replicas: {{ $split.gateway.replicas }}
  scaled: {{ $split.gateway.autoscaling.enabled }}
  doors: true
  resources: {{ toJson $split.gateway.resources }}
- name: worker
  suffix: -worker
  args: [serve, --role, worker]
  replicas: {{ $replicas }}
  scaled: {{ $scaled }}
  doors: false
  resources: {{ toJson .Values.resources }}
{{- else }}
- name: replica
  suffix: ""
  args: [serve]
  replicas: {{ $replicas }}
  scaled: {{ $scaled }}
  doors: true
  resources: {{ toJson .Values.resources }}
{{- end }}
{{- end }}

{{/* The Deployment that executes runs: the one that load scales. */}}
{{- define "regrow.workers" -}}
{{ include "regrow.fullname" . }}{{ if .Values.split.enabled }}-worker{{ end }}
{{- end }}

{{- define "regrow.graceSeconds" -}}
{{ add .Values.noticeSeconds .Values.drainSeconds 15 }}
{{- end }}
