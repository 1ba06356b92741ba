{{- define "spillway.fullname" -}}
{{- $name := default .Chart.Name .Values.nameOverride -}}
{{- $both := ternary .Release.Name (printf "%s-%s" .Release.Name $name) (contains $name .Release.Name) -}}
{{- default $both .Values.fullnameOverride | trunc 42 | trimSuffix "-" -}}
{{- end }}

{{- /* (list $ "component") */}}
{{- define "spillway.selector" -}}
{{- $root := index . 0 -}}
app.kubernetes.io/name: {{ default $root.Chart.Name $root.Values.nameOverride }}
app.kubernetes.io/instance: {{ $root.Release.Name }}
app.kubernetes.io/component: {{ index . 1 }}
{{- end }}

{{- define "spillway.labels" -}}
{{- $root := index . 0 -}}
{{ include "spillway.selector" . }}
app.kubernetes.io/part-of: spillway
app.kubernetes.io/version: {{ $root.Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ $root.Release.Service }}
helm.sh/chart: {{ $root.Chart.Name }}-{{ $root.Chart.Version }}
{{- end }}

{{- define "spillway.image" -}}
{{- $tag := .Values.image.tag -}}
{{- $tag = default .Chart.AppVersion (ternary $tag (toJson $tag) (kindIs "string" $tag)) -}}
{{ .Values.image.repository }}{{ ternary "@" ":" (hasPrefix "sha256:" $tag) }}{{ $tag }}
{{- end }}

{{- /* policy, webhook or none */}}
{{- define "spillway.mode" -}}
{{- $has := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/MutatingAdmissionPolicy" -}}
{{- ternary (ternary "policy" "webhook" $has) .Values.injector.mode (eq .Values.injector.mode "auto") -}}
{{- end }}

{{- /* Whether the API server can return warnings: from Kubernetes 1.30, and wherever the policy is */}}
{{- define "spillway.warns" -}}
{{- $mode := include "spillway.mode" . -}}
{{- $has := .Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy" -}}
{{- if or (eq $mode "policy") (and (eq $mode "webhook") $has) }}true{{ end -}}
{{- end }}

{{- /* (list $ value "group/version/Kind"): "true" where the value is true, or `auto` and the kind exists */}}
{{- define "spillway.wanted" -}}
{{- $root := index . 0 -}}
{{- $value := index . 1 -}}
{{- if or (eq (toString $value) "true") (and (eq (toString $value) "auto") ($root.Capabilities.APIVersions.Has (index . 2))) }}true{{ end -}}
{{- end }}

{{- /* Namespaces without injection: a list, as JSON */}}
{{- define "spillway.excluded" -}}
{{- append .Values.injector.excludedNamespaces .Release.Namespace | uniq | sortAlpha | toJson -}}
{{- end }}

{{- /* Selectors by label, of the namespace or the pod, so that the API server makes no call for other pods. The two
       exclude each other: no pod is looked at twice. */}}
{{- define "spillway.byNamespace" -}}
namespaceSelector:
  matchExpressions:
  - {key: spillway.dev/inject, operator: In, values: ["true"]}
  - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ include "spillway.excluded" . }}}
objectSelector:
  matchExpressions:
  - {key: spillway.dev/inject, operator: NotIn, values: ["false"]}
{{- end }}
{{- define "spillway.byPod" -}}
namespaceSelector:
  matchExpressions:
  - {key: spillway.dev/inject, operator: NotIn, values: ["true"]}
  - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ include "spillway.excluded" . }}}
objectSelector:
  matchLabels: {spillway.dev/inject: "true"}
{{- end }}

{{- /* Rules for workloads instead of their pods. */}}
{{- define "spillway.workloads" -}}
- {apiGroups: [apps], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [deployments, statefulsets, daemonsets], scope: Namespaced}
- {apiGroups: [batch], apiVersions: [v1], operations: [CREATE, UPDATE], resources: [jobs, cronjobs], scope: Namespaced}
{{- end }}
{{- define "spillway.byWorkload" -}}
namespaceSelector:
  matchExpressions:
  - {key: kubernetes.io/metadata.name, operator: NotIn, values: {{ include "spillway.excluded" . }}}
resourceRules:
{{ include "spillway.workloads" . }}
{{- end }}

{{- /* Mutating webhooks are called in the order of their configurations' names. This one comes before those of service meshes, which add
       their proxy beside the agent and then see to the probes of all containers. */}}
{{- define "spillway.webhookConfiguration" -}}
00-{{ include "spillway.fullname" . }}-injector.spillway.dev
{{- end }}

{{- /* One name for each issuer: helm refuses to adopt the Secret left by cert-manager */}}
{{- define "spillway.certificateSecret" -}}
{{ include "spillway.fullname" . }}-injector-{{ ternary "cert-manager" "certificate" .Values.injector.certManager.enabled }}
{{- end }}

{{- /* Security context of the chart's own containers: Pod Security `restricted` */}}
{{- define "spillway.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{- /* No user: the image has one, and OpenShift accepts only the assigned one */}}
{{- define "spillway.restrictedPod" -}}
runAsNonRoot: true
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Whether guardians post Events and need a token */}}
{{- define "spillway.events" -}}
{{- if ne (include "spillway.effective" . | fromJson).events "off" }}true{{ end -}}
{{- end }}

{{- /* Whether whole namespaces get the right to post Events */}}
{{- define "spillway.eventsGiven" -}}
{{- if and .Values.rbac.create (include "spillway.events" .) (or .Values.rbac.namespaces .Values.rbac.allNamespaces) }}true{{ end -}}
{{- end }}
{{- /* Whether a policy can confine that right: from Kubernetes 1.30 */}}
{{- define "spillway.eventsConfined" -}}
{{- if and (include "spillway.eventsGiven" .) (.Capabilities.APIVersions.Has "admissionregistration.k8s.io/v1/ValidatingAdmissionPolicy") }}true{{ end -}}
{{- end }}
