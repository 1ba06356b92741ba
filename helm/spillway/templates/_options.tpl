{{- /* Every option as in options.json, and the order relations between them. */}}
{{- define "spillway.table" -}}
{{- .Files.Get "files/options.json" -}}
{{- end }}

{{- /* A value as the number of its unit: (dict "value" "1m30s" "unit" "ms") → 90000. The schema has checked its form. */}}
{{- define "spillway.number" -}}
{{- $text := ternary .value (toJson .value) (kindIs "string" .value) | trim -}}
{{- $number := regexFind "^[0-9.]+([eE][-+]?[0-9]+)?" $text | float64 -}}
{{- if eq .unit "ms" -}}
  {{- $sum := 0.0 -}}
  {{- range regexFindAll "[0-9.]+(ms|s|m|h)" $text -1 -}}
    {{- $factor := get (dict "ms" 1.0 "s" 1000.0 "m" 60000.0 "h" 3600000.0) (regexFind "[a-z]+$" .) -}}
    {{- $sum = addf $sum (mulf (regexFind "^[0-9.]+" . | float64) $factor) -}}
  {{- end -}}
  {{- $sum -}}
{{- else if eq .unit "bytes" -}}
  {{- $power := dict "" 0 "k" 1 "m" 2 "g" 3 "t" 4 "p" 5 -}}
  {{- $suffix := regexFind "[A-Za-z]*$" $text -}}
  {{- $base := ternary 1024.0 1000.0 (hasSuffix "i" $suffix) -}}
  {{- range until (get $power (lower $suffix | trimSuffix "i") | int) -}}{{- $number = mulf $number $base -}}{{- end -}}
  {{- $number -}}
{{- else if and (eq .unit "cores") (hasSuffix "m" $text) -}}
  {{- divf $number 1000.0 -}}
{{- else -}}
  {{- $number -}}
{{- end -}}
{{- end }}

{{- /* Options that are set, by environment variable; JSON, as YAML would turn texts into numbers. */}}
{{- define "spillway.options" -}}
{{- $set := dict -}}
{{- range (include "spillway.table" . | fromJson).options }}
{{- $value := index $.Values.guardian .key -}}
{{- /* an unquoted `on` or `off` */}}
{{- if kindIs "bool" $value }}{{ $value = ternary "on" "off" $value }}{{ end -}}
{{- if not (kindIs "invalid" $value) }}{{ $_ := set $set .env (ternary $value (toJson $value) (kindIs "string" $value)) }}{{ end }}
{{- end }}
{{- toJson $set -}}
{{- end }}

{{- /* The same by key, for the webhook. */}}
{{- define "spillway.optionsByKey" -}}
{{- $env := include "spillway.options" . | fromJson -}}
{{- $set := dict -}}
{{- range (include "spillway.table" . | fromJson).options }}
{{- if hasKey $env .env }}{{ $_ := set $set .key (get $env .env) }}{{ end }}
{{- end }}
{{- toJson $set -}}
{{- end }}

{{- /* The options without annotations, by key */}}
{{- define "spillway.effective" -}}
{{- $set := include "spillway.optionsByKey" . | fromJson -}}
{{- $all := dict -}}
{{- range (include "spillway.table" . | fromJson).options }}{{ $_ := set $all .key (hasKey $set .key | ternary (get $set .key) .default) }}{{ end -}}
{{- toJson $all -}}
{{- end }}

{{- define "spillway.flags" -}}
{{- $flags := list -}}
{{- range (include "spillway.table" . | fromJson).options }}{{ $flags = append $flags .flag }}{{ end -}}
{{- sortAlpha $flags | toJson -}}
{{- end }}
