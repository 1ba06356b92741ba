{{- /*
Facts about a pod for policy and warnings. Needs before it: variables.annotations and variables.spec, of the pod or of a template.
*/}}
{{- define "spillway.variables" -}}
{{- $table := include "spillway.table" . | fromJson -}}
{{- $effective := include "spillway.effective" . | fromJson -}}
{{ include "spillway.obstacles" . }}
- name: user
  expression: variables.agents[0].?securityContext.runAsUser.or(variables.spec.?securityContext.runAsUser)
- name: group
  expression: variables.agents[0].?securityContext.runAsGroup.or(variables.spec.?securityContext.runAsGroup)
# A value that the guardian rejects is dropped: it would keep the pod from starting.
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
- name: events
  expression: >-
    "events" in variables.used ? variables.annotations["spillway.dev/events"].trim() : {{ ternary "off" "auto" (eq (include "spillway.events" .) "") | toJson }}
- name: token   # of the pod's service account; declined: the pod has automountServiceAccountToken false
  expression: >-
    variables.events == "on" ? "mounted" : variables.events == "off" ? "none"
    : variables.spec.?automountServiceAccountToken.orValue(true) ? "mounted" : "declined"
{{ include "spillway.hook" . }}
{{ include "spillway.meshLists" . }}
{{- end }}

{{- /* Whether the hook goes into the agent's container; src/core/inject/hook-rules.ts has the same in TypeScript. */}}
{{- define "spillway.hook" -}}
{{- $known := (include "spillway.table" . | fromJson).injection -}}
- name: hook
  expression: >-
    "hook" in variables.used ? variables.annotations["spillway.dev/hook"].trim() : {{ (include "spillway.effective" . | fromJson).hook | toJson }}
- name: addNodeOptions  # also where no NODE_OPTIONS is in env
  expression: {{ .Values.sidecar.addNodeOptions | toJson | quote }}
- name: nodeOptions
  expression: variables.agents[0].?env.orValue([]).filter(e, e.name == "NODE_OPTIONS")
- name: takesNodeOptions  # whether its envFrom may set NODE_OPTIONS
  expression: variables.agents[0].?envFrom.orValue([]).exists(e, "NODE_OPTIONS".startsWith(e.?prefix.orValue("")))
- name: agentCommand
  expression: variables.agents[0].?command.orValue([]) + variables.agents[0].?args.orValue([])
- name: hookable
  expression: >-
    size(variables.nodeOptions) > 0 || variables.agentCommand.join(" ").matches({{ toJson $known.nodeCommand }})
    || variables.agents[0].?env.orValue([]).exists(e, e.name.startsWith("NODE_")) || (variables.addNodeOptions && !variables.takesNodeOptions)
- name: hookPlaced  # already
  expression: variables.injected && variables.all.exists(c, c.name == "spillway" && {{ toJson $known.hookArg }} in c.?args.orValue([]))
- name: hookObstacle  # why a container that should have the hook goes without; "" where it should not, or has it
  expression: >-
    {{- /* a classic sidecar starts beside the agent: its file may come too late */}}
    {{ .Values.sidecar.native | ternary "variables.hook" (quote "off") }} == "off" || variables.hookPlaced || !variables.hookable ? "" :
    {{- range $known.hookObstacles }}
    {{ .when }} ? {{ .says }} :
    {{- end }}
    ""
- name: hooked
  expression: {{ .Values.sidecar.native }} && variables.hook != "off" && variables.hookable && variables.hookObstacle == ""
{{- end }}

{{- /* The paths at which the agent is probed, for the gate in its hook; src/core/inject/probe-paths.ts has the same in TypeScript. */}}
{{- define "spillway.probePaths" -}}
{{- $known := (include "spillway.table" . | fromJson).injection -}}
{{- $effective := include "spillway.effective" . | fromJson -}}
- name: istioProbers  # what Istio's proxy asks in place of the kubelet
  expression: >-
    variables.all.filter(c, c.name == "istio-proxy").map(c, c.?env.orValue([]).filter(e, e.name == {{ toJson $known.istioProbers }}).map(e, e.?value.orValue("")).join(" ")).join(" ")
- name: probePaths
  expression: >-
    ([?variables.agents[0].?startupProbe.httpGet.path, ?variables.agents[0].?readinessProbe.httpGet.path, ?variables.agents[0].?livenessProbe.httpGet.path,
      ?variables.agents[0].?lifecycle.postStart.httpGet.path, ?variables.agents[0].?lifecycle.preStop.httpGet.path].filter(p, !variables.istioProbers.contains("\"" + p + "\":"))
    + variables.istioProbers.findAll({{ toJson $known.istioProber }}).map(t, t.split("\"")).filter(t, t[1].split("/")[2] == variables.agentName).map(t, t[7]))
    .map(p, p.find("^[^?#]*")).map(p, p.startsWith("/") ? p : "/" + p).filter(p, p.matches({{ toJson $known.probePath }}))
