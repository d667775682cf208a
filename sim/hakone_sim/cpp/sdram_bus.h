// The SDRAM chip before the system: the cells are those bytes of the simulated memory that the controller's addresses
// mean, and what crosses the data pads is put together to bursts in which the bus snooper searches as in those of AXI4.
#pragma once

#include "axi_memory.h"
#include "sdram_chip.h"

namespace hakone {

class SdramBus : public SdramWatcher {
public:
    /// `memory` holds the bytes, of the chip's size. Clock as in SdramChip. Throws BadInput when the size is another one.
    SdramBus(AxiMemory& memory, BusWatcher* watcher, const SdramPart& part, uint64_t period_ps, uint64_t shift_ps);

    /// The clock edge of the chip between two of the system; `dq` becomes what the system's flop captures two edges on.
    void step(const SdramInputs& pads, uint16_t& dq) {
        chip_.edge(pads);
        dq = chip_.seen_at(chip_.edges() + 1);
        if (open_ && chip_.edges() - last_word_ > IDLE) close();
    }
    void finish() {
        close();
        chip_.finish();
    }
    void word(bool write, size_t place, uint16_t data, unsigned mask) override;

    const SdramChip& chip() const { return chip_; }
    /// Bursts and beats that have crossed the pads.
    const AxiCounters& counters() const { return counters_; }

    /// Where the controller puts a word: row, bank, column from the top of the address, the bank's number exchanged by
    /// the lowest bits of the row.
    static size_t place(const SdramPart& part, unsigned bank, unsigned row, unsigned column) {
        return ((size_t{row} * 4 + (bank ^ (row & 3))) * part.columns + column) * 2;
    }

private:
    static constexpr uint64_t IDLE = 16;    // cycles after which a burst counts as complete
    static constexpr unsigned MOST_BEATS = 8;
    void close();

    AxiMemory& memory_;
    BusWatcher* watcher_;
    SdramChip chip_;
    AxiCounters counters_;
    BurstData burst_;
    bool open_ = false, write_ = false;
    size_t beat_ = 0;     // of the last word, as an offset
    unsigned lane_ = 0;   // of the last word in its beat
    uint64_t last_word_ = 0;
};

}  // namespace hakone
