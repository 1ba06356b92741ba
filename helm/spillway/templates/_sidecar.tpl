{{- /*
The sidecar, its volume and its environment, once for the policy, the demo and what the webhook reads. Takes a dict:
  root       $
  agent      name of the agent's container
  limited    asks whether the agent has a memory limit (only where it is not known yet)
  user, group, nonRoot, capabilities, args   as the agent has them
  restarts   the restart policy of the pod, where that is not Always
  recordDir  where records are kept, where the values do not say it
  resources  of the sidecar, where not those of the values
  hooked     asks whether the agent's container has the hook (for the policy), or true where it has
For the policy the values are CEL: `=…` is an expression, `=?…` an optional one; an entry of a list with `?when` is present where the expression is true.
*/}}
{{- define "spillway.sidecar" -}}
{{- $values := .root.Values -}}
name: spillway
image: {{ include "spillway.image" .root | quote }}
imagePullPolicy: {{ $values.image.pullPolicy }}
{{- if $values.sidecar.native }}
restartPolicy: Always
{{- end }}
args: {{ toJson .args }}
env:
- {name: POD_NAME, valueFrom: {fieldRef: {fieldPath: metadata.name}}}
- {name: POD_NAMESPACE, valueFrom: {fieldRef: {fieldPath: metadata.namespace}}}
- {name: POD_UID, valueFrom: {fieldRef: {fieldPath: metadata.uid}}}
- {name: NODE_NAME, valueFrom: {fieldRef: {fieldPath: spec.nodeName}}}
- {name: SPILLWAY_AGENT, value: {{ hasPrefix "=" .agent | ternary (printf "=\"container:\" + %s" (trimPrefix "=" .agent)) (printf "container:%s" .agent) | toJson }}}
# without a limit the downward API gives the node's memory
- name: SPILLWAY_DOWNWARD_LIMIT
  {{- with .limited }}
  "?when": {{ toJson . }}
  {{- end }}
  valueFrom: {resourceFieldRef: {containerName: {{ toJson .agent }}, resource: limits.memory}}
- {name: SPILLWAY_POD_RESTART_POLICY, value: {{ .restarts | default "Always" | toJson }}}
{{- with $values.sidecar.webhookUrlSecret }}
{{- if .name }}
# a missing Secret must not keep the pod from starting
- {name: SPILLWAY_WEBHOOK_URL, valueFrom: {secretKeyRef: {name: {{ .name }}, key: {{ .key }}, optional: true}}}
{{- end }}
{{- end }}
{{- range $name, $value := include "spillway.options" .root | fromJson }}
- {name: {{ $name }}, value: {{ hasPrefix "=" $.agent | ternary (printf "=%s" (toJson $value)) $value | toJson }}}
{{- end }}
ports:
- {name: spillway, containerPort: 9797, protocol: TCP}
{{- if .hooked }}
{{- $startup := dict "httpGet" (dict "path" "/livez" "port" 9797) "periodSeconds" 1 "timeoutSeconds" 3 "failureThreshold" 60 }}
{{- if kindIs "string" .hooked }}
{{- $cel := include "spillway.cel" (dict "type" "Object.spec.initContainers.startupProbe" "value" $startup) }}
startupProbe: {{ printf "=?%s ? optional.of(%s) : optional.none()" .hooked $cel | toJson }}
{{- else }}
startupProbe: {{ toJson $startup }}
{{- end }}
{{- end }}
readinessProbe: {httpGet: {path: /readyz, port: 9797}, periodSeconds: 1, timeoutSeconds: 3, failureThreshold: 1, successThreshold: 1}
livenessProbe: {httpGet: {path: /livez, port: 9797}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
resources: {{ .resources | default (include "spillway.sidecarResources" .root) }}
securityContext:
  runAsUser: {{ toJson .user }}
  runAsGroup: {{ toJson .group }}
  runAsNonRoot: {{ toJson .nonRoot }}
  allowPrivilegeEscalation: false
  readOnlyRootFilesystem: true
  capabilities: {{ toJson .capabilities }}
  seccompProfile: {type: RuntimeDefault}
volumeMounts:
- {name: spillway-token, mountPath: /var/run/secrets/kubernetes.io/serviceaccount, readOnly: true}
{{- with .recordDir | default (include "spillway.effective" .root | fromJson).recordDir }}
- {name: spillway-records, mountPath: {{ toJson . }}{{ if hasPrefix "=" . }}, "?when": {{ printf "%s != \"\"" (trimPrefix "=" .) | toJson }}{{ end }}}
{{- end }}
{{- with .hooked }}
- {name: spillway-hook, mountPath: /var/run/spillway-hook{{ if kindIs "string" . }}, "?when": {{ toJson . }}{{ end }}}
{{- end }}
{{- end }}

{{- /* The sidecar's token; without Events an empty folder, so that the agent's token is not mounted. */}}
{{- define "spillway.volume" -}}
{{- include (ternary "spillway.emptyVolume" "spillway.tokenVolume" (eq (include "spillway.events" .) "")) . -}}
{{- end }}
{{- define "spillway.tokenVolume" -}}
name: spillway-token
projected:
  defaultMode: 292  # 0444: the agent may run as any user; the kubelet sets the mode of the token
  sources:
  - serviceAccountToken: {path: token, expirationSeconds: 3600}
  - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
  - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
{{- end }}
{{- define "spillway.emptyVolume" -}}
name: spillway-token
emptyDir: {}
{{- end }}

{{- /* Post-mortems, for the life of the pod. No size limit: a heap snapshot exceeds any, and the kubelet evicts the pod for that. */}}
{{- define "spillway.recordVolume" -}}
name: spillway-records
emptyDir: {}
{{- end }}

{{- /* The file of the hook and the socket that it connects to: 40 KB */}}
{{- define "spillway.hookVolume" -}}
name: spillway-hook
emptyDir: {sizeLimit: 1Mi}
{{- end }}
{{- define "spillway.hookMount" -}}
name: spillway-hook
mountPath: /var/run/spillway-hook
readOnly: true
{{- end }}

{{- /* Resources of the sidecar: without a memory request, its limit is the request, which satisfies every LimitRange */}}
{{- define "spillway.sidecarResources" -}}
{{- $resources := include "spillway.resources" .Values.sidecar.resources | fromJson -}}
{{- with ($resources.limits | default dict).memory }}
{{- $_ := set $resources "requests" (merge ($resources.requests | default dict) (dict "memory" .)) }}
{{- end }}
{{- toJson $resources -}}
{{- end }}

{{- /* The CPU request, where one is set */}}
{{- define "spillway.cpuLimit" -}}
{{- $limit := (include "spillway.table" . | fromJson).injection.cpuLimit -}}
{{- $request := (include "spillway.sidecarResources" . | fromJson).requests | default dict -}}
{{- $more := gt (include "spillway.number" (dict "value" ($request.cpu | default "0") "unit" "cores") | float64) (include "spillway.number" (dict "value" $limit "unit" "cores") | float64) -}}
{{- ternary $request.cpu $limit $more -}}
{{- end }}

{{- /* Quantities as texts, zero-sized maps left out */}}
{{- define "spillway.resources" -}}
{{- $out := dict -}}
{{- range $kind := list "requests" "limits" }}
{{- $texts := dict -}}
{{- range $name, $value := index $ $kind }}
{{- if not (kindIs "invalid" $value) }}
{{- $_ := set $texts $name (ternary $value (toJson $value) (kindIs "string" $value)) }}
{{- end }}
{{- end }}
{{- if $texts }}{{ $_ := set $out $kind $texts }}{{ end }}
{{- end }}
{{- toJson $out -}}
{{- end }}
