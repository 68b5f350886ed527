# A real control plane (etcd, Kubernetes, Tekton, Argo CD) built from Go modules, and the tests against it.
CONTROLPLANE := PYTHONPATH=tests $(RUN)/python -m support
CONTROLPLANE_SUITES := tests/controlplane tests/integration/test_kubernetes_target.py tests/integration/test_kubernetes_contract.py \
  tests/integration/test_tekton_engine.py tests/integration/test_argocd_objects.py tests/integration/test_cluster_registrar_clusters.py \
  tests/contract/test_deployer.py tests/contract/test_pipeline_engine.py

.PHONY: controlplane controlplane-up controlplane-down test-controlplane
controlplane: .venv/ready
	$(CONTROLPLANE).controlplane_build

controlplane-up: .venv/ready
	$(CONTROLPLANE).controlplane_up up

controlplane-down: .venv/ready
	$(CONTROLPLANE).controlplane_up down

# The plugin puts real API servers where the suites otherwise start the small one.
test-controlplane: .venv/ready
	PYTHONPATH=tests $(RUN)/pytest -p support.controlplane_suites $(CONTROLPLANE_SUITES)
