"""The exchange as several processes: edges, a log, shards of the parties, a leader, one ledger a zone.

Edges speak HTTP, check who signed, and write what parties ask into the log (NATS JetStream), a batch
at a time. A shard is the only one that decides for its parties: it reads its part of the log, decides
with the same code as the exchange of one process, and stores rows and its position in the log in one
transaction (PostgreSQL). The leader holds the calls: it is the only one that sees all shards, and
sees of them only sums. docs/cluster.md says how to run it and what is lost when what dies.

Needs the extra ``network``.
"""
