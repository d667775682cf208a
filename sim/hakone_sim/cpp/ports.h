// Values on the ports of the simulated system, as plain structs, so that nothing but the model adapter depends on
// the generated model. Names are those of AMBA AXI4 (ARM IHI 0022H) and of the system's top level.
#pragma once

#include <cstdint>

#include "sdram_chip.h"

namespace hakone {

/// What the manager (the system) drives.
struct AxiManager {
    uint64_t wdata;
    uint32_t awaddr, araddr;
    uint8_t awvalid, awid, awlen, awsize, awburst;
    uint8_t wvalid, wstrb, wlast, bready;
    uint8_t arvalid, arid, arlen, arsize, arburst, rready;
};

/// What the subordinate (the memory) drives.
struct AxiSubordinate {
    uint64_t rdata = 0;
    uint8_t awready = 0, wready = 0, bvalid = 0, bid = 0, bresp = 0;
    uint8_t arready = 0, rvalid = 0, rid = 0, rresp = 0, rlast = 0;
};

enum Burst : uint8_t { FIXED = 0, INCR = 1, WRAP = 2 };
enum Response : uint8_t { OKAY = 0, EXOKAY = 1, SLVERR = 2, DECERR = 3 };

/// Everything the system drives, sampled when it has settled before a rising edge.
struct Outputs {
    AxiManager axi;      // all zero where the system has no such port
    SdramInputs sdram;
    uint8_t spi_sclk = 0, spi_mosi = 1, spi_cs_n = 1;  // with board_io only, as the next line
    uint8_t leds = 0;
    uint8_t uart_tx_valid, uart_tx_payload, uart_rx_ready;
    uint8_t fuse_addr;
    uint8_t finish_valid, finish_reset, halted;
    uint16_t finish_code;
    const uint32_t* retire;  // packed hakone.bus.probe.RetireRecord
    const uint32_t* store;   // packed hakone.bus.probe.StoreRecord
    uint32_t events;
};

/// Everything the harness drives; changes after a rising edge.
struct Inputs {
    AxiSubordinate axi;
    uint32_t fuse_data = 0;
    uint16_t sdram_dq = 0;
    uint8_t spi_miso = 1, buttons = 0;
    uint8_t uart_tx_ready = 1, uart_rx_valid = 0, uart_rx_payload = 0;
};

}  // namespace hakone
