{{- /*
Whether a ResourceQuota or a LimitRange (params) leaves room for the sidecar; the webhook has the same in TypeScript (src/core/inject/room.ts).
Needs spillway.obstacles before it. Takes a dict:
  root      $
  kind      of params
  template  whether it is asked about a workload: then a quota is asked about all its pods, and where not even the pods have room nothing
            is said, as those that are there already take it
*/}}
{{- define "spillway.room" -}}
{{- $resources := include "spillway.sidecarResources" .root | fromJson -}}
{{- $limits := $resources.limits | default dict -}}
{{- $requests := merge ($resources.requests | default dict) $limits -}}
{{- /* where a quota or a LimitRange looks at the limit of cpu, every container has one, or the pod is refused anyway */}}
{{- $limits = merge $limits (dict "cpu" (include "spillway.cpuLimit" .root)) -}}
{{- $asked := dict -}}
{{- range $name, $text := $limits }}{{ $_ := set $asked (printf "limits.%s" $name) $text }}{{ end -}}
{{- range $name, $text := $requests }}{{ $_ := set $asked (printf "requests.%s" $name) $text }}{{ end -}}
{{- $names := keys $asked | sortAlpha -}}
- name: lasting  # containers beside the agent, and init containers before it
  expression: variables.spec.?initContainers.orValue([]).filter(c, c.?restartPolicy.orValue("") == "Always" && c.name != "spillway")
- name: starting
  expression: variables.spec.?initContainers.orValue([]).filter(c, c.?restartPolicy.orValue("") != "Always")
- name: steady
  expression: variables.spec.containers.filter(c, c.name != "spillway")
- name: asked  # of the sidecar
  expression: {{ $asked | toJson | squote }}
- name: total  # of the pod without its sidecar, as the API server counts it or more
  expression: >-
    {
    {{- range $i, $name := $names }}
    {{- $kind := splitn "." 2 $name }}
    {{- $text := printf "c.?resources.limits[?%s]" (toJson $kind._1) }}
    {{- if eq $kind._0 "requests" }}{{ $text = printf "c.?resources.requests[?%s].or(%s)" (toJson $kind._1) $text }}{{ end }}
    {{- $amount := printf "%s.optMap(q, quantity(q).asApproximateFloat()).orValue(0.0)" $text }}
    {{- if $i }},{{ end }}
      {{ toJson $name }}: variables.lasting.map(c, {{ $amount }}).sum()
        + [variables.steady.map(c, {{ $amount }}).sum(), ([0.0] + variables.starting.map(c, {{ $amount }})).max()].max()
        + variables.spec.?overhead[?{{ toJson $kind._1 }}].optMap(q, quantity(q).asApproximateFloat()).orValue(0.0)
    {{- end }}
    }
{{- if eq .kind "ResourceQuota" }}
{{- $lacking := list -}}
{{- range $name := list "limits.cpu" "limits.memory" "requests.cpu" "requests.memory" }}{{ if not (hasKey $asked $name) }}{{ $lacking = append $lacking $name }}{{ end }}{{ end }}
- name: hard
  expression: params.?status.hard.orValue({})
- name: usedOf  # and its used part
  expression: params.?status.used.orValue({})
- name: expressions
  expression: params.?spec.scopeSelector.matchExpressions.orValue([])
- name: scopes
  expression: params.?spec.scopes.orValue([]) + variables.expressions.map(e, e.scopeName)
- name: priority
  expression: variables.spec.?priorityClassName.orValue("")
- name: applies  # a scope that is not known here may; with the sidecar's requests no pod is BestEffort
  expression: >-
    !("BestEffort" in variables.scopes)
    && !((has(variables.spec.activeDeadlineSeconds) ? "NotTerminating" : "Terminating") in variables.scopes)
    && !("PriorityClass" in params.?spec.scopes.orValue([]) && variables.priority == "")
    && variables.expressions.filter(e, e.scopeName == "PriorityClass").all(e,
      e.operator == "In" ? variables.priority in e.?values.orValue([])
      : e.operator == "NotIn" ? !(variables.priority in e.?values.orValue([]))
      : (e.operator == "Exists") == (variables.priority != ""))
{{- $used := "variables.usedOf[?k].optMap(q, quantity(q).asApproximateFloat()).orValue(0.0)" }}
{{- $hard := "quantity(variables.hard[k]).asApproximateFloat() + 0.0001" }}
{{- if .template }}
- name: replicas  # pods it starts at once; for an existing workload those it starts beside the others
  expression: >-
    [1, int(object.spec.?replicas.or(object.spec.?parallelism).orValue(1))
      - (oldObject == null ? 0 : int(oldObject.spec.?replicas.or(oldObject.spec.?parallelism).orValue(1)))].max()
{{- end }}
{{- range $short, $count := ternary (dict "short" "1.0" "shortOfAll" "double(variables.replicas)") (dict "short" "1.0") (hasKey . "template") }}
- name: {{ $short }}  # resources without room{{ if eq $short "shortOfAll" }} for a sidecar in each{{ end }}; sums are not exact
  expression: >-
    {{ toJson $names }}.filter(n, [n, n.replace("requests.", "")].exists(k, k in variables.hard
      {{- if $.template }}
      && {{ $used }} + variables.total[n] * {{ $count }} <= {{ $hard }}
      {{- end }}
      && {{ $used }} + (variables.total[n] + quantity(variables.asked[n]).asApproximateFloat()) * {{ $count }} > {{ $hard }}))
{{- end }}
- name: lacking  # resources that a quota requires of every container
  expression: >-
    {{ toJson $lacking }}.filter(n, [n, n.replace("requests.", "")].exists(k, k in variables.hard))
