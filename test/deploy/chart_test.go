package deploy

import (
	"fmt"
	"maps"
	"os"
	"os/exec"
	"path/filepath"
	"regexp"
	"slices"
	"strings"
	"testing"

	monitoring "github.com/prometheus-operator/prometheus-operator/pkg/apis/monitoring/v1"
	apps "k8s.io/api/apps/v1"
	core "k8s.io/api/core/v1"
	networking "k8s.io/api/networking/v1"
	policy "k8s.io/api/policy/v1"
	"k8s.io/apimachinery/pkg/util/intstr"
	"k8s.io/apimachinery/pkg/util/validation"
	"sigs.k8s.io/yaml"

	"github.com/parley-rtc/parley/test/internal/certificate"
	"github.com/parley-rtc/parley/test/internal/parleyd"
)

// helm is the command that renders charts.
const helm = "helm.sh/helm/v4/cmd/helm@v4.3.1"

// chart runs helm on the chart with values, in YAML.
func chart(t *testing.T, command, values string) (string, error) {
	t.Helper()
	file := filepath.Join(t.TempDir(), "values.yaml")
	if err := os.WriteFile(file, []byte(values), 0o600); err != nil {
		t.Fatal(err)
	}
	home := t.TempDir()
	args := []string{command, "meet", filepath.Join(folder, "helm"), "--values", file}
	if command == "lint" {
		args = slices.Delete(args, 1, 2)
		args = append(args, "--strict")
	}
	cmd := exec.Command(parleyd.Install(t, helm), args...)
	cmd.Env = append(os.Environ(), "HOME="+home, "HELM_CACHE_HOME="+home, "HELM_CONFIG_HOME="+home, "HELM_DATA_HOME="+home)
	out, err := cmd.CombinedOutput()
	return string(out), err
}

// rendered are the objects that the chart makes.
type rendered struct {
	set      *apps.StatefulSet
	services map[string]*core.Service
	config   *core.ConfigMap
	budget   *policy.PodDisruptionBudget // nil: none
	ingress  *networking.Ingress         // nil: none
	monitor  *monitoring.ServiceMonitor  // nil: none
}

// render renders the chart. A field that Kubernetes does not know is an error.
func render(t *testing.T, values string) *rendered {
	t.Helper()
	text, err := chart(t, "template", values)
	if err != nil {
		t.Fatal(text)
	}
	r := &rendered{services: map[string]*core.Service{}}
	for document := range strings.SplitSeq(text, "\n---\n") {
		var is struct{ APIVersion, Kind string }
		if err := yaml.Unmarshal([]byte(document), &is); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		var service *core.Service
		var into any
		switch is.APIVersion + " " + is.Kind {
		case "apps/v1 StatefulSet":
			r.set = new(apps.StatefulSet)
			into = r.set
		case "v1 Service":
			service = new(core.Service)
			into = service
		case "v1 ConfigMap":
			r.config = new(core.ConfigMap)
			into = r.config
		case "policy/v1 PodDisruptionBudget":
			r.budget = new(policy.PodDisruptionBudget)
			into = r.budget
		case "networking.k8s.io/v1 Ingress":
			r.ingress = new(networking.Ingress)
			into = r.ingress
		case "monitoring.coreos.com/v1 ServiceMonitor":
			r.monitor = new(monitoring.ServiceMonitor)
			into = r.monitor
		default:
			t.Fatalf("what is %+v?\n%s", is, document)
		}
		if err := yaml.UnmarshalStrict([]byte(document), into); err != nil {
			t.Fatalf("%v\n%s", err, document)
		}
		if service != nil {
			r.services[service.Name] = service
		}
	}
	return r
}

