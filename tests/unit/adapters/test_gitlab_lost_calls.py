"""Which hook calls were lost: from the list of attempts that GitLab keeps."""

import pytest

from nautes_adapters.gitlab.lost_calls import ATTEMPTS, lost

URL = "https://gateway.example/hooks/gitlab/orchard.apple"


def attempt(number, key, status, url=URL):
    return {"id": number, "url": url, "response_status": status, "request_headers": {"Idempotency-Key": key}}


@pytest.mark.parametrize(
    ("events", "expected"),
    [
        ([], []),
        ([attempt(1, "a", "202")], []),
        ([attempt(1, "a", "302")], []),
        ([attempt(1, "a", "internal error")], [1]),
        ([attempt(1, "a", "503")], [1]),
        ([attempt(1, "a", 401)], [1]),
        # Newest first: a later attempt brought it, or it did not.
        ([attempt(2, "a", "202"), attempt(1, "a", "500")], []),
        ([attempt(3, "a", "500"), attempt(2, "b", "202"), attempt(1, "a", "500")], [3]),
        # In the order in which they happened.
        ([attempt(9, "c", "500"), attempt(8, "b", "500"), attempt(7, "a", "500")], [7, 8, 9]),
        # GitLab refuses to repeat what went to another address, and without a key nothing can be told apart.
        ([attempt(1, "a", "500", url="https://old.example/hook")], []),
        ([{"id": 1, "url": URL, "response_status": "500", "request_headers": {}}], []),
        ([{"id": 1, "url": URL, "response_status": "500"}], []),
        ([attempt(number, "a", "500") for number in range(ATTEMPTS - 1, 0, -1)], [ATTEMPTS - 1]),
        ([attempt(number, "a", "500") for number in range(ATTEMPTS, 0, -1)], []),
    ],
)
def test_each_event_that_nobody_took_is_repeated_once(events, expected):
    assert lost(events, URL) == expected
