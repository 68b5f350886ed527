import pytest
from hypothesis import given
from hypothesis import strategies as st

from nautes_localstack.kubernetes import rbac
from nautes_localstack.kubernetes.rbac import Access, User

ADA = User("ada", groups=("staff",))
ROBOT = User("system:serviceaccount:shop:robot")


def grants(*bindings, **roles):
    """Roles are named `namespace__name` or `name` for cluster roles."""
    parsed = {}
    for name, rules in roles.items():
        namespace, _, rest = name.rpartition("__")
        parsed[namespace, rest] = {"rules": rules}
    return rbac.grants(parsed, bindings)


def rule(verbs, resources=(), groups=("",), **more):
    return {"verbs": list(verbs), "resources": list(resources), "apiGroups": list(groups), **more}


def bind(namespace, role, *subjects, kind="ClusterRole"):
    return namespace, {"roleRef": {"kind": kind, "name": role}, "subjects": list(subjects)}


USER = {"kind": "User", "name": "ada"}
GROUP = {"kind": "Group", "name": "staff"}


@pytest.mark.parametrize(
    ("rules", "access", "result"),
    [
        (rule(["get"], ["pods"]), Access("get", "", "pods", "shop"), True),
        (rule(["get"], ["pods"]), Access("list", "", "pods", "shop"), False),
        (rule(["*"], ["*"], ["*"]), Access("anything", "any.group", "things/status", "shop"), True),
        (rule(["get"], ["pods"]), Access("get", "", "pods/log", "shop"), False),
        (rule(["get"], ["pods/log"]), Access("get", "", "pods/log", "shop"), True),
        (rule(["get"], ["*/log"]), Access("get", "", "pods/log", "shop"), True),
        (rule(["get"], ["*/log"]), Access("get", "", "pods", "shop"), False),
        (rule(["get"], ["pods"], ["apps"]), Access("get", "", "pods", "shop"), False),
        (rule(["get"], ["pods"], resourceNames=["a"]), Access("get", "", "pods", "shop", "a"), True),
        (rule(["get"], ["pods"], resourceNames=["a"]), Access("get", "", "pods", "shop", "b"), False),
        (rule(["list"], ["pods"], resourceNames=["a"]), Access("list", "", "pods", "shop"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["/api/*"]}, Access("get", path="/api/v1"), True),
        ({"verbs": ["get"], "nonResourceURLs": ["/api"]}, Access("get", path="/api/v1"), False),
        ({"verbs": ["get"], "nonResourceURLs": ["*"]}, Access("get", path="/metrics"), True),
    ],
)
def test_rules(rules, access, result):
    assert grants(bind("", "role", USER), role=[rules]).allows(ADA, access) is result


def test_a_binding_in_a_namespace_grants_there_alone():
    found = grants(bind("shop", "read", USER), read=[rule(["get"], ["pods"])])
    assert found.allows(ADA, Access("get", "", "pods", "shop"))
    assert not found.allows(ADA, Access("get", "", "pods", "other"))
    assert not found.allows(ADA, Access("get", "", "pods"))


def test_a_role_of_another_namespace_is_not_found():
    binding = bind("shop", "read", USER, kind="Role")
    assert not grants(binding, other__read=[rule(["get"], ["pods"])]).allows(
        ADA, Access("get", "", "pods", "shop")
    )
    assert grants(binding, shop__read=[rule(["get"], ["pods"])]).allows(
        ADA, Access("get", "", "pods", "shop")
    )


@pytest.mark.parametrize(
    ("subject", "user", "result"),
    [
        (GROUP, ADA, True),
        (GROUP, ROBOT, False),
        ({"kind": "ServiceAccount", "name": "robot", "namespace": "shop"}, ROBOT, True),
        ({"kind": "ServiceAccount", "name": "robot"}, ROBOT, True),
        ({"kind": "ServiceAccount", "name": "robot", "namespace": "other"}, ROBOT, False),
        ({"kind": "User", "name": "staff"}, ADA, False),
    ],
)
def test_subjects(subject, user, result):
    found = grants(bind("shop", "read", subject), read=[rule(["get"], ["pods"])])
    assert found.allows(user, Access("get", "", "pods", "shop")) is result


def test_masters_may_do_everything_without_any_role():
    assert grants().allows(User("root", groups=(rbac.MASTERS,)), Access("delete", "x", "y"))
    assert not grants().allows(ADA, Access("get", "", "pods"))


def missing(held, wanted, namespace="shop"):
    found = grants(bind("shop", "role", USER), role=held)
    return found.missing(ADA, namespace, rbac.parse_rules(wanted))


def test_what_one_holds_one_may_grant_also_in_other_pieces():
    held = [rule(["get", "list"], ["pods"]), rule(["create"], ["pods", "secrets"])]
    assert missing(held, [rule(["get", "create"], ["pods"])]) == []
    assert missing(held, [rule(["get"], ["pods"], resourceNames=["a"])]) == []
    (one,) = missing(held, [rule(["get"], ["pods", "secrets"])])
    assert (one.verbs, one.resources) == ({"get"}, {"secrets"})


def test_a_right_to_named_objects_is_none_to_all():
    held = [rule(["get"], ["pods"], resourceNames=["a"])]
    assert missing(held, [rule(["get"], ["pods"])])
    assert missing(held, [rule(["get"], ["pods"], resourceNames=["a", "b"])])
    assert missing(held, [rule(["get"], ["pods"], resourceNames=["a"])]) == []


def test_a_right_in_one_namespace_is_none_in_another_or_everywhere():
    held = [rule(["get"], ["pods"])]
    assert missing(held, held, "other")
    assert missing(held, held, "")


def test_stars_must_be_held_to_be_granted():
    held = [rule(["get"], ["pods"])]
    for wanted in (rule(["*"], ["pods"]), rule(["get"], ["*"]), rule(["get"], ["pods"], ["*"])):
        assert missing(held, [wanted])
    assert missing([rule(["*"], ["*"], ["*"])], [rule(["*"], ["*"], ["*"]), rule(["get"], ["pods"])]) == []


verbs = st.sets(st.sampled_from(["get", "list", "*"]), min_size=1)
things = st.sets(st.sampled_from(["pods", "pods/log", "*"]), min_size=1)
rules = st.lists(
    st.builds(rule, verbs, things, st.sets(st.sampled_from(["", "apps", "*"]), min_size=1)), max_size=3
)
accesses = st.builds(
    Access,
    st.sampled_from(["get", "list", "watch"]),
    st.sampled_from(["", "apps", "batch"]),
    st.sampled_from(["pods", "pods/log", "jobs"]),
    st.just("shop"),
)


@given(rules, rules, accesses)
def test_nobody_gains_by_a_grant_that_is_allowed(held, wanted, access):
    before = grants(bind("shop", "role", USER), role=held)
    if not before.missing(ADA, "shop", rbac.parse_rules(wanted)):
        after = grants(bind("shop", "role", USER), role=wanted)
        assert before.allows(ADA, access) or not after.allows(ADA, access)


def test_refusals_say_who_what_and_where():
    assert rbac.denial(ADA, Access("get", "apps", "deployments", "shop")) == (
        'User "ada" cannot get resource "deployments" in API group "apps" in the namespace "shop"'
    )
    assert rbac.denial(ADA, Access("list", "", "nodes")).endswith("at the cluster scope")
    text = rbac.escalation(ADA, rbac.parse_rules([rule(["get"], ["secrets"])]))
    assert '{APIGroups:[""], Resources:["secrets"], Verbs:["get"]}' in text
    assert 'user "ada" (groups=["staff"])' in text
