{{- define "holdfast.affinity" -}}
{{- if .Values.affinity -}}
affinity:
  {{- toYaml .Values.affinity | nindent 2 }}
{{- else if eq .Values.antiAffinity "required" -}}
affinity:
  podAntiAffinity:
    requiredDuringSchedulingIgnoredDuringExecution:
      - topologyKey: kubernetes.io/hostname
        labelSelector:
          matchLabels:
            {{- include "holdfast.brokerLabels" . | nindent 12 }}
{{- else if eq .Values.antiAffinity "preferred" -}}
affinity:
  podAntiAffinity:
    preferredDuringSchedulingIgnoredDuringExecution:
      - weight: 100
        podAffinityTerm:
          topologyKey: kubernetes.io/hostname
          labelSelector:
            matchLabels:
              {{- include "holdfast.brokerLabels" . | nindent 14 }}
{{- end -}}
{{- end -}}

{{- define "holdfast.spread" -}}
{{- if or .Values.spreadZones .Values.topologySpreadConstraints -}}
topologySpreadConstraints:
{{- if .Values.spreadZones }}
  - maxSkew: 1
    topologyKey: {{ .Values.rack.label }}
    whenUnsatisfiable: ScheduleAnyway
    labelSelector:
      matchLabels:
        {{- include "holdfast.brokerLabels" . | nindent 8 }}
{{- end }}
{{- with .Values.topologySpreadConstraints }}
  {{- toYaml . | nindent 2 }}
{{- end }}
{{- end -}}
{{- end -}}