// fits checks that what the objects say of each other is true.
func (r *rendered) fits(t *testing.T) {
	t.Helper()
	pod := r.set.Spec.Template
	container := pod.Spec.Containers[0]
	ports := map[string]bool{}
	for _, p := range container.Ports {
		ports[p.Name] = true
	}
	selects := func(what string, selector map[string]string, labels map[string]string) {
		t.Helper()
		for key, value := range selector {
			if labels[key] != value {
				t.Errorf("%s selects by %s=%s: the labels are %v", what, key, value, labels)
			}
		}
		if len(selector) == 0 {
			t.Errorf("%s selects everything", what)
		}
	}
	selects("the set", r.set.Spec.Selector.MatchLabels, pod.Labels)
	for name, s := range r.services {
		selects(name, s.Spec.Selector, pod.Labels)
		for _, p := range s.Spec.Ports {
			if !ports[p.TargetPort.String()] {
				t.Errorf("%s: the pods have no port %v", name, p.TargetPort)
			}
		}
		if faults := validation.IsDNS1035Label(name); len(faults) > 0 {
			t.Errorf("%s is no name for a service: %v", name, faults)
		}
	}
	if headless := r.services[r.set.Spec.ServiceName]; headless == nil || headless.Spec.ClusterIP != core.ClusterIPNone || !headless.Spec.PublishNotReadyAddresses {
		t.Errorf("the pods' names are in %+v", headless)
	}
	for _, probe := range []*core.Probe{container.LivenessProbe, container.ReadinessProbe} {
		if !ports[probe.HTTPGet.Port.String()] {
			t.Errorf("a probe asks %v", probe.HTTPGet)
		}
	}
	volumes := map[string]bool{}
	for _, v := range pod.Spec.Volumes {
		volumes[v.Name] = true
		if v.Name == "settings" && v.ConfigMap.Name != r.config.Name {
			t.Errorf("the settings are in %s", v.ConfigMap.Name)
		}
	}
	for _, v := range r.set.Spec.VolumeClaimTemplates {
		volumes[v.Name] = true
	}
	for _, m := range container.VolumeMounts {
		if !volumes[m.Name] {
			t.Errorf("there is no volume %s", m.Name)
		}
	}
	if r.budget != nil {
		selects("the budget", r.budget.Spec.Selector.MatchLabels, pod.Labels)
	}
	if r.ingress != nil {
		backend := r.ingress.Spec.Rules[0].HTTP.Paths[0].Backend.Service
		if s := r.services[backend.Name]; s == nil || s.Spec.Ports[0].Name != backend.Port.Name {
			t.Errorf("the ingress leads to %+v", backend)
		}
	}
	if r.monitor != nil {
		headless := r.services[r.set.Spec.ServiceName]
		selects("the monitor", r.monitor.Spec.Selector.MatchLabels, headless.Labels)
		if port := r.monitor.Spec.Endpoints[0].Port; !slices.ContainsFunc(headless.Spec.Ports, func(p core.ServicePort) bool { return p.Name == port }) {
			t.Errorf("the monitor asks port %s", port)
		}
	}
	// A pod's environment has the addresses of services otherwise, under names that may be
	// taken for settings.
	if links := pod.Spec.EnableServiceLinks; links == nil || *links {
		t.Error("the pods get variables of services")
	}
}

// settings returns what the pods start with, where this machine has the files, and
// checks that parleyd takes it.
func (r *rendered) settings(t *testing.T) string {
	t.Helper()
	root := t.TempDir()
	text := r.config.Data["parley.yaml"]
	inPod := regexp.MustCompile(`/(etc/parley|state)/[a-z0-9/._-]*`)
	for _, path := range inPod.FindAllString(text, -1) {
		file := filepath.Join(root, path)
		if err := os.MkdirAll(filepath.Dir(file), 0o700); err != nil {
			t.Fatal(err)
		}
		var content []byte
		switch filepath.Base(path) {
		case "tls.crt", "tls.key", "ca.crt":
			pair := certificate.New(t, filepath.Dir(file))
			from := map[string]string{"tls.crt": pair.CertFile, "tls.key": pair.KeyFile, "ca.crt": pair.CertFile}[filepath.Base(path)]
			if filepath.Base(path) == "tls.key" {
				move(t, pair.CertFile, filepath.Join(filepath.Dir(file), "tls.crt"))
			}
			move(t, from, file)
			continue
		case "webhook-secret":
			content = []byte("whsec_MfKQ9r8GKYqrTwjUPD8ILPZIo2LaLaSwMfKQ9r8GKYo=\n")
		default:
			content = []byte("abcdefghijklmnopqrstuvwxyzabcdefghijklmnopqrstuvwxyz\n")
		}
		if err := os.WriteFile(file, content, 0o600); err != nil {
			t.Fatal(err)
		}
	}
	here := inPod.ReplaceAllStringFunc(text, func(path string) string { return filepath.Join(root, path) })
	file := filepath.Join(root, "parley.yaml")
	if err := os.WriteFile(file, []byte(here), 0o600); err != nil {
		t.Fatal(err)
	}
	check := parleyd.Command("check", file)
	check.Env = append(os.Environ(), "PARLEY_NODE="+r.set.Name+"-0", "STATE_DIRECTORY="+root)
	if out, err := check.CombinedOutput(); err != nil {
		t.Errorf("parleyd does not take its settings: %s\n%s", out, text)
	}
	return text
}

