{{- /*
A structure as a typed CEL expression: (dict "value" … "type" "Object.spec.initContainers"). Texts that begin with `=` are expressions
already, with `=?` optional ones; an entry of a list with the key `?when` is there where that expression holds. Keys of `requests` and
`limits` are free, and stand in a plain map.
*/}}
{{- define "spillway.cel" -}}
{{- $type := .type -}}
{{- if kindIs "map" .value -}}
  {{- $free := or (hasSuffix ".requests" $type) (hasSuffix ".limits" $type) -}}
  {{- $fields := list -}}
  {{- range $key := without (keys .value | sortAlpha) "?when" }}
    {{- $value := get $.value $key -}}
    {{- $optional := and (kindIs "string" $value) (hasPrefix "=?" $value) -}}
    {{- $text := $optional | ternary (trimPrefix "=?" (toString $value)) (include "spillway.cel" (dict "value" $value "type" (printf "%s.%s" $type $key))) -}}
    {{- $fields = append $fields (printf "%s%s: %s" (ternary "?" "" $optional) (ternary (toJson $key) $key $free) $text) -}}
  {{- end -}}
  {{ ternary "" $type $free }}{ {{- join ", " $fields -}} }
{{- else if kindIs "slice" .value -}}
  {{- $always := list -}}
  {{- $parts := list -}}
  {{- range .value }}
    {{- $text := include "spillway.cel" (dict "value" . "type" $type) -}}
    {{- if and (kindIs "map" .) (hasKey . "?when") }}
      {{- if $always }}{{ $parts = append $parts (printf "[%s]" (join ", " $always)) }}{{ end -}}
      {{- $parts = append $parts (printf "(%s ? [%s] : [])" (get . "?when") $text) -}}
      {{- $always = list -}}
    {{- else }}
      {{- $always = append $always $text -}}
    {{- end }}
  {{- end -}}
  {{- if or $always (not $parts) }}{{ $parts = append $parts (printf "[%s]" (join ", " $always)) }}{{ end -}}
  {{- join " + " $parts -}}
{{- else if and (kindIs "string" .value) (hasPrefix "=" .value) -}}
  {{ trimPrefix "=" .value }}
{{- else -}}
  {{ toJson .value }}
{{- end -}}
{{- end }}
