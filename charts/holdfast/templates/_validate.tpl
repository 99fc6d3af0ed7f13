{{/* What the schema cannot say: values that contradict each other. Renders to nothing, or fails with a sentence. */}}
{{- define "holdfast.validate" -}}
{{- $replicas := int .Values.replicas -}}
{{- $voters := int (include "holdfast.voters" .) -}}
{{- if gt $voters $replicas -}}
{{- fail (printf "voters: %d brokers are to vote, and there are %d (replicas)" $voters $replicas) -}}
{{- end -}}
{{- if and (eq $voters 1) (gt $replicas 2) -}}
{{- fail (printf "voters: with one voter of %d brokers the cluster stops with that one; let 3 vote" $replicas) -}}
{{- end -}}

{{- $own := list "node.id" "peers" "internal.listen" "internal.advertise" "listeners" "advertised.listeners" "listener.security.protocol.map" "admin.listen" "log.dirs" "log.dir" "metadata.log.dir" "log.level" "log.format" -}}
{{- range $name, $_ := .Values.config -}}
{{- if has $name $own -}}
{{- fail (printf "config: %s is set by the chart, from values of its own" $name) -}}
{{- end -}}
{{- if kindIs "map" $_ -}}
{{- fail (printf "config: %s is a map; write each setting by its whole name, %s.something: value" $name $name) -}}
{{- end -}}
{{- if hasKey $.Values.dynamicConfig $name -}}
{{- fail (printf "config and dynamicConfig both have %s; the dynamic one would count" $name) -}}
{{- end -}}
{{- end -}}
{{- if and (hasKey .Values.config "broker.rack") (ne .Values.rack.source "none") -}}
{{- fail "config: broker.rack would be the same for all brokers; it is the zone of each one's node, unless rack.source is none" -}}
{{- end -}}
{{- if and (hasKey .Values.config "replica.selector.class") .Values.rack.followerFetching (ne .Values.rack.source "none") -}}
{{- fail "config: replica.selector.class is set by rack.followerFetching" -}}
{{- end -}}

{{- $factor := int (include "holdfast.replicationFactor" .) -}}
{{- if gt $factor $replicas -}}
{{- fail (printf "config: default.replication.factor is %d, and there are %d brokers (replicas)" $factor $replicas) -}}
{{- end -}}
{{- $insync := int (default 1 (get .Values.config "min.insync.replicas")) -}}
{{- if gt $insync $factor -}}
{{- fail (printf "config: min.insync.replicas is %d, and topics have %d replicas (default.replication.factor): nothing could be written" $insync $factor) -}}
{{- end -}}

{{- $ports := dict -}}
{{- range $name, $port := .Values.ports -}}
{{- $key := toString (int $port) -}}
{{- if hasKey $ports $key -}}
{{- fail (printf "ports: %s and %s are both %s" (get $ports $key) $name $key) -}}
{{- end -}}
{{- $_ := set $ports $key $name -}}
{{- end -}}

{{- with .Values.external -}}
{{- if .enabled -}}
{{- if and (eq .type "LoadBalancer") (not .advertisedHost) -}}
{{- fail "external.advertisedHost: clients outside have to be told where each load balancer is, for example kafka-{{ .ordinal }}.example.com" -}}
{{- end -}}
{{- if and (eq .type "NodePort") (gt (add (int .nodePortBase) $replicas) 32768) -}}
{{- fail (printf "external.nodePortBase: broker %d would be at %d, and ports of nodes end at 32767" (sub $replicas 1) (add (int .nodePortBase) (sub $replicas 1))) -}}
{{- end -}}
{{- end -}}
{{- end -}}

{{- if and .Values.metrics.podMonitor.enabled .Values.metrics.serviceMonitor.enabled -}}
{{- fail "metrics: with podMonitor and serviceMonitor both enabled each broker would be counted twice" -}}
{{- end -}}
{{- if and (not .Values.serviceAccount.create) (not .Values.serviceAccount.name) (eq (include "holdfast.rackSource" .) "nodeLookup") -}}
{{- fail "serviceAccount.name: the account that reads the zone of nodes has to be named, or made; or set rack.source to podLabel or none" -}}
{{- end -}}

{{- $topics := dict -}}
{{- range .Values.topics -}}
{{- if hasKey $topics .name -}}
{{- fail (printf "topics: %s is there twice" .name) -}}
{{- end -}}
{{- $_ := set $topics .name true -}}
{{- $own := int (default $factor .replicationFactor) -}}
{{- if gt $own $replicas -}}
{{- fail (printf "topics: %s is to have %d replicas, and there are %d brokers (replicas)" .name $own $replicas) -}}
{{- end -}}
{{- $least := int (default 1 (get (default (dict) .config) "min.insync.replicas")) -}}
{{- if gt $least $own -}}
{{- fail (printf "topics: %s has min.insync.replicas %d and %d replicas: nothing could be written" .name $least $own) -}}
{{- end -}}
{{- end -}}
{{- end -}}
