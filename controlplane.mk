# A real control plane (etcd, Kubernetes, Tekton, Argo CD) built from Go modules, and the tests against it.
SUPPORT := PYTHONPATH=tests $(RUN)/python -m support
CONTROLPLANE_SUITES := tests/controlplane tests/integration/test_kubernetes_target.py tests/integration/test_kubernetes_contract.py \
  tests/integration/test_tekton_engine.py tests/integration/test_argocd_objects.py tests/integration/test_cluster_registrar_clusters.py \
  tests/contract/test_deployer.py tests/contract/test_pipeline_engine.py tests/conformance

.PHONY: demo-real controlplane controlplane-up controlplane-down test-controlplane
controlplane: .venv/ready
	$(SUPPORT).controlplane_build

controlplane-up: .venv/ready
	$(SUPPORT).controlplane_whole up

controlplane-down: .venv/ready
	$(SUPPORT).controlplane_whole down

# The demo with real clusters, and what they say of it themselves; they are stopped whatever becomes of it.
RUNNING := tests/controlplane/.cache/running
KUBECTL := $(RUN)/kubectl
demo-real: controlplane controlplane-up
	$(RUN)/nautes demo $(foreach name,management build-east run-east,--cluster $(name)=$(RUNNING)/$(name).yaml); code=$$?; \
	  $(KUBECTL) --kubeconfig $(RUNNING)/build-east.yaml get pipelineruns,taskruns,pods --all-namespaces; \
	  $(KUBECTL) --kubeconfig $(RUNNING)/management.yaml get applications --all-namespaces; \
	  $(MAKE) --no-print-directory controlplane-down; exit $$code

# The plugin puts real API servers where the suites otherwise start the small one. A socket that the collector finds is
# told but fails nobody: it was another test's, of a server that is gone. Leaks fail in `make test`, by the same suites.
test-controlplane: .venv/ready
	PYTHONPATH=tests $(RUN)/pytest --timeout 300 -W default::pytest.PytestUnraisableExceptionWarning -p support.controlplane_suites $(CONTROLPLANE_SUITES)
