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

{{/* What each plugin needs of the cluster: its page in docs/backends says for what. */}}
{{- define "asgard.rules" -}}
spark:
  - { apiGroups: [sparkoperator.k8s.io], resources: [sparkapplications], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [""], resources: [configmaps, secrets], verbs: [get, list, create, patch, delete] }
  - { apiGroups: [""], resources: [pods, events], verbs: [get, list, watch] }
  - { apiGroups: [""], resources: [pods/log], verbs: [get] }
dbt-trino:
  - { apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [""], resources: [configmaps, secrets], verbs: [get, list, create, patch, delete] }
  - { apiGroups: [""], resources: [pods, events], verbs: [get, list, watch] }
  - { apiGroups: [""], resources: [pods/log], verbs: [get] }
mlflow:
  - { apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [""], resources: [configmaps, secrets], verbs: [get, list, create, patch, delete] }
  - { apiGroups: [""], resources: [pods, events], verbs: [get, list, watch] }
  - { apiGroups: [""], resources: [pods/log], verbs: [get] }
kaniko:
  - { apiGroups: [batch], resources: [jobs], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [""], resources: [configmaps, secrets], verbs: [get, list, create, patch, delete] }
  - { apiGroups: [""], resources: [pods, events], verbs: [get, list, watch] }
  - { apiGroups: [""], resources: [pods/log], verbs: [get] }
kubernetes:
  - { apiGroups: [apps], resources: [deployments], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [apps], resources: [replicasets], verbs: [get, list] }
  - { apiGroups: [""], resources: [services, configmaps, secrets], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [networking.k8s.io], resources: [ingresses], verbs: [get, list, watch, create, patch, delete] }
  - { apiGroups: [""], resources: [pods, events], verbs: [get, list, watch] }
  - { apiGroups: [""], resources: [pods/log], verbs: [get] }
{{- end -}}
