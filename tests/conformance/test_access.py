import base64
import json
import time

import pytest

from conformance.cluster import PATIENCE, configmap

RBAC = "rbac.authorization.k8s.io"


def decoded(token):
    part = token.split(".")[1]
    return json.loads(base64.urlsafe_b64decode(part + "=" * (-len(part) % 4)))


def reader(verbs=("get", "list"), resources=("configmaps",), **more):
    rule = {"apiGroups": [""], "resources": list(resources), "verbs": list(verbs), **more}
    return {"apiVersion": f"{RBAC}/v1", "kind": "Role", "metadata": {"name": "reader"}, "rules": [rule]}


def binding(*subjects, kind="Role", role="reader", name="reader"):
    return {
        "apiVersion": f"{RBAC}/v1",
        "kind": "RoleBinding",
        "metadata": {"name": name},
        "roleRef": {"apiGroup": RBAC, "kind": kind, "name": role},
        "subjects": list(subjects),
    }


def account(namespace, name="robot"):
    return {"kind": "ServiceAccount", "name": name, "namespace": namespace}


@pytest.fixture
def robot(cluster, namespace):
    """A client as a ServiceAccount that may do nothing yet."""
    cluster.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "robot"}})
    with cluster.client(cluster.token_of(namespace, "robot")) as http:
        yield http


def grant(cluster, namespace, role, *subjects):
    path = f"/apis/{RBAC}/v1/namespaces/{namespace}"
    cluster.create(f"{path}/roles", role)
    cluster.create(f"{path}/rolebindings", binding(*subjects))
    # A real server's authorizer watches roles and bindings: it knows them a moment later.
    who = subjects[0]
    name = f"system:serviceaccount:{namespace}:{who['name']}" if who["kind"] == "ServiceAccount" else "ada"
    groups = {} if who["kind"] == "ServiceAccount" else {"Impersonate-Group": who["name"]}
    rule = role["rules"][0]
    asked = {"namespace": namespace, "verb": rule["verbs"][0], "resource": rule["resources"][0]}
    asked["name"] = rule.get("resourceNames", [""])[0]
    with cluster.client(cluster.token, **{"Impersonate-User": name, **groups}) as masked:
        deadline = time.monotonic() + PATIENCE
        while not may(masked, **asked):
            assert time.monotonic() < deadline, asked


def test_nobody_comes_in_with_a_wrong_token(cluster):
    for token in ("wrong", "a.b.c", "ä"):
        with cluster.client("") as http:
            answer = http.get("/api/v1/namespaces", headers={"Authorization": f"Bearer {token}".encode()})
        assert (answer.status_code, answer.json()["reason"]) == (401, "Unauthorized")


def test_a_token_of_another_server_is_wrong(cluster, namespace, robot):
    head, body, signature = robot.headers["Authorization"].removeprefix("Bearer ").split(".")
    forged = f"{head}.{body}.{signature[::-1]}"
    with cluster.client(forged) as http:
        assert http.get(f"/api/v1/namespaces/{namespace}/configmaps").status_code == 401


def test_an_account_may_do_what_its_roles_say_and_no_more(cluster, namespace, robot):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    refused = robot.get(f"{path}/one")
    assert refused.status_code == 403
    assert refused.json()["message"] == (
        f'configmaps "one" is forbidden: User "system:serviceaccount:{namespace}:robot" cannot get resource '
        f'"configmaps" in API group "" in the namespace "{namespace}"'
    )
    cluster.create(path, configmap("one"))
    grant(cluster, namespace, reader(), account(namespace))
    assert robot.get(f"{path}/one").status_code == 200
    assert robot.delete(f"{path}/one").status_code == 403
    assert robot.get("/api/v1/configmaps").status_code == 403
    assert robot.get("/api/v1/namespaces/default/configmaps").status_code == 403
    cluster.http.delete(f"/apis/{RBAC}/v1/namespaces/{namespace}/rolebindings/reader")
    cluster.eventually(f"{path}/one", lambda answer: answer.status_code == 403, robot)


