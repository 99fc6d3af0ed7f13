{{/* How many brokers vote. */}}
{{- define "holdfast.voters" -}}
{{- if kindIs "invalid" .Values.voters -}}
{{- ternary 3 1 (ge (int .Values.replicas) 3) -}}
{{- else -}}
{{- int .Values.voters -}}
{{- end -}}
{{- end -}}

{{/* How many replicas topics have that are made without a number, as the broker has it by default: none for a single one. */}}
{{- define "holdfast.replicationFactor" -}}
{{- $configured := get .Values.config "default.replication.factor" -}}
{{- if $configured -}}{{- int $configured -}}{{- else -}}{{- min 3 (int (include "holdfast.voters" .)) -}}{{- end -}}
{{- end -}}

{{- define "holdfast.peers" -}}
{{- $peers := list -}}
{{- range $ordinal := until (int (include "holdfast.voters" .)) -}}
{{- $peers = append $peers (printf "%d@%s-%d.%s:%d" $ordinal (include "holdfast.fullname" $) $ordinal (include "holdfast.domain" $) (int $.Values.ports.internal)) -}}
{{- end -}}
{{- join "," $peers -}}
{{- end -}}

{{/* Where clients outside find a broker, a dict of `root` and `ordinal`. */}}
{{- define "holdfast.external" -}}
{{- $values := .root.Values.external -}}
{{- $known := dict "ordinal" .ordinal "pod" (printf "%s-%d" (include "holdfast.fullname" .root) .ordinal) "release" .root.Release.Name "Template" .root.Template -}}
{{- $host := "${env:HOST_IP}" -}}
{{- if $values.advertisedHost -}}{{- $host = tpl $values.advertisedHost $known -}}{{- end -}}
{{- $port := int .root.Values.ports.external -}}
{{- if eq $values.type "NodePort" -}}{{- $port = add (int $values.nodePortBase) .ordinal -}}{{- end -}}
{{- if $values.advertisedPort -}}{{- $port = tpl (toString $values.advertisedPort) $known -}}{{- end -}}
{{- printf "EXTERNAL://%s:%s" $host (toString $port) -}}
{{- end -}}

{{/* The file of one broker, a dict of `root` and `ordinal`. */}}
{{- define "holdfast.config" -}}
{{- $root := .root -}}
{{- $values := $root.Values -}}
{{- $host := printf "%s-%d.%s" (include "holdfast.fullname" $root) .ordinal (include "holdfast.domain" $root) -}}
node.id: {{ .ordinal }}
{{- if gt (int $values.replicas) 1 }}
peers: {{ include "holdfast.peers" $root | quote }}
internal.listen: {{ printf "0.0.0.0:%d" (int $values.ports.internal) | quote }}
internal.advertise: {{ printf "%s:%d" $host (int $values.ports.internal) | quote }}
{{- end }}
{{- $listeners := list (printf "PLAINTEXT://0.0.0.0:%d" (int $values.ports.kafka)) }}
{{- $stays := printf "%s-%d.%s.svc.%s" (include "holdfast.fullname" $root) .ordinal $root.Release.Namespace $values.clusterDomain }}
{{- $advertised := list (printf "PLAINTEXT://%s:%d" $stays (int $values.ports.kafka)) }}
{{- if $values.external.enabled }}
{{- $listeners = append $listeners (printf "EXTERNAL://0.0.0.0:%d" (int $values.ports.external)) }}
{{- $advertised = append $advertised (include "holdfast.external" .) }}
listener.security.protocol.map: "PLAINTEXT:PLAINTEXT,EXTERNAL:PLAINTEXT"
{{- end }}
listeners: {{ join "," $listeners | quote }}
advertised.listeners: {{ join "," $advertised | quote }}
admin.listen: {{ printf "0.0.0.0:%d" (int $values.ports.admin) | quote }}
log.dirs: /var/lib/holdfast/data
log.level: {{ $values.log.level | quote }}
log.format: {{ $values.log.format | quote }}
{{- if ne (include "holdfast.rackSource" $root) "none" }}
broker.rack: {{ ternary "${env:NODE_ZONE}" "${directory:/run/holdfast:zone}" (eq (include "holdfast.rackSource" $root) "podLabel") | quote }}
{{- if $values.rack.followerFetching }}
replica.selector.class: org.apache.kafka.common.replica.RackAwareReplicaSelector
{{- end }}
{{- end }}
{{- range $name, $value := $values.config }}
{{ $name }}: {{ include "holdfast.scalar" $value | quote }}
{{- end }}
{{- end -}}

{{/* A setting as a text: numbers without an exponent. */}}
{{- define "holdfast.scalar" -}}
{{- if kindIs "float64" . -}}
{{- if eq . (floor .) -}}{{- printf "%.0f" . -}}{{- else -}}{{- . -}}{{- end -}}
{{- else -}}
{{- . -}}
{{- end -}}
{{- end -}}

{{/* Where brokers learn their zone: podLabel, nodeLookup or none. */}}
{{- define "holdfast.rackSource" -}}
{{- if eq .Values.rack.source "auto" -}}
{{- if semverCompare ">=1.35.0-0" .Capabilities.KubeVersion.Version -}}podLabel{{- else -}}nodeLookup{{- end -}}
{{- else -}}
{{- .Values.rack.source -}}
{{- end -}}
{{- end -}}
