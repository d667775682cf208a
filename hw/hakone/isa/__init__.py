"""Facts of the instruction set and of the formats: numbers only, no hardware.

Everything that the decoder, the C headers, the documentation and the tests must agree on stands here
once. The room imports the standard library and ``amaranth.lib`` only, so that golden models may use it.
"""

#: Version of the custom instructions and of every binary format, ``major << 16 | minor``.
#: A loader refuses another major number.
VERSION = 0x0001_0000
