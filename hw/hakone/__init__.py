"""Hakone: a tamper-resistant RISC-V system-on-chip, as Amaranth components.

Rooms, in the only direction in which they may import each other:
``isa, lib <- bus <- crypto, protect <- memory <- core, periph <- soc <- boards, gen``.
"""
