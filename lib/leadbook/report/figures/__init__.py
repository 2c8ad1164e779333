"""Plots by topic: pure functions from DataFrames and records to matplotlib figures."""
