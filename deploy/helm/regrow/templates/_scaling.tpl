{{/* How fast up and down; HPA and KEDA take the same. */}}
{{- define "regrow.behavior" -}}
{{- $up := .Values.autoscaling.scaleUp }}{{ $down := .Values.autoscaling.scaleDown -}}
scaleUp:
  stabilizationWindowSeconds: 0
  selectPolicy: Max
  policies:
    - {type: Percent, value: {{ $up.percent }}, periodSeconds: {{ $up.periodSeconds }}}
    - {type: Pods, value: {{ $up.pods }}, periodSeconds: {{ $up.periodSeconds }}}
scaleDown:
  stabilizationWindowSeconds: {{ $down.windowSeconds }}
  policies:
    - {type: Pods, value: {{ $down.pods }}, periodSeconds: {{ $down.periodSeconds }}}
{{- end }}

{{- define "regrow.hpaVersion" -}}
{{ ternary "autoscaling/v2" "autoscaling/v2beta2" (semverCompare ">=1.23-0" .Capabilities.KubeVersion.Version) }}
{{- end }}

{{/* A part of the database's URL; takes {url, part: user|host|port|database}. */}}
{{- define "regrow.urlPart" -}}
{{- $parts := dict "user" "${2}" "host" "${3}" "port" "${5}" "database" "${6}" }}
{{- regexReplaceAll "^[a-z]+://(([^/@]*)@)?(\\[[^/\\]]*\\]|[^/?:]*)(:([0-9]+))?/?([^?]*).*$" .url (get $parts .part) }}
{{- end }}
