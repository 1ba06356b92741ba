{{- /*
What policy and warnings know of a pod. Needs before it: variables.annotations and variables.spec, of the pod or of a template.
*/}}
{{- define "spillway.variables" -}}
{{- $table := include "spillway.table" . | fromJson -}}
{{- $effective := include "spillway.effective" . | fromJson -}}
- name: agentName
  expression: variables.annotations[?"spillway.dev/agent-container"].orValue(variables.spec.containers[0].name)
- name: agents   # the agent's container, or nothing
  expression: variables.spec.containers.filter(c, c.name == variables.agentName)
- name: named   # what has the sidecar's name already
  expression: >-
    variables.spec.?initContainers.orValue([]).exists(c, c.name == "spillway") || variables.spec.containers.exists(c, c.name == "spillway")
- name: injected
  expression: variables.named && variables.annotations[?"spillway.dev/status"].orValue("") in ["injected", "injected-shared"]
- name: obstacle   # why it cannot be done; "" where it can
  expression: >-
    variables.spec.?hostPID.orValue(false) ? "hostPID excludes shareProcessNamespace"
    : variables.spec.?os.name.orValue("linux") != "linux" || variables.spec.?nodeSelector[?"kubernetes.io/os"].orValue("linux") != "linux" ? "not a Linux pod"
    : has(variables.spec.shareProcessNamespace) && !variables.spec.shareProcessNamespace ? "shareProcessNamespace is set to false"
    : size(variables.agents) == 0 ? "there is no container " + variables.agentName
    : variables.named ? "the container name spillway is taken"
    : variables.spec.?volumes.orValue([]).exists(v, v.name == "spillway-token") ? "the volume name spillway-token is taken"
    : ""
- name: user
  expression: variables.agents[0].?securityContext.runAsUser.or(variables.spec.?securityContext.runAsUser)
- name: group
  expression: variables.agents[0].?securityContext.runAsGroup.or(variables.spec.?securityContext.runAsGroup)
# A value that the guardian would refuse is not handed on: it would keep the pod from starting.
- name: valid
  expression: >-
    {
    {{- range $i, $option := $table.options }}
    {{- if $i }},{{ end }}
      {{ toJson .flag }}: variables.annotations[?{{ printf "spillway.dev/%s" .flag | toJson }}].optMap(v, v.trim()).optMap(v, {{ .valid }}).orValue(false)
    {{- end }}
    }
# Values may be right alone and not beside one another, or beside those of the chart; those left may be so, too.
{{- $rest := "" }}
{{- range $round := list "apart" "stillApart" }}
- name: {{ $round }}
  expression: >-
    []
    {{- range $table.orderings }}
    {{- $order := . }}
    {{- $sides := list }}
    {{- range $key := list .low .high }}
      {{- range $table.options }}{{ if eq .key $key }}
        {{- $default := get $effective $key | printf "%s" }}
        {{- $text := printf "variables.annotations[%s].trim()" (printf "spillway.dev/%s" .flag | toJson) }}
        {{- $used := printf "variables.valid[%s]%s" (toJson .flag) (ternary "" (printf " && !(%s in %s)" (toJson .flag) $rest) (eq $rest "")) }}
        {{- $sides = append $sides (printf "%s(%s ? %s : %s)" $order.convert $used $text (toJson $default)) }}
      {{- end }}{{ end }}
    {{- end }}
    + ({{ join (printf " %s " .sign) $sides }} ? [] : {{ list (kebabcase .low) (kebabcase .high) | toJson }})
    {{- end }}
  {{- $rest = "variables.apart" }}
{{- end }}
- name: used
  expression: >-
    {{ include "spillway.flags" . }}.filter(f, variables.valid[f] && !(f in variables.apart) && !(f in variables.stillApart))
{{- end }}