def test_a_role_can_name_its_objects(cluster, namespace, robot):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    for name in ("mine", "yours"):
        cluster.create(path, configmap(name))
    grant(cluster, namespace, reader(("get",), resourceNames=["mine"]), account(namespace))
    assert robot.get(f"{path}/mine").status_code == 200
    assert robot.get(f"{path}/yours").status_code == 403
    assert robot.get(path).status_code == 403


def test_everybody_authenticated_may_look_what_there_is(robot):
    for path in ("/version", "/api", "/apis", "/api/v1", "/openapi/v3"):
        assert robot.get(path).status_code == 200
    assert robot.get("/metrics").status_code == 403


def test_a_deleted_account_is_nobody(cluster, namespace, robot):
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/robot"
    assert robot.get("/version").status_code == 200
    cluster.http.delete(path)
    # A server may go on believing a token for the ten seconds that it remembers it.
    cluster.eventually("/version", lambda answer: answer.status_code == 401, robot)
    cluster.create(f"/api/v1/namespaces/{namespace}/serviceaccounts", {"metadata": {"name": "robot"}})
    assert robot.get("/version").status_code == 401


@pytest.mark.usefixtures("robot")
def test_a_token_says_for_whom_and_how_long(cluster, namespace):
    token = cluster.token_of(namespace, "robot", audiences=["vault", "other"], expirationSeconds=900)
    claims = decoded(token)
    assert claims["aud"] == ["vault", "other"]
    assert claims["sub"] == f"system:serviceaccount:{namespace}:robot"
    assert claims["kubernetes.io"]["namespace"] == namespace
    assert claims["exp"] - claims["iat"] == 900
    assert abs(claims["iat"] - time.time()) < 60
    with cluster.client(token) as http:
        assert http.get("/version").status_code == 401


@pytest.mark.usefixtures("robot")
def test_a_token_of_less_than_ten_minutes_is_not_made(cluster, namespace):
    path = f"/api/v1/namespaces/{namespace}/serviceaccounts/robot/token"
    answer = cluster.http.post(path, json={"spec": {"expirationSeconds": 599}})
    assert answer.status_code == 422
    assert answer.json()["details"]["causes"][0]["field"] == "spec.expirationSeconds"
    assert cluster.http.post(path.replace("robot", "nobody"), json={"spec": {}}).status_code == 404


def review(http, token, *audiences):
    spec = {"token": token, **({"audiences": list(audiences)} if audiences else {})}
    answer = http.post("/apis/authentication.k8s.io/v1/tokenreviews", json={"spec": spec})
    assert answer.status_code == 201
    return answer.json()["status"]


@pytest.mark.usefixtures("robot")
def test_a_token_review_knows_accounts_and_audiences(cluster, namespace):
    token = cluster.token_of(namespace, "robot", audiences=["vault"])
    status = review(cluster.http, token, "vault", "elsewhere")
    assert status["authenticated"] is True
    assert status["audiences"] == ["vault"]
    assert status["user"]["username"] == f"system:serviceaccount:{namespace}:robot"
    assert f"system:serviceaccounts:{namespace}" in status["user"]["groups"]
    assert not review(cluster.http, token).get("authenticated")
    assert not review(cluster.http, "nonsense", "vault").get("authenticated")


def test_the_delegator_role_lets_one_review_tokens(cluster, namespace, robot):
    body = {"spec": {"token": "any"}}
    path = "/apis/authentication.k8s.io/v1/tokenreviews"
    assert robot.post(path, json=body).status_code == 403
    bindings = f"/apis/{RBAC}/v1/clusterrolebindings"
    made = binding(account(namespace), kind="ClusterRole", role="system:auth-delegator", name=namespace)
    cluster.create(bindings, {**made, "kind": "ClusterRoleBinding"})
    deadline = time.monotonic() + PATIENCE
    try:
        while (answer := robot.post(path, json=body)).status_code != 201:
            assert time.monotonic() < deadline, answer.text
    finally:
        cluster.http.delete(f"{bindings}/{namespace}")


