// A 16-bit SDR SDRAM at its pins: cells, commands, and every rule of the data sheet with its own numbers in
// nanoseconds. It knows nothing of the controller. A broken rule is kept as one line that names rule, bank, clock edge,
// what is required and what was done; the first one counts.
//
// Sources: Micron 256Mb SDRAM (MT48LC16M16A2), tables 12 and 13 and the chapters on commands, truth tables, READ, WRITE,
// PRECHARGE, "Initialization"; Alliance AS4C32M16SB, table 16 and note 11.
//
// Not modelled: power-down, self refresh and clock suspend (CKE low is a broken rule once the chip is in use).
#pragma once

#include <array>
#include <cstdint>
#include <string>
#include <vector>

namespace hakone {

/// What a data sheet says. Times in picoseconds, counts in clocks.
struct SdramPart {
    std::string name;
    unsigned columns, rows;
    uint64_t tck2, tck3;  // shortest clock with CAS latency 2 and 3
    uint64_t trcd, trp, tras, tras_max, trc, trfc, trrd, twr, tmrd;
    unsigned tmrd_clocks, twr_clocks;
    uint64_t tac2, tac3, toh, thz2, thz3, tis, tih;
    uint64_t power_up, refresh_period;  // the pause after power-up; in which every row must be refreshed
    unsigned power_up_refreshes;
};

/// Data sheet of a part by its name. Throws BadInput for an unknown one.
const SdramPart& sdram_part(const std::string& name);

/// What the controller drives, as it stands from one edge of its clock to the next.
struct SdramInputs {
    uint8_t cke = 0, cs_n = 1, ras_n = 1, cas_n = 1, we_n = 1, ba = 0, dqm = 3, dq_oe = 0;
    uint16_t a = 0, dq = 0;
};

struct SdramCounters {
    uint64_t activates = 0, precharges = 0, refreshes = 0, reads = 0, writes = 0, row_hits = 0;
    uint64_t data_clocks = 0;  // in which a word crossed the data pads
};

/// Told of every word that crosses the data pads, in order. `mask`: a 1 for each byte that does not.
class SdramWatcher {
public:
    virtual ~SdramWatcher() = default;
    virtual void word(bool write, size_t place, uint16_t data, unsigned mask) = 0;
};

class SdramChip {
public:
    /// Where a word lies among the bytes that stand for the cells.
    using Place = size_t (*)(const SdramPart& part, unsigned bank, unsigned row, unsigned column);

    /// The chip's clock has `period` and rises `shift` after the pads change. `cells` has the chip's size.
    SdramChip(const SdramPart& part, uint64_t period, uint64_t shift, uint8_t* cells, Place place, SdramWatcher* watcher);

    /// The next rising edge of the chip's clock.
    void edge(const SdramInputs& pads);
    /// What stands on the data pads when the controller's clock rises for the n-th time: garbage when the chip is not
    /// driving, or not yet, or no longer.
    uint16_t seen_at(uint64_t edge_of_controller) const;
    /// Check what only the end can tell: rows that were open for too long.
    void finish();

    uint64_t edges() const { return now_; }
    const std::string& violation() const { return violation_; }
    const SdramCounters& counters() const { return counters_; }
    const SdramPart& part() const { return part_; }

private:
    static constexpr uint64_t NEVER = UINT64_MAX;
    struct Bank {
        bool open = false, fresh = false;  // fresh: no column command since its row was opened
        unsigned row = 0;
        uint64_t activated = NEVER, precharged = NEVER, last_write = NEVER;  // edges
        uint64_t auto_precharge = NEVER;  // edge at which the row closes by itself
    };
    struct Transfer {
        bool active = false, write = false, auto_precharge = false;
        unsigned bank = 0, row = 0, column = 0, done = 0;
        uint64_t start = 0;
    };
    struct Output {
        uint64_t edge = NEVER;
        uint16_t data = 0;
        unsigned mask = 0;  // bytes that are not driven
        size_t place = 0;
    };

    void command(const SdramInputs& pads);
    void activate(unsigned bank, unsigned row);
    void column(const SdramInputs& pads, bool write);
    void precharge(unsigned bank, const char* what);
    void refresh();
    void load_mode(const SdramInputs& pads);
    void move_data(const SdramInputs& pads);
    void drive(const SdramInputs& pads);
    void close_by_itself();
    void stop_transfer();
    void check_power_up(unsigned code, const SdramInputs& pads);
    void check_refresh();
    unsigned burst_length() const;
    unsigned burst_column(const Transfer& t) const;
    void broken(const std::string& rule, int bank, const std::string& what);
    /// At least `needed` picoseconds must have passed since edge `since` (NEVER: it has not happened).
    void apart(const char* rule, int bank, const char* what, uint64_t since, uint64_t needed, unsigned clocks = 0);
    uint64_t elapsed(uint64_t since) const { return (now_ - since) * period_; }

    SdramPart part_;
    uint64_t period_, shift_;
    uint8_t* cells_;
    Place place_;
    SdramWatcher* watcher_;
    std::array<Bank, 4> banks_;
    Transfer transfer_;
    std::array<Output, 16> outputs_;  // by edge
    std::array<uint8_t, 2> masks_before_{3, 3};
    uint64_t now_ = 0, last_output_ = NEVER;
    uint64_t clocked_ = NEVER;  // first edge with CKE high
    uint64_t last_activate_ = NEVER, last_refresh_ = NEVER, mode_set_ = NEVER;
    bool all_precharged_ = false, in_use_ = false;
    unsigned mode_ = 0, cas_ = 0;
    unsigned early_refreshes_ = 0;
    std::vector<uint64_t> row_refreshed_;  // edges of the last refreshes, one for each row
    uint64_t regular_refreshes_ = 0, in_use_since_ = 0;
    SdramCounters counters_;
    std::string violation_;
};

}  // namespace hakone
