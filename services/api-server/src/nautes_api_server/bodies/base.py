"""How bodies read and write JSON: unknown fields refused, null means not given, nothing is converted silently."""

from collections.abc import Mapping
from typing import Annotated, Any, ClassVar, Final, Self

from pydantic import (
    BaseModel,
    BeforeValidator,
    ConfigDict,
    Field,
    ModelWrapValidatorHandler,
    PrivateAttr,
    Strict,
    model_validator,
)
from pydantic.alias_generators import to_camel

Flag = Annotated[bool, Strict()]
"""True or false; neither numbers nor words."""

Optional = Annotated[str | None, BeforeValidator(lambda value: None if value == "" else value)]
"""Text of which the original treats "" as not given."""


NAME: Final = frozenset({"name"})
NAME_AND_PRODUCT: Final = frozenset({"name", "product"})


class Body(BaseModel):
    """What is sent to us."""

    model_config = ConfigDict(extra="forbid", frozen=True, use_attribute_docstrings=True)

    REPEATED: ClassVar[frozenset[str]] = frozenset()
    """Keys that the original's command line sends along (`cmd/types/types.go`): the path or the server says them."""

    _repeated: dict[str, Any] = PrivateAttr(default_factory=dict)

    @property
    def repeated(self) -> Mapping[str, Any]:
        """What was given of `REPEATED`, empty texts left out: nothing of it counts, and it may not contradict the path."""
        return self._repeated

    @model_validator(mode="wrap")
    @classmethod
    def _null_is_not_given(cls, value: Any, read: ModelWrapValidatorHandler[Self]) -> Self:
        if not isinstance(value, dict):
            return read(value)
        given = {key: one for key, one in value.items() if one is not None}
        body = read({key: one for key, one in given.items() if key not in cls.REPEATED})
        repeated = {key: one for key, one in given.items() if key in cls.REPEATED and one != ""}
        body._repeated = repeated  # noqa: SLF001 - our own; a wrapping validator has no other way
        return body


class View(BaseModel):
    """What we reply: fields that are not declared have their zero value, as in the original (section 2.1)."""

    model_config = ConfigDict(extra="ignore", frozen=True, use_attribute_docstrings=True)


def manifest_of(value: Any) -> Any:
    """Return what a body gives as fields of a manifest: named in camelCase, what was not given left out."""
    if isinstance(value, BaseModel):
        fields = (name for name, field in type(value).model_fields.items() if not field.exclude)
        given = ((name, getattr(value, name)) for name in fields if name in value.model_fields_set)
        return {to_camel(name): manifest_of(one) for name, one in given if one is not None}
    if isinstance(value, list | tuple):
        return [manifest_of(one) for one in value]
    if isinstance(value, dict):
        return {key: manifest_of(one) for key, one in value.items()}
    return value


def filled(value: Any) -> Any:
    """Return the fields of a manifest, named as in replies, without those that are not set."""
    if isinstance(value, BaseModel):
        fields = ((name, getattr(value, name)) for name in type(value).model_fields)
        return {name: filled(one) for name, one in fields if one is not None}
    if isinstance(value, list | tuple):
        return [filled(one) for one in value]
    if isinstance(value, dict):
        return {key: filled(one) for key, one in value.items()}
    return value


def one_of(*values: str, default: str = "") -> Any:
    """Return a field that shows editors which values there are; the rules refuse others."""
    return Field(default=default, json_schema_extra={"enum": [*(() if default else ("",)), *values]})


def required_one_of(*values: str) -> Any:
    """Return a field that must be given, and shows which values there are."""
    return Field(json_schema_extra={"enum": list(values)})
