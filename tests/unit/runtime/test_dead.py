"""A dead letter carries all that a replay needs, and nothing that would instruct the server."""

from nautes_runtime.dead import DeadMessage
from nautes_runtime.reading import dead_message


def letter(**changes):
    values = {
        "stream": "FACTS",
        "sequence": 7,
        "consumer": "broker",
        "subject": "nautes.acme.fact.a.b",
        "data": b"{",
        "reason": "no",
        "code": "undecodable",
        "attempts": 2,
        "headers": {"ce-id": "1", "Nats-Msg-Id": "1", "Nats-Expected-Stream": "FACTS", "nautes-cause": "d1"},
        "digest": "abc",
    }
    return DeadMessage(**values | changes)


def test_original_headers_stay_and_instructions_go():
    headers = letter().all_headers()
    assert headers["ce-id"] == "1"
    assert headers["nautes-cause"] == "d1"
    assert "Nats-Expected-Stream" not in headers
    assert headers["nautes-dead-msg-id"] == "1"
    assert headers["Nats-Msg-Id"] != "1"


def test_reason_attempts_and_digest_are_said():
    headers = letter().all_headers()
    assert headers["nautes-dead-reason"] == "no"
    assert headers["nautes-dead-attempts"] == "2"
    assert headers["nautes-dead-digest"] == "abc"


def test_one_message_has_one_id_whoever_puts_it_aside():
    assert letter().id == letter(reason="other", attempts=9, code="max-deliveries").id
    assert len({letter().id, letter(sequence=8).id, letter(consumer="x").id, letter(stream="WORK").id}) == 4


def test_a_reason_with_line_breaks_makes_no_headers():
    headers = letter(reason="a\r\nNats-Rollup: all").all_headers()
    assert "\n" not in headers["nautes-dead-reason"]


def test_a_dead_letter_is_read_back_as_it_was():
    sent = letter()
    read = dead_message("FACTS", sent.data, sent.all_headers())
    assert read == letter(headers={"ce-id": "1", "nautes-cause": "d1", "Nats-Msg-Id": "1"})


def test_the_content_does_not_show_in_logs():
    assert "glpat" not in repr(letter(data=b"glpat-secret"))
