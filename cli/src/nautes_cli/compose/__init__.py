"""The Compose stack's one-shot jobs: what must be written before its servers start, and set up once they answer.

There is no second way of setting up: users and rights, server configurations and the calls to OpenBao, the
code host and the clusters are those of `nautes_localstack`. Here is only what differs between processes on
loopback and containers with names: addresses, and who is handed which file.
"""
