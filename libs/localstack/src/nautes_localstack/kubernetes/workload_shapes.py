"""Shapes of pods and of what makes pods. Pure data.

Lists and their keys are those of the published OpenAPI (`x-kubernetes-list-map-keys`). What is deeper than
anything looks here (probes, affinities, sources of volumes) takes any field.
"""

from typing import Final

from nautes_localstack.kubernetes.shapes import (
    ANY,
    ATOM_LIST,
    ATOM_MAP,
    METADATA,
    SCALAR,
    Shape,
    atom,
    keyed,
    pointer,
    struct,
    whole,
)

REFERENCE: Final = atom(struct("apiVersion kind name namespace uid fieldPath resourceVersion"))
LOCAL_REFERENCES: Final = keyed(atom(struct("name")), "name")
CONDITIONS: Final = keyed(
    struct("type status reason message observedGeneration lastTransitionTime lastProbeTime lastUpdateTime"),
    "type",
)
QUANTITIES: Final = Shape("map", element=SCALAR)

_CONTAINER: Final = struct(
    "name image imagePullPolicy workingDir restartPolicy stdin stdinOnce tty terminationMessagePath "
    "terminationMessagePolicy",
    command=ATOM_LIST,
    args=ATOM_LIST,
    env=keyed(struct("name value", valueFrom=pointer(ANY)), "name"),
    envFrom=ATOM_LIST,
    ports=keyed(
        struct("name containerPort hostPort hostIP protocol"), "containerPort", "protocol", protocol="TCP"
    ),
    resources=struct(limits=QUANTITIES, requests=QUANTITIES, claims=keyed(struct("name request"), "name")),
    volumeMounts=keyed(
        struct("name mountPath subPath subPathExpr readOnly recursiveReadOnly mountPropagation"), "mountPath"
    ),
    volumeDevices=keyed(struct("name devicePath"), "devicePath"),
    livenessProbe=ANY,
    readinessProbe=ANY,
    startupProbe=ANY,
    lifecycle=ANY,
    securityContext=ANY,
    resizePolicy=ATOM_LIST,
    restartPolicyRules=ATOM_LIST,
    targetContainerName=SCALAR,
)
_CONTAINERS: Final = keyed(_CONTAINER, "name")
# The source of a volume is one of thirty structures.
_VOLUME: Final = Shape("map", {"name": SCALAR}, ANY)

POD_SPEC: Final = struct(
    "activeDeadlineSeconds automountServiceAccountToken dnsPolicy enableServiceLinks hostIPC hostNetwork hostPID "
    "hostUsers hostname hostnameOverride nodeName preemptionPolicy priority priorityClassName restartPolicy "
    "runtimeClassName schedulerName serviceAccount serviceAccountName setHostnameAsFQDN shareProcessNamespace "
    "subdomain terminationGracePeriodSeconds",
    containers=_CONTAINERS,
    initContainers=_CONTAINERS,
    ephemeralContainers=_CONTAINERS,
    volumes=keyed(_VOLUME, "name"),
    imagePullSecrets=LOCAL_REFERENCES,
    nodeSelector=ATOM_MAP,
    affinity=ANY,
    dnsConfig=ANY,
    hostAliases=keyed(struct("ip", hostnames=ATOM_LIST), "ip"),
    os=ANY,
    overhead=QUANTITIES,
    readinessGates=ATOM_LIST,
    resourceClaims=keyed(struct("name resourceClaimName resourceClaimTemplateName"), "name"),
    resources=ANY,
    schedulingGates=keyed(struct("name"), "name"),
    securityContext=ANY,
    tolerations=ATOM_LIST,
    topologySpreadConstraints=keyed(
        struct(
            "topologyKey whenUnsatisfiable maxSkew minDomains nodeAffinityPolicy nodeTaintsPolicy",
            labelSelector=ATOM_MAP,
            matchLabelKeys=ATOM_LIST,
        ),
        "topologyKey",
        "whenUnsatisfiable",
    ),
)
_TEMPLATE: Final = struct(metadata=METADATA, spec=POD_SPEC)

POD: Final = whole(spec=POD_SPEC, status=ANY)
DEPLOYMENT: Final = whole(
    spec=struct(
        "replicas minReadySeconds revisionHistoryLimit paused progressDeadlineSeconds",
        selector=ATOM_MAP,
        template=_TEMPLATE,
        strategy=struct("type", rollingUpdate=pointer(struct("maxSurge maxUnavailable"))),
    ),
    status=ANY,
)
STATEFUL_SET: Final = whole(
    spec=struct(
        "replicas minReadySeconds revisionHistoryLimit podManagementPolicy serviceName",
        selector=ATOM_MAP,
        template=_TEMPLATE,
        updateStrategy=ANY,
        volumeClaimTemplates=ATOM_LIST,
        persistentVolumeClaimRetentionPolicy=ANY,
        ordinals=ANY,
    ),
    status=ANY,
)
DAEMON_SET: Final = whole(
    spec=struct(
        "minReadySeconds revisionHistoryLimit", selector=ATOM_MAP, template=_TEMPLATE, updateStrategy=ANY
    ),
    status=ANY,
)
REPLICA_SET: Final = whole(
    spec=struct("replicas minReadySeconds", selector=ATOM_MAP, template=_TEMPLATE), status=ANY
)
_JOB_SPEC: Final = struct(
    "activeDeadlineSeconds backoffLimit backoffLimitPerIndex completionMode completions managedBy manualSelector "
    "maxFailedIndexes parallelism podReplacementPolicy suspend ttlSecondsAfterFinished",
    selector=ATOM_MAP,
    template=_TEMPLATE,
    podFailurePolicy=ANY,
    successPolicy=ANY,
)
JOB: Final = whole(spec=_JOB_SPEC, status=ANY)
CRON_JOB: Final = whole(
    spec=struct(
        "schedule timeZone concurrencyPolicy failedJobsHistoryLimit startingDeadlineSeconds "
        "successfulJobsHistoryLimit suspend",
        jobTemplate=struct(metadata=METADATA, spec=_JOB_SPEC),
    ),
    status=ANY,
)
SERVICE: Final = whole(
    spec=struct(
        "allocateLoadBalancerNodePorts clusterIP externalName externalTrafficPolicy healthCheckNodePort "
        "internalTrafficPolicy ipFamilyPolicy loadBalancerClass loadBalancerIP publishNotReadyAddresses "
        "sessionAffinity trafficDistribution type",
        ports=keyed(
            struct("name port protocol targetPort nodePort appProtocol"), "port", "protocol", protocol="TCP"
        ),
        selector=ATOM_MAP,
        clusterIPs=ATOM_LIST,
        externalIPs=ATOM_LIST,
        ipFamilies=ATOM_LIST,
        loadBalancerSourceRanges=ATOM_LIST,
        sessionAffinityConfig=ANY,
    ),
    status=ANY,
)