func move(t *testing.T, from, to string) {
	t.Helper()
	if err := os.Rename(from, to); err != nil && !os.IsNotExist(err) {
		t.Fatal(err)
	}
}

const (
	aCluster  = "replicas: 3\nsecret: {name: parley, keys: [cluster-secret]}\n"
	anIngress = "ingress: {enabled: true, className: nginx, host: meet.example.org, tlsSecretName: meet-tls}\n"
)

// All that the chart makes, with whatever values, is what Kubernetes knows, fits together,
// and has settings that parleyd takes.
func TestChart(t *testing.T) {
	for name, values := range map[string]string{
		"single":  "",
		"cluster": aCluster,
		"a single one with everything": anIngress + `
secret: {name: parley, keys: [admin-token, auth-secret, turn-secret, webhook-secret]}
config:
  rate-bytes: 2097152
  turn-rate: 16000000
  rooms: {board: {max-members: 8}, "007": {max-members: 2}}
  event-webhook: https://app.example.org/events
  turn-public-ip: [203.0.113.7]
  drain-timeout: 20s
tls: {secretName: page-tls}
hostNetwork: true
persistence: {enabled: false}
serviceMonitor: {enabled: true, labels: {release: prometheus}}
service: {type: LoadBalancer, port: 8443, annotations: {a: b}}
image: {repository: registry.example.org/parleyd, tag: "1.0", pullSecrets: [registry]}
env: [{name: GOMEMLIMIT, value: 400MiB}]
nodeSelector: {kubernetes.io/arch: amd64}
tolerations: [{key: k, operator: Exists}]
affinity: {nodeAffinity: {}}
podAnnotations: {c: d}
volumes: [{name: more, configMap: {name: more}}]
volumeMounts: [{name: more, mountPath: /more}]
`,
		"a cluster with everything": anIngress + `
replicas: 5
secret: {name: parley, keys: [cluster-secret, admin-token, auth-secret]}
clusterTLS: {secretName: nodes-tls}
persistence: {size: 2Gi, storageClassName: fast}
serviceMonitor: {enabled: true}
resources: {limits: {memory: 512Mi}}
`,
		"a cluster on NATS": "replicas: 2\nconfig: {cluster-nats: [\"nats://nats:4222\"]}\n",
	} {
		t.Run(name, func(t *testing.T) {
			r := render(t, values)
			r.fits(t)
			r.settings(t)
			if text, err := chart(t, "lint", values); err != nil {
				t.Error(text)
			}
			spec := r.set.Spec.Template.Spec
			security := spec.Containers[0].SecurityContext
			if !*spec.SecurityContext.RunAsNonRoot || !*security.ReadOnlyRootFilesystem || *security.AllowPrivilegeEscalation ||
				!slices.Equal(security.Capabilities.Drop, []core.Capability{"ALL"}) || *spec.AutomountServiceAccountToken {
				t.Errorf("the pods may do more than they need: %+v, %+v", spec.SecurityContext, security)
			}
		})
	}
}

// Nodes of a cluster start together, find each other by the name of all pods, and are taken
// away one at a time; each keeps its state. A single daemon needs none of that.
func TestChartForms(t *testing.T) {
	one, many := render(t, ""), render(t, aCluster)
	if one.budget != nil || strings.Contains(one.settings(t), "cluster") {
		t.Error("a single daemon is taken for a node")
	}
	settings := many.settings(t)
	peer := fmt.Sprintf("cluster-peer:\n- %s:6222\n", many.set.Spec.ServiceName)
	for _, want := range []string{peer, "cluster-listen: :6222\n", "cluster-direct-listen: :6223\n", "cluster-dir: /state/cluster\n", "drain-delay: 5s\n"} {
		if !strings.Contains(settings, want) {
			t.Errorf("the settings have no %q:\n%s", want, settings)
		}
	}
	if many.set.Spec.PodManagementPolicy != apps.ParallelPodManagement || len(many.set.Spec.VolumeClaimTemplates) != 1 {
		t.Errorf("the set is %+v", many.set.Spec)
	}
	if many.budget == nil || *many.budget.Spec.MaxUnavailable != intstr.FromInt32(1) {
		t.Errorf("the budget is %+v", many.budget)
	}
	name := many.set.Spec.Template.Spec.Containers[0].Env[0]
	if name.Name != "PARLEY_NODE" || name.ValueFrom.FieldRef.FieldPath != "metadata.name" {
		t.Errorf("a node is named by %+v", name)
	}
}

