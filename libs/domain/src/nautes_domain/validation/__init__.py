"""The rules between entities: what exists, who may use what, who was first, what may change or go. Pure.

Rule ids are those of the original (section 3: C…, P…, T…, R…, B…, J…, E…, D…, L…); `A…` are ours. docs/rules.md
lists them all. Every rule looks at the whole catalog and yields all its violations; none stops another.
"""

from nautes_domain.validation.hooks import resources_of
from nautes_domain.validation.judging import BY_TENANT, Verdict, judge, product_violations, tenant_violations
from nautes_domain.validation.setting import (
    ENVIRONMENT,
    Claims,
    Setting,
    TenantSetting,
    claims_of,
    may_use,
)

__all__ = [
    "BY_TENANT", "ENVIRONMENT", "Claims", "Setting", "TenantSetting", "Verdict", "claims_of", "judge", "may_use",
    "product_violations", "resources_of", "tenant_violations",
]  # fmt: skip
