{{- define "asgard.name" -}}
{{- printf "%s" .Release.Name | trunc 52 | trimSuffix "-" -}}
{{- end -}}

{{- define "asgard.selector" -}}
app.kubernetes.io/name: {{ .Chart.Name }}
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "asgard.labels" -}}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
app.kubernetes.io/version: {{ .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
{{ include "asgard.selector" . }}
{{- end -}}

{{- define "asgard.account" -}}
{{- if .Values.serviceAccount.create -}}
{{- .Values.serviceAccount.name | default (include "asgard.name" .) -}}
{{- else -}}
{{- .Values.serviceAccount.name | default "default" -}}
{{- end -}}
{{- end -}}

{{/*
What each plugin needs of the cluster: its page in docs/backends says for what. What may be deleted may be listed, so that the host finds what a task
left; Secrets may not: rules know no label selector, and a list has the values.
*/}}
{{- define "asgard.rules" -}}
spark:
  - { apiGroups: [sparkoperator.k8s.io], resources: [sparkapplications], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [""], resources: [configmaps], verbs: [list, create, patch, delete] }
  - { apiGroups: [""], resources: [secrets], verbs: [create, patch, delete] }
  - { apiGroups: [""], resources: [pods], verbs: [get] }
  - { apiGroups: [""], resources: [pods/log], verbs: [get] }
  - { apiGroups: [""], resources: [events], verbs: [list] }
dbt-trino: {{ include "asgard.jobs" . | nindent 2 }}
mlflow: {{ include "asgard.jobs" . | nindent 2 }}
kaniko: {{ include "asgard.jobs" . | nindent 2 }}
kubernetes:
  - { apiGroups: [apps], resources: [deployments], verbs: [get, list, create, patch, delete] }
  - { apiGroups: [""], resources: [services], verbs: [get, list, create, patch, delete] }
  # For registries that ask who pulls, and for `service.type = "Ingress"`.
  - { apiGroups: [""], resources: [secrets], verbs: [create, patch, delete] }
  - { apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, create, patch, delete] }
  - { apiGroups: [""], resources: [pods], verbs: [get, list] }
  - { apiGroups: [""], resources: [pods/log], verbs: [get] }
  - { apiGroups: [""], resources: [events], verbs: [list] }
{{- end -}}

{{/* A Job with its files and Secrets, and the log of its pod. */}}
{{- define "asgard.jobs" -}}
- { apiGroups: [batch], resources: [jobs], verbs: [get, list, create, patch, delete] }
- { apiGroups: [""], resources: [configmaps, secrets], verbs: [create, patch] }
- { apiGroups: [""], resources: [pods], verbs: [get, list] }
- { apiGroups: [""], resources: [pods/log], verbs: [get] }
- { apiGroups: [""], resources: [events], verbs: [list] }
{{- end -}}
