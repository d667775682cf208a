"""Simulation of Hakone: golden models, builder, harness, lockstep, campaigns."""
