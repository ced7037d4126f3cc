{{- /* What belongs to the page is no operator: by this it is selected. */ -}}
{{- define "wattrain.page.name" -}}
{{- include "wattrain.fullname" . }}-dashboard
{{- end -}}

{{- define "wattrain.page.selector" -}}
{{- set (include "wattrain.selector" . | fromYaml) "app.kubernetes.io/component" "dashboard" | toYaml -}}
{{- end -}}

{{- define "wattrain.page.labels" -}}
{{- set (include "wattrain.labels" . | fromYaml) "app.kubernetes.io/component" "dashboard" | toYaml -}}
{{- end -}}
