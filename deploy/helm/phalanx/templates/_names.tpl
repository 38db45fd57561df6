{{/* What everything of this release is called, at most 40 characters so that suffixes fit into 63. */}}
{{- define "phalanx.name" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 40 | trimSuffix "-" -}}
{{- else if contains $name .Release.Name -}}
{{- .Release.Name | trunc 40 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name $name | trunc 40 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{/* What selects the pods of one part. Takes a list: the root and the part. */}}
{{- define "phalanx.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride | trunc 63 | trimSuffix "-" }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end -}}

{{/* Labels of one part. Takes a list: the root and the part. */}}
{{- define "phalanx.labels" -}}
{{- $root := index . 0 -}}
{{ include "phalanx.selector" . }}
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ printf "%s-%s" $root.Chart.Name $root.Chart.Version | replace "+" "_" }}
{{- end -}}

{{- define "phalanx.image" -}}
{{ printf "%s:%s" .Values.image.repository (default .Chart.AppVersion .Values.image.tag) | quote }}
{{- end -}}

{{/* Whether the gateways of this release speak TLS themselves: http or https. */}}
{{- define "phalanx.scheme" -}}
{{ ternary "https" "http" (ne .Values.gateway.tls.secret "") }}
{{- end -}}

{{/* Where workers and the autoscaler find the gateway. */}}
{{- define "phalanx.server" -}}
{{- if .Values.worker.server -}}
{{ .Values.worker.server | trimSuffix "/" }}
{{- else -}}
{{ include "phalanx.scheme" . }}://{{ include "phalanx.name" . }}-gateway.{{ .Release.Namespace }}.svc:{{ .Values.gateway.service.port }}
{{- end -}}
{{- end -}}

{{/* What no container of ours needs. */}}
{{- define "phalanx.confined" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end -}}

{{- define "phalanx.unprivileged" -}}
runAsNonRoot: true
runAsUser: 10001
runAsGroup: 10001
fsGroup: 10001
seccompProfile: {type: RuntimeDefault}
{{- end -}}

{{/* A map of settings as environment variables. */}}
{{- define "phalanx.env" -}}
{{- range $name, $value := . }}
- name: {{ $name }}
  value: {{ $value | quote }}
{{- end }}
{{- end -}}

{{/* A pool of workers with what it does not say. Takes a list: the root and the pool. Gives YAML. */}}
{{- define "phalanx.pool" -}}
{{- $root := index . 0 -}}
{{- mergeOverwrite (deepCopy $root.Values.workerDefaults) (deepCopy (index . 1)) | toYaml -}}
{{- end -}}
