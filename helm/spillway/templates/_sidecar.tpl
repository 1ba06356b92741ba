{{- /*
The sidecar, its volume and its environment, once for the policy, the demo and what the webhook reads. Takes a dict:
  root       $
  agent      name of the agent's container
  limited    asks whether the agent has a memory limit, ported whether ports may be named (both only where it is not known yet)
  user, group, nonRoot, capabilities, args   as the agent has them
  resources  of the sidecar, where not those of the values
For the policy the values are CEL: `=…` is an expression, `=?…` an optional one; an entry of a list with `?when` is there where that holds.
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
{{- range $name, $value := include "spillway.options" .root | fromJson }}
- {name: {{ $name }}, value: {{ hasPrefix "=" $.agent | ternary (printf "=%s" (toJson $value)) $value | toJson }}}
{{- end }}
ports:
- {name: spillway, containerPort: 9797, protocol: TCP{{ with .ported }}, "?when": {{ toJson . }}{{ end }}}
readinessProbe: {httpGet: {path: /readyz, port: 9797}, periodSeconds: 1, timeoutSeconds: 1, failureThreshold: 1, successThreshold: 1}
livenessProbe: {httpGet: {path: /livez, port: 9797}, periodSeconds: 10, timeoutSeconds: 5, failureThreshold: 6}
resources: {{ .resources | default (include "spillway.resources" $values.sidecar.resources) }}
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
{{- end }}

{{- /* The token of the sidecar's own; without Events an empty folder, so that the agent's token is not mounted there. */}}
{{- define "spillway.volume" -}}
{{- include (ternary "spillway.emptyVolume" "spillway.tokenVolume" (eq (include "spillway.events" .) "")) . -}}
{{- end }}
{{- define "spillway.tokenVolume" -}}
name: spillway-token
projected:
  defaultMode: 292  # 0444: the agent may run as any user; of the token the kubelet sets its own
  sources:
  - serviceAccountToken: {path: token, expirationSeconds: 3600}
  - configMap: {name: kube-root-ca.crt, items: [{key: ca.crt, path: ca.crt}]}
  - downwardAPI: {items: [{path: namespace, fieldRef: {apiVersion: v1, fieldPath: metadata.namespace}}]}
{{- end }}
{{- define "spillway.emptyVolume" -}}
name: spillway-token
emptyDir: {}
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