def may(http, **attributes):
    body = {"spec": {"resourceAttributes": attributes}}
    answer = http.post("/apis/authorization.k8s.io/v1/selfsubjectaccessreviews", json=body)
    assert answer.status_code == 201
    return answer.json()["status"]["allowed"]


def test_one_can_ask_what_one_may(cluster, namespace, robot):
    asked = {"verb": "list", "resource": "configmaps", "namespace": namespace}
    assert may(robot, **asked) is False
    grant(cluster, namespace, reader(), account(namespace))
    assert may(robot, **asked) is True
    assert may(robot, **{**asked, "verb": "delete"}) is False


@pytest.mark.usefixtures("robot")
def test_who_may_impersonate_acts_as_another(cluster, namespace):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    name = f"system:serviceaccount:{namespace}:robot"
    with cluster.client(cluster.token, **{"Impersonate-User": name}) as masked:
        assert masked.post(path, json=configmap("one")).status_code == 403
        grant(cluster, namespace, reader(("create",)), account(namespace))
        assert masked.post(path, json=configmap("one")).status_code == 201


def test_who_may_not_impersonate_stays_outside(namespace, robot):
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    answer = robot.get(path, headers={"Impersonate-User": f"system:serviceaccount:{namespace}:default"})
    assert answer.status_code == 403
    assert "cannot impersonate" in answer.json()["message"]
    assert (
        robot.get(
            path, headers={"Impersonate-User": "admin", "Impersonate-Group": "system:masters"}
        ).status_code
        == 403
    )


def test_a_group_is_impersonated_with_its_user(cluster, namespace):
    grant(cluster, namespace, reader(), {"kind": "Group", "name": "conf:readers", "apiGroup": RBAC})
    path = f"/api/v1/namespaces/{namespace}/configmaps"
    with cluster.client(
        cluster.token, **{"Impersonate-User": "ada", "Impersonate-Group": "conf:readers"}
    ) as masked:
        assert masked.get(path).status_code == 200
    with cluster.client(cluster.token, **{"Impersonate-User": "ada"}) as masked:
        assert masked.get(path).status_code == 403


def test_nobody_grants_what_he_does_not_hold(cluster, namespace, robot):
    roles = f"/apis/{RBAC}/v1/namespaces/{namespace}/roles"
    rights = reader(("get", "create", "update", "patch"))
    rights["rules"].append(
        {"apiGroups": [RBAC], "resources": ["roles", "rolebindings"], "verbs": ["create", "patch", "get"]}
    )
    grant(cluster, namespace, rights, account(namespace))
    held = reader(("get",))
    held["metadata"]["name"] = "held"
    assert robot.post(roles, json=held).status_code == 201
    more = reader(("get", "delete"), ("configmaps", "secrets"))
    more["metadata"]["name"] = "more"
    refused = robot.post(roles, json=more)
    assert refused.status_code == 403
    assert "is attempting to grant RBAC permissions not currently held" in refused.json()["message"]
    assert "secrets" in refused.json()["message"]
    widened = robot.patch(
        f"{roles}/held",
        json={"rules": more["rules"]},
        headers={"Content-Type": "application/merge-patch+json"},
    )
    assert widened.status_code == 403
    bindings = roles.replace("/roles", "/rolebindings")
    mine = binding(account(namespace), kind="ClusterRole", role="cluster-admin", name="mine")
    assert robot.post(bindings, json=mine).status_code == 403
    assert robot.post(bindings, json=binding(account(namespace), role="held", name="fine")).status_code == 201


@pytest.mark.usefixtures("robot")
def test_tokens_can_be_checked_with_the_published_keys(cluster, namespace):
    jwt = pytest.importorskip("jwt")
    published = cluster.get("/openid/v1/jwks")
    keys = {one["kid"]: jwt.PyJWK(one) for one in published["keys"]}
    token = cluster.token_of(namespace, "robot", audiences=["vault"])
    key = keys[jwt.get_unverified_header(token)["kid"]]
    issuer = cluster.get("/.well-known/openid-configuration")["issuer"]
    claims = jwt.decode(token, key, algorithms=["RS256"], audience="vault", issuer=issuer)
    assert claims["sub"].endswith(":robot")
