{{- /* What belongs to the agent is no operator: by this it is selected. */ -}}
{{- define "wattrain.agent.name" -}}
{{- include "wattrain.fullname" . }}-agent
{{- end -}}

{{- define "wattrain.agent.selector" -}}
{{- set (include "wattrain.selector" . | fromYaml) "app.kubernetes.io/component" "agent" | toYaml -}}
{{- end -}}

{{- define "wattrain.agent.labels" -}}
{{- set (include "wattrain.labels" . | fromYaml) "app.kubernetes.io/component" "agent" | toYaml -}}
{{- end -}}
