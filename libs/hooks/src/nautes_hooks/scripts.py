"""What the steps of our hooks do. Everything that varies comes from the environment."""

from typing import Final

_TRUST: Final = """\
import ssl
from http.client import HTTPException

def trust():
    folder = os.environ["NAUTES_AUTHORITIES"]
    context = ssl.create_default_context()
    if folder:
        context.load_verify_locations(os.path.join(folder, "ca.crt"))
    return context
"""

CALL_WEBHOOK: Final = f"""\
#!/usr/bin/env python3
import json, os, sys, urllib.request
{_TRUST}
START = "NAUTES_SAY_"
said = {{name[len(START):]: value for name, value in os.environ.items() if name.startswith(START)}}
request = urllib.request.Request(
    os.environ["NAUTES_URL"], json.dumps(said).encode(), {{"Content-Type": "application/json"}}, method="POST"
)
try:
    with urllib.request.urlopen(request, timeout=30, context=trust()) as answer:
        print("answered with", answer.status)
except (OSError, HTTPException) as error:
    sys.exit(f"the call failed: {{error}}")
"""

WAIT_FOR: Final = f"""\
#!/usr/bin/env python3
import os, sys, time, urllib.request
{_TRUST}
end = time.monotonic() + int(os.environ["NAUTES_SECONDS"] or 300)
while True:
    try:
        with urllib.request.urlopen(os.environ["NAUTES_URL"], timeout=10, context=trust()) as answer:
            print("answered with", answer.status)
            break
    except (OSError, HTTPException) as error:
        if time.monotonic() > end:
            sys.exit(f"no answer in time: {{error}}")
    time.sleep(2)
"""

LIST_PATH: Final = """\
#!/bin/sh
set -eu
umask 077
cp "$NAUTES_KEY/ssh-privatekey" "$NAUTES_COPY/key"
export GIT_SSH_COMMAND="ssh -i $NAUTES_COPY/key -o IdentitiesOnly=yes -o StrictHostKeyChecking=yes \
-o UserKnownHostsFile=$NAUTES_KEY/known_hosts"
git init --quiet "$NAUTES_COPY/repository"
cd "$NAUTES_COPY/repository"
git fetch --quiet --depth 1 -- "$(cat "$NAUTES_KEY/url")" "$NAUTES_REVISION"
found="$(git ls-tree -r --name-only FETCH_HEAD -- "$NAUTES_PATH")"
if [ -z "$found" ]; then echo "nothing lies at $NAUTES_PATH" >&2; exit 1; fi
printf '%s\\n' "$found"
"""