- name: exempt  # by annotation or by the chart
  expression: >-
    ({{ toJson $known.gateExempt }} in variables.used ? variables.annotations[{{ printf "spillway.dev/%s" $known.gateExempt | toJson }}] : {{ $effective.gateExempt | default "" | toJson }}).trim().split(",").filter(p, p != "")
- name: added  # to these
  expression: >-
    !variables.hooked || ("gate" in variables.used ? variables.annotations["spillway.dev/gate"].trim() : {{ toJson $effective.gate }}) == "off" ? []
    : variables.probePaths.filter(p, !(p in variables.exempt)).distinct()
- name: gateExempt  # with them; "" where nothing is added
  expression: 'size(variables.added) == 0 ? "" : (variables.exempt + variables.added).join(",")'
{{- end }}

{{- /* The agent's container, the obstacle to injection, and whether the sidecar exists already. */}}
{{- define "spillway.obstacles" -}}
{{- $known := (include "spillway.table" . | fromJson).injection -}}
- name: all
  expression: variables.spec.?initContainers.orValue([]) + variables.spec.containers
- name: candidates   # without proxies of meshes and other injected containers
  expression: >-
    variables.spec.containers.filter(c, !(c.name in {{ toJson $known.proxies }}))
- name: usual   # kubectl's default container
  expression: variables.candidates.filter(c, c.name == variables.annotations[?"kubectl.kubernetes.io/default-container"].orValue(""))
- name: agentName
  expression: >-
    variables.annotations[?"spillway.dev/agent-container"].orValue(
    (variables.usual + variables.candidates + variables.spec.containers)[0].name)
- name: agents   # the agent's container, or none
  expression: variables.spec.containers.filter(c, c.name == variables.agentName)
- name: named   # containers with the sidecar's name
  expression: >-
    variables.spec.?initContainers.orValue([]).exists(c, c.name == "spillway") || variables.spec.containers.exists(c, c.name == "spillway")
- name: injected
  expression: variables.named && variables.annotations[?"spillway.dev/status"].orValue("") in ["injected", "injected-shared"]
- name: shared   # whether the pod shares its process namespace already
  expression: >-
    variables.injected ? variables.annotations["spillway.dev/status"] == "injected-shared" : variables.spec.?shareProcessNamespace.orValue(false)
- name: ported   # containers with the sidecar's port
  expression: >-
    variables.all.filter(c, c.?ports.orValue([]).exists(p, p.containerPort == 9797 && p.?protocol.orValue("TCP") == "TCP"))
- name: inits   # containers that must be process 1
  expression: >-
    variables.shared ? [] : variables.all.filter(c, c.?command[?0].orValue("") in {{ toJson $known.inits }})
- name: obstacle   # why injection is impossible; "" where it is possible
  expression: >-
    {{- range $known.obstacles }}
    {{ .when }} ? {{ .says }} :
    {{- end }}
    variables.annotations[?"spillway.dev/status"].orValue("").startsWith("not injected: ") ? variables.annotations["spillway.dev/status"].substring(14)
    : ""
{{- end }}

{{- /* Lists of ports excluded from a mesh's proxy. */}}
{{- define "spillway.meshLists" -}}
- name: portLists   # annotations with ports excluded from a mesh's proxy
  expression: >-
    ["traffic.sidecar.istio.io/excludeInboundPorts", "config.linkerd.io/skip-inbound-ports"].filter(a, a in variables.annotations)
- name: istioInit   # Istio's container that sets up the redirection, and where in its arguments its own list is; 0 for nowhere
  expression: variables.spec.?initContainers.orValue([]).map(c, c.name).indexOf("istio-init")
- name: istioArgs
  expression: >-
    variables.istioInit < 0 ? [] : variables.spec.initContainers[variables.istioInit].?args.orValue([])
- name: istioList
  expression: >-
    variables.istioArgs.indexOf("-d") + 1 < size(variables.istioArgs) ? variables.istioArgs.indexOf("-d") + 1 : 0
{{- end }}

{{- /* The subject of a warning: a pod, or the template of a workload. */}}
{{- define "spillway.template" -}}
- name: isPod
  expression: request.kind.kind == "Pod"
- name: template
  expression: 'variables.isPod ? object : request.kind.kind == "CronJob" ? object.spec.jobTemplate.spec.template : object.spec.template'
- name: wanted  # the bindings select pods already
  expression: >-
    variables.isPod || variables.template.?metadata.labels[?"spillway.dev/inject"].orValue(
      namespaceObject.metadata.?labels[?"spillway.dev/inject"].orValue("")) == "true"
- name: annotations
  expression: variables.template.?metadata.annotations.orValue({})
- name: spec
  expression: variables.template.spec
{{- end }}
