"""What of the recordings is not covered, or only in part, and why. Whoever closes a gap takes it off the list."""

NOT_LIKE_THE_LOCAL_API = {
    5: "no OpenAPI v2; kubectl needs no more than v3",
    8: "the recorded namespace `default` carries a label that an earlier experiment left there",
    54: "tables have the columns Name and Age for every built-in kind; `Data` and the like are not made",
}
"""Recordings that the local API answers otherwise, and why. One that agrees after all must leave this list."""

ONLY_IN_PART = {
    0: "the version is each server's own: that its parts are there",
    2: "the local API serves fewer groups: those that it serves, and that it serves what we use",
    3: "the local API serves fewer kinds: those that it serves",
    4: "the same for aggregated discovery",
    6: "schemas of fewer kinds: that paths are the same ones",
    24: "the recording holds no body: the status",
}
"""What of a recording is compared where not all of it is."""