- name: noRoom  # why, or ""; of a pod with resources of its own only those are counted
  expression: >-
    has(variables.spec.resources) || !variables.applies ? ""
    : size(variables.lacking) > 0 ? "ResourceQuota " + params.metadata.name + " requires " + variables.lacking.join(" and ") + " of every container, and the sidecar has none"
    : size(variables.short) > 0 ? "ResourceQuota " + params.metadata.name + " has no room for the sidecar's "
      + variables.short.map(n, n + " (" + variables.asked[n] + ")").join(" and ")
    : ""
{{- if .template }}
- name: tooLittle  # there is room for one, and not for all: the first would take what the last need
  expression: >-
    has(variables.spec.resources) || !variables.applies || variables.noRoom != "" || size(variables.shortOfAll) == 0 ? ""
    : "ResourceQuota " + params.metadata.name + " has room for the " + string(variables.replicas) + " pods, but not for the sidecar's "
      + variables.shortOfAll.map(n, n + " (" + variables.asked[n] + ")").join(" and ") + " in each: some go without, and the last may be refused"
{{- end }}
{{- else }}
{{- $whole := list -}}
{{- range $name := list "cpu" "ephemeral-storage" "memory" }}{{ if and (hasKey $requests $name) (hasKey $limits $name) }}{{ $whole = append $whole $name }}{{ end }}{{ end }}
- name: limits
  expression: params.?spec.limits.orValue([]).filter(l, l.type in ["Container", "Pod"])
- name: requested
  expression: >-
    { {{- range $i, $type := list "Container" "Pod" }}{{ if $i }}, {{ end }}{{ toJson $type }}: { {{- range $j, $name := $whole }}{{ if $j }}, {{ end }}{{ toJson $name }}: quantity(variables.asked[{{ printf "requests.%s" $name | toJson }}]).asApproximateFloat(){{ if $i }} + variables.total[{{ printf "requests.%s" $name | toJson }}]{{ end }}{{ end -}} }{{ end -}} }
- name: limited
  expression: >-
    { {{- range $i, $type := list "Container" "Pod" }}{{ if $i }}, {{ end }}{{ toJson $type }}: { {{- range $j, $name := $whole }}{{ if $j }}, {{ end }}{{ toJson $name }}: quantity(variables.asked[{{ printf "limits.%s" $name | toJson }}]).asApproximateFloat(){{ if $i }} + variables.total[{{ printf "limits.%s" $name | toJson }}]{{ end }}{{ end -}} }{{ end -}} }
- name: broken  # bounds that the sidecar would break
  expression: >-
    variables.limits.map(l, {{ toJson $whole }}.map(r,
      l.?min[?r].optMap(q, variables.requested[l.type][r] < quantity(q).asApproximateFloat() - 0.0001).orValue(false) ? r + ": " + l.type + " min " + l.min[r]
      : l.?max[?r].optMap(q, variables.limited[l.type][r] > quantity(q).asApproximateFloat() + 0.0001).orValue(false) ? r + ": " + l.type + " max " + l.max[r]
      : l.?maxLimitRequestRatio[?r].optMap(q, variables.limited[l.type][r] / variables.requested[l.type][r] > quantity(q).asApproximateFloat() + 0.0001).orValue(false)
        ? r + ": " + l.type + " maxLimitRequestRatio " + l.maxLimitRequestRatio[r]
      : "").filter(t, t != "")).filter(t, size(t) > 0)
- name: noRoom  # why, or ""; a LimitRange sets defaults of containers, and these may exceed the resources of the pod
  expression: >-
    has(variables.spec.resources) ? (
      variables.limits.exists(l, l.type == "Container" && size(l.?default.orValue({})) + size(l.?defaultRequest.orValue({})) > 0)
      ? "LimitRange " + params.metadata.name + " sets defaults of containers, and these may exceed the resources of the pod" : "")
    : size(variables.broken) > 0 ? "LimitRange " + params.metadata.name + " refuses the sidecar's " + variables.broken[0][0]
    : ""
{{- end }}
{{- end }}
