{{- define "parleyd.name" -}}
{{- if contains "parleyd" .Release.Name -}}
{{- .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- else -}}
{{- printf "%s-parleyd" .Release.Name | trunc 50 | trimSuffix "-" -}}
{{- end -}}
{{- end -}}

{{- define "parleyd.selector" -}}
app.kubernetes.io/name: parleyd
app.kubernetes.io/instance: {{ .Release.Name }}
{{- end -}}

{{- define "parleyd.labels" -}}
{{ include "parleyd.selector" . }}
app.kubernetes.io/version: {{ .Values.image.tag | default .Chart.AppVersion | quote }}
app.kubernetes.io/managed-by: {{ .Release.Service }}
helm.sh/chart: {{ printf "%s-%s" .Chart.Name .Chart.Version }}
{{- end -}}

{{- /* yes where the pods form a cluster by themselves, without a NATS that is there */ -}}
{{- define "parleyd.embedded" -}}
{{- if and (gt (int .Values.replicas) 1) (not (index .Values.config "cluster-nats")) }}yes{{ end -}}
{{- end -}}

{{- define "parleyd.admin" -}}
{{- if has "admin-token" .Values.secret.keys }}yes{{ end -}}
{{- end -}}

{{- /* fails for values that can't work together */ -}}
{{- define "parleyd.check" -}}
{{- if and .Values.secret.keys (not .Values.secret.name) }}{{ fail "secret.keys: name the Secret in secret.name" }}{{ end -}}
{{- if include "parleyd.embedded" . -}}
{{- if eq (int .Values.replicas) 2 }}{{ fail "replicas: of two nodes neither can go on without the other: 1, or 3 and more, or use cluster-nats in config" }}{{ end -}}
{{- if not (has "cluster-secret" .Values.secret.keys) }}{{ fail "replicas: a cluster needs cluster-secret in secret.keys, by which its nodes know each other" }}{{ end -}}
{{- end -}}
{{- if and .Values.serviceMonitor.enabled (not (include "parleyd.admin" .)) }}{{ fail "serviceMonitor: metrics need admin-token in secret.keys" }}{{ end -}}
{{- if hasKey .Values.config "listen" }}{{ fail "config: listen is the chart's: probes and services ask port 8080" }}{{ end -}}
{{- range $name := list "acme-domain" "tls-cert" }}
{{- if hasKey $.Values.config $name }}{{ fail (printf "config: %s is not for pods: name the certificate's Secret in ingress.tlsSecretName, or in tls.secretName for HTTPS in the pods" $name) }}{{ end -}}
{{- end -}}
{{- if and .Values.ingress.enabled (not .Values.ingress.host) }}{{ fail "ingress: name the host in ingress.host" }}{{ end -}}
{{- end -}}

{{- /* the settings: those of the chart, and over them those of config */ -}}
{{- define "parleyd.settings" -}}
{{- $s := dict "listen" (list ":8080") "drain-delay" "5s" "admin-listen" "127.0.0.1:8081" -}}
{{- if include "parleyd.admin" . }}{{ $_ := set $s "admin-listen" ":8081" }}{{ end -}}
{{- range .Values.secret.keys }}{{ $_ := set $s (printf "%s-file" .) (printf "/etc/parley/secret/%s" .) }}{{ end -}}
{{- if .Values.tls.secretName -}}
{{- $_ := set $s "tls-cert" "/etc/parley/tls/tls.crt" }}{{ $_ := set $s "tls-key" "/etc/parley/tls/tls.key" -}}
{{- end -}}
{{- if .Values.ingress.enabled }}{{ $_ := set $s "trusted-proxy" .Values.ingress.trustedProxies }}{{ end -}}
{{- if gt (int .Values.replicas) 1 }}{{ $_ := set $s "cluster-direct-listen" ":6223" }}{{ end -}}
{{- if include "parleyd.embedded" . -}}
{{- $_ := set $s "cluster-listen" ":6222" -}}
{{- $_ := set $s "cluster-peer" (list (printf "%s-nodes:6222" (include "parleyd.name" .))) -}}
{{- $_ := set $s "cluster-dir" "/state/cluster" -}}
{{- if .Values.clusterTLS.secretName -}}
{{- $_ := set $s "cluster-tls-cert" "/etc/parley/cluster-tls/tls.crt" -}}
{{- $_ := set $s "cluster-tls-key" "/etc/parley/cluster-tls/tls.key" -}}
{{- $_ := set $s "cluster-tls-ca" "/etc/parley/cluster-tls/ca.crt" -}}
{{- end -}}
{{- end -}}
{{- range $name, $value := .Values.config }}{{ $_ := set $s $name $value }}{{ end -}}
{{- toYaml $s -}}
{{- end -}}
