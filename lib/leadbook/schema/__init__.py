"""The leads' schema: validator and indexes as data, desired against actual state, and what queries really do."""
