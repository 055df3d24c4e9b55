"""The paper's tables: the batch that computes them, the ledger of every number, the report, and the studies beside
them."""
