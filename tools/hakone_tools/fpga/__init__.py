"""From Verilog to a bitstream and a report, with tools that pip installs: synthesis, place and route, timing."""
