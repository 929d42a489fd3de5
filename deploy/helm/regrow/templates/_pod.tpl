{{/* Parts of pods. Every pod fits the Pod Security Standard "restricted". */}}

{{- define "regrow.podSecurity" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
fsGroup: 65532
fsGroupChangePolicy: OnRootMismatch
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- define "regrow.containerSecurity" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
runAsNonRoot: true
capabilities: {drop: [ALL]}
{{- end }}

{{- define "regrow.storeEnv" -}}
{{- if eq .Values.store.type "postgres" }}
- {name: REGROW_STORE, value: {{ .Values.store.postgres.url | quote }}}
- {name: REGROW_STORE_PASSWORD_FILE, value: /run/secrets/regrow/store-password}
{{- end }}
{{- end }}

{{/* The database's password in a Secret that is not ours, as part of a projected volume. */}}
{{- define "regrow.foreignPassword" -}}
{{- with .Values.store.postgres.passwordSecret }}
- secret: {name: {{ .name }}, items: [{key: {{ .key }}, path: store-password}]}
{{- end }}
{{- end }}

{{- define "regrow.hasForeignPassword" -}}
{{- if and (eq .Values.store.type "postgres") .Values.store.postgres.passwordSecret.name }}yes{{ end }}
{{- end }}

{{/* The container that serves; takes {root, role}. */}}
{{- define "regrow.container" -}}
{{- $values := .root.Values -}}
name: regrow
image: {{ include "regrow.image" .root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
args: {{ toJson .role.args }}
env:
  - {name: OPENCLAW_CONFIG_PATH, value: /etc/regrow/openclaw.json}
  - {name: REGROW_STATE_DIR, value: /var/lib/regrow}
  # Where the other replicas reach this one.
  - {name: POD_IP, valueFrom: {fieldRef: {fieldPath: status.podIP}}}
  {{- include "regrow.storeEnv" .root | nindent 2 }}
  {{- with $values.extraEnv }}{{ toYaml . | nindent 2 }}{{ end }}
ports:
  - {name: http, containerPort: 18789, protocol: TCP}
  {{- if $values.metrics.enabled }}
  - {name: metrics, containerPort: {{ $values.metrics.port }}, protocol: TCP}
  {{- end }}
startupProbe:
  httpGet: {path: /startupz, port: http}
  periodSeconds: 1
  timeoutSeconds: 2
  failureThreshold: {{ $values.startupSeconds }}
# False while the store cannot commit, and as soon as the replica is told to stop.
readinessProbe:
  httpGet: {path: /readyz, port: http}
  periodSeconds: 2
  timeoutSeconds: 2
  failureThreshold: 2
# About the process alone: a database that is away restarts nobody.
livenessProbe:
  httpGet: {path: /healthz, port: http}
  periodSeconds: 10
  timeoutSeconds: 5
  failureThreshold: 3
# Why it ended stands in its status, also when its log is gone.
terminationMessagePolicy: FallbackToLogsOnError
resources: {{ toJson .role.resources }}
securityContext: {{ include "regrow.containerSecurity" .root | nindent 2 }}
volumeMounts:
  - {name: config, mountPath: /etc/regrow, readOnly: true}
  - {name: secrets, mountPath: /run/secrets/regrow, readOnly: true}
  - {name: state, mountPath: /var/lib/regrow}
  {{- with $values.extraVolumeMounts }}{{ toYaml . | nindent 2 }}{{ end }}
{{- end }}

{{- define "regrow.volumes" -}}
- {name: config, configMap: {name: {{ include "regrow.fullname" . }}}}
- name: secrets
  projected:
    defaultMode: 288 # 0440: for the group, which is fsGroup
    sources:
      - secret: {name: {{ include "regrow.secretName" . }}}
      {{- if include "regrow.hasForeignPassword" . }}{{ include "regrow.foreignPassword" . | nindent 6 }}{{ end }}
- name: state
  {{- with include "regrow.claim" . }}
  persistentVolumeClaim: {claimName: {{ . }}}
  {{- else }}
  emptyDir: {}
  {{- end }}
{{- with .Values.extraVolumes }}
{{ toYaml . }}
{{- end }}
{{- end }}

{{/* What finds the pods of a role; takes {root, role}. */}}
{{- define "regrow.roleSelector" -}}
{{ include "regrow.selector" .root }}
app.kubernetes.io/component: {{ .role.name }}
{{- end }}

{{/* Onto which nodes; takes {root, role}. */}}
{{- define "regrow.placement" -}}
{{- $values := .root.Values -}}
# Over nodes, and by preference over zones. The second is no spread constraint, because nodes without a zone would then
# not be spread over at all.
topologySpreadConstraints:
  - topologyKey: kubernetes.io/hostname
    maxSkew: 1
    whenUnsatisfiable: ScheduleAnyway
    labelSelector: {matchLabels: {{ include "regrow.roleSelector" . | fromYaml | toJson }}}
    {{- if semverCompare ">=1.27-0" .root.Capabilities.KubeVersion.Version }}
    # Each revision is spread by itself; otherwise a roll-out ends lopsided.
    matchLabelKeys: [pod-template-hash]
    {{- end }}
affinity:
  {{- with $values.affinity }}{{ toYaml . | nindent 2 }}
  {{- else }}
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 50
        podAffinityTerm:
          topologyKey: topology.kubernetes.io/zone
          labelSelector: {matchLabels: {{ include "regrow.roleSelector" . | fromYaml | toJson }}}
  {{- end }}
tolerations:
  - {key: node.kubernetes.io/unreachable, operator: Exists, effect: NoExecute, tolerationSeconds: {{ $values.nodeLossSeconds }}}
  - {key: node.kubernetes.io/not-ready, operator: Exists, effect: NoExecute, tolerationSeconds: {{ $values.nodeLossSeconds }}}
  {{- with $values.tolerations }}{{ toYaml . | nindent 2 }}{{ end }}
{{- with $values.nodeSelector }}
nodeSelector: {{ toYaml . | nindent 2 }}
{{- end }}
{{- with $values.priorityClassName }}
priorityClassName: {{ . }}
{{- end }}
{{- end }}