// An ingress leads the page's host there, believes no address but those of proxies that are
// named, and brings a room to one node if it is asked to.
func TestChartIngress(t *testing.T) {
	r := render(t, aCluster+strings.Replace(anIngress, "enabled: true", "enabled: true, hashByRoom: true, trustedProxies: [10.1.0.0/16], annotations: {a: b}", 1))
	if rule := r.ingress.Spec.Rules[0]; rule.Host != "meet.example.org" || rule.HTTP.Paths[0].Path != "/" || r.ingress.Spec.TLS[0].SecretName != "meet-tls" {
		t.Errorf("the ingress is %+v", r.ingress.Spec)
	}
	want := map[string]string{
		"a": "b", "nginx.ingress.kubernetes.io/upstream-hash-by": "$arg_room",
		"haproxy.org/load-balance": "url_param room", "haproxy-ingress.github.io/balance-algorithm": "url_param room",
	}
	if !maps.Equal(r.ingress.Annotations, want) {
		t.Errorf("its annotations are %v", r.ingress.Annotations)
	}
	if s := r.settings(t); !strings.Contains(s, "trusted-proxy:\n- 10.1.0.0/16\n") {
		t.Errorf("the settings are %s", s)
	}
	below := render(t, anIngress+"config: {base-path: /parley, trusted-proxy: []}")
	if path := below.ingress.Spec.Rules[0].HTTP.Paths[0].Path; path != "/parley" {
		t.Errorf("the ingress is for %s", path)
	}
	if s := below.settings(t); !strings.Contains(s, "trusted-proxy: []\n") {
		t.Errorf("config does not win over the chart: %s", s)
	}
}

// New settings restart the pods, others do not.
func TestChartRestarts(t *testing.T) {
	of := func(values string) string {
		return render(t, values).set.Spec.Template.Annotations["checksum/settings"]
	}
	first := of("")
	if of("config: {rate: 100}") == first {
		t.Error("pods would run on with old settings")
	}
	if of("serviceMonitor: {interval: 30s}") != first {
		t.Error("pods would be restarted for nothing")
	}
}

// Values that can't work are refused, with a reason.
func TestChartRefuses(t *testing.T) {
	for values, want := range map[string]string{
		"replicas: 2\nsecret: {name: parley, keys: [cluster-secret]}": "of two nodes neither can go on",
		"replicas: 3":                         "cluster-secret",
		"replicas: 0":                         "replicas",
		"secret: {keys: [admin-token]}":       "secret.name",
		"secret: {name: x, keys: [password]}": "must be one of",
		"serviceMonitor: {enabled: true}":     "admin-token",
		"ingress: {enabled: true}":            "ingress.host",
		"replica: 3":                          "replica",
		"config: {listen: [\":80\"]}":         "listen",
		"config: {acme-domain: [a.example.org], turn-public-ip: [auto]}": "tls.secretName",
		"config: {tls-cert: /x, tls-key: /y}":                            "tls.secretName",
		"config:\n#  max-rooms: 5":                                       "missing property 'config'",
		"secret:":                                                        "missing property 'secret'",
	} {
		if text, err := chart(t, "template", values); err == nil || !strings.Contains(text, want) {
			t.Errorf("%q: %v %s", values, err, text)
		}
	}
}

// The values in the deployment guide are ones that work.
func TestChartInTheGuide(t *testing.T) {
	guide, err := os.ReadFile(filepath.Join(folder, "README.md"))
	if err != nil {
		t.Fatal(err)
	}
	blocks := regexp.MustCompile("(?s)```yaml values\n(.*?)```").FindAllStringSubmatch(string(guide), -1)
	if len(blocks) == 0 {
		t.Fatal("the guide has no values")
	}
	for _, block := range blocks {
		r := render(t, block[1])
		r.fits(t)
		r.settings(t)
	}
}
