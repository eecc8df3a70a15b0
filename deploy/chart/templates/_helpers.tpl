{{- define "leaktrace.name" -}}
{{- if contains "leaktrace" .Release.Name }}{{ .Release.Name | trunc 63 | trimSuffix "-" }}
{{- else }}{{ printf "%s-leaktrace" .Release.Name | trunc 63 | trimSuffix "-" }}
{{- end }}
{{- end }}

{{- define "leaktrace.selector" -}}
app.kubernetes.io/name: leaktrace
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end }}

{{- define "leaktrace.labels" -}}
{{ include "leaktrace.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end }}

{{- define "leaktrace.config" -}}
{{ .Values.config | default (.Files.Get "files/leaktrace.yml") }}
{{- end }}

{{- define "leaktrace.probe" -}}
{{- if .root.Values.web.secret -}}
tcpSocket:
  port: metrics
{{- else -}}
httpGet:
  path: {{ .path }}
  port: metrics
{{- end }}
{{- end }}
