{{- /* Name of what belongs to the release; Services and pods allow 63 characters, suffixes take up to 16. */ -}}
{{- define "wattrain.fullname" -}}
{{- if .Values.fullnameOverride -}}
{{- .Values.fullnameOverride | trunc 45 | trimSuffix "-" -}}
{{- else if contains .Chart.Name .Release.Name -}}
{{- .Release.Name | trunc 45 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-%s" .Release.Name .Chart.Name | trunc 45 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "wattrain.operator" -}}
{{- include "wattrain.fullname" . }}-operator
{{- end -}}

{{- /* Operators that watch some namespaces each may share a cluster, so what is in none needs a name of its own. */ -}}
{{- define "wattrain.clusterName" -}}
{{- include "wattrain.operator" . }}{{ if .Values.watchNamespaces }}:{{ .Release.Namespace }}{{ end }}
{{- end -}}

{{- define "wattrain.serviceAccount" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "wattrain.operator" .) -}}
{{- else -}}
{{- $missing := "serviceAccount.name: name the ServiceAccount to use, or set serviceAccount.create to true" -}}
{{- required $missing .Values.serviceAccount.name -}}
{{- end -}}
{{- end -}}

{{- /* Checked needs admission policies, which Kubernetes has since 1.30. */ -}}
{{- define "wattrain.credentials" -}}
{{- if and (eq .Values.worker.credentials "Checked") (semverCompare "<1.30.0-0" .Capabilities.KubeVersion.Version) -}}
Refused
{{- else -}}
{{- .Values.worker.credentials -}}
{{- end -}}
{{- end -}}

{{- /* Kinds of the Prometheus operator that are wanted and that the cluster does not know, joined by commas. */ -}}
{{- define "wattrain.leftOut" -}}
{{- $missing := list -}}
{{- range $kind, $wanted := dict "PodMonitor" .Values.monitoring.podMonitors.enabled "PrometheusRule" .Values.monitoring.rules.enabled -}}
{{- if and $wanted (not ($.Capabilities.APIVersions.Has (printf "monitoring.coreos.com/v1/%s" $kind))) -}}
{{- $missing = append $missing $kind -}}
{{- end -}}
{{- end -}}
{{- join ", " $missing -}}
{{- end -}}

{{- /* Ports of the addresses outside the cluster's API that the operator sends to, as JSON. */ -}}
{{- define "wattrain.addressPorts" -}}
{{- $ports := list -}}
{{- range $address := list .Values.notifications.url .Values.otlp.endpoint | compact -}}
{{- $parts := urlParse $address -}}
{{- $port := regexFind ":[0-9]+$" $parts.host | trimPrefix ":" -}}
{{- $ports = append $ports ($port | default (ternary 443 80 (eq $parts.scheme "https")) | int) -}}
{{- end -}}
{{- toJson $ports -}}
{{- end -}}

{{- define "wattrain.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
app.kubernetes.io/component: operator
{{- end -}}

{{- define "wattrain.labels" -}}
{{ include "wattrain.selector" . }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version | replace "+" "_" }}
{{- end -}}

{{- /* The labels and a user's, which cannot replace those that select: (list $ .Values.podLabels) */ -}}
{{- define "wattrain.labelsWith" -}}
{{- $labels := include "wattrain.labels" (index . 0) | fromYaml -}}
{{- merge $labels (index . 1) | toYaml -}}
{{- end -}}

{{- /* Where a Prometheus that goes by annotations finds the metrics; a user's annotations win. */ -}}
{{- define "wattrain.podAnnotations" -}}
{{- $scrape := dict "prometheus.io/scrape" "true" "prometheus.io/port" "8080" "prometheus.io/path" "/metrics" -}}
{{- merge (dict) .Values.podAnnotations $scrape | toYaml -}}
{{- end -}}

{{- /* An image from its values: (list $ .Values.image) */ -}}
{{- define "wattrain.image" -}}
{{- $root := index . 0 -}}
{{- $image := index . 1 -}}
{{- $image.repository -}}
{{- if $image.digest }}@{{ $image.digest }}{{ else }}:{{ $image.tag | default $root.Chart.AppVersion }}{{ end -}}
{{- end -}}
