"""A message that was put aside: what it was, why, and where it came from. Enough to replay it. Pure."""

from collections.abc import Mapping
from dataclasses import dataclass, field
from typing import Final

from nautes_domain import names
from nautes_domain.events import header_text

REASON: Final = "nautes-dead-reason"
CODE: Final = "nautes-dead-code"
ATTEMPTS: Final = "nautes-dead-attempts"
DIGEST: Final = "nautes-dead-digest"
SUBJECT: Final = "nautes-dead-subject"
SEQUENCE: Final = "nautes-dead-sequence"
CONSUMER: Final = "nautes-dead-consumer"
MESSAGE_ID: Final = "nautes-dead-msg-id"
"""The `Nats-Msg-Id` under which the message first came: a replay publishes under a new one."""


@dataclass(frozen=True, slots=True)
class DeadMessage:
    """One message as it was, with the reason why it is put aside. `attempts` counts deliveries."""

    stream: str
    sequence: int
    consumer: str
    subject: str
    data: bytes = field(repr=False)
    reason: str
    code: str
    attempts: int
    headers: Mapping[str, str] = field(default_factory=dict)
    digest: str = ""

    @property
    def id(self) -> str:
        """The same for one message and consumer, however often and by whomever it is put aside."""
        return names.digest("dead", self.stream, str(self.sequence), self.consumer, length=32)

    def all_headers(self) -> dict[str, str]:
        """Return the original headers, without those that instruct the server, and ours."""
        kept = {key: value for key, value in self.headers.items() if not key.lower().startswith("nats-")}
        ours = {
            REASON: self.reason,
            CODE: self.code,
            ATTEMPTS: str(self.attempts),
            DIGEST: self.digest,
            SUBJECT: self.subject,
            SEQUENCE: str(self.sequence),
            CONSUMER: self.consumer,
            MESSAGE_ID: self.headers.get("Nats-Msg-Id", ""),
            "Nats-Msg-Id": self.id,
        }
        return kept | {key: header_text(value) for key, value in ours.items() if value}
