// Options of one run, from `--name value` arguments. The same parser serves the command line and cocotb tests.
#pragma once

#include <cstdint>
#include <string>
#include <vector>

#include "axi_memory.h"
#include "sd_card.h"

namespace hakone {

struct Options {
    AxiMemoryOptions memory;
    SdCardOptions card;
    std::vector<std::pair<std::string, uint32_t>> images;  // file, address: --image FILE@ADDRESS
    std::string fuses;          // file of little-endian words
    std::string plaintexts;     // file in the format of hakone_sim.plaintext
    std::string uart_in;        // file, or "-" for standard input, empty for none
    std::string uart_out = "-"; // file, or "-" for standard output, empty for none
    std::string trace;          // file of trace records
    std::string json;           // file for the result
    std::string ram_out;        // file for the touched pages' range of memory at the end
    std::string bus_out;        // file for the lines as last seen on the bus (with plaintexts only)
    std::string wave;           // waveform file (model built with waveforms)
    uint64_t wave_from = 0, wave_cycles = UINT64_MAX;
    uint64_t max_cycles = UINT64_MAX;
    uint64_t hang_cycles = 200000;
    uint64_t period_ps = 20000;
    uint64_t stored_windows = 1u << 21;
    uint32_t open_checks = 0;   // bits of hakone.bus.open_checks.OpenCheck: protections that are off
    uint32_t tohost = 0;
    std::string sdram_part;     // the chip at the system's pads; empty: memory is on the AXI4 port
    uint64_t sdram_shift_ps = 0;  // from a change of the pads to the chip's clock
    bool has_tohost = false;
    bool count_only = false;    // snooper hits do not end in status 103
};

/// Parse arguments without the program's name. Throws BadInput.
Options parse_options(const std::vector<std::string>& arguments);

/// Whole file as bytes. Throws BadInput.
std::vector<uint8_t> read_file(const std::string& path);

}  // namespace hakone
