{{- /* What the operator does in a namespace that it watches. docs/kubernetes.md says what each verb is for. */ -}}
{{- define "wattrain.jobRules" -}}
- apiGroups: [wattrain.dev]
  resources: [trainingjobs]
  verbs: [get, list, watch, delete]
- apiGroups: [wattrain.dev]
  resources: [trainingjobs/status]
  verbs: [update]
- apiGroups: [""]
  resources: [pods]
  verbs: [get, list, watch, create, patch, delete]
- apiGroups: [""]
  resources: [pods/resize]
  verbs: [patch]
{{- if eq .Values.reach "proxy" }}
- apiGroups: [""]
  resources: [pods/proxy]
  verbs: [get]
{{- end }}
- apiGroups: [""]
  resources: [services]
  verbs: [create, get]
{{- if .Values.worker.networkPolicy }}
- apiGroups: [networking.k8s.io]
  resources: [networkpolicies]
  verbs: [create, get]
{{- end }}
- apiGroups: [events.k8s.io]
  resources: [events]
  verbs: [list, create, patch]
{{- end -}}

{{- /* PowerDomains belong to no namespace. */ -}}
{{- define "wattrain.domainRules" -}}
- apiGroups: [wattrain.dev]
  resources: [powerdomains]
  verbs: [get, list, watch]
- apiGroups: [wattrain.dev]
  resources: [powerdomains/status]
  verbs: [update]
{{- end -}}
