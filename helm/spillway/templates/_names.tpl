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

{{- /* (list $ value "group/version/Kind"): "true" where `auto` or a word asks for it */}}
{{- define "spillway.wanted" -}}
{{- $root := index . 0 -}}
{{- $value := index . 1 -}}
{{- if or (eq (toString $value) "true") (and (eq (toString $value) "auto") ($root.Capabilities.APIVersions.Has (index . 2))) }}true{{ end -}}
{{- end }}

{{- /* Where nothing is injected: a list, as JSON */}}
{{- define "spillway.excluded" -}}
{{- append .Values.injector.excludedNamespaces .Release.Namespace | uniq | sortAlpha | toJson -}}
{{- end }}

{{- /* Who asks by label, so that the API server calls nobody for other pods: by the namespace's, or by the pod's own. The two
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

{{- /* Of the chart's own containers, good for Pod Security `restricted` */}}
{{- define "spillway.restricted" -}}
allowPrivilegeEscalation: false
readOnlyRootFilesystem: true
capabilities: {drop: [ALL]}
{{- end }}
{{- define "spillway.restrictedPod" -}}
runAsNonRoot: true
runAsUser: 65532
runAsGroup: 65532
seccompProfile: {type: RuntimeDefault}
{{- end }}

{{- /* Whether guardians post Events, and thus need a token */}}
{{- define "spillway.events" -}}
{{- if ne (include "spillway.effective" . | fromJson).events "off" }}true{{ end -}}
{{- end }}
