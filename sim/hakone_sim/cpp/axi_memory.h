// The memory behind the AXI4 port: a subordinate with a chosen latency, seeded random wait states, and a check of the
// rules that the manager must keep. Source: AMBA AXI4, ARM IHI 0022H, A3 (handshake, bursts) and A5 (ids).
//
// Timing: a read accepted in cycle t has its first beat in cycle t + latency at the earliest, then a beat a cycle.
// A write is acknowledged `latency` cycles after its last beat, and takes effect only then, so that a manager which
// reads a line before its write was acknowledged gets the old one, as AXI4 permits.
// With a seed, every ready and valid may be late, latencies vary, and reads of different ids may overtake each other.
#pragma once

#include <array>
#include <string>
#include <vector>

#include "ports.h"
#include "support.h"

namespace hakone {

/// Beats of one burst in the order in which they crossed the bus.
struct BurstData {
    unsigned beats = 0;
    uint32_t addr = 0;
    uint8_t len = 0, size = 0, burst = 0, id = 0, response = OKAY;
    bool decoded = false;  // addr and what follows are known (write data may come before its address)
    std::array<uint64_t, 256> data;
    std::array<uint8_t, 256> strobe;

    /// Address of the bus word (8 bytes) that carries beat n.
    uint32_t word_addr(unsigned n) const;
};

/// Told of every burst when it is complete, or cut off by the end of the run.
class BusWatcher {
public:
    virtual ~BusWatcher() = default;
    virtual void burst(bool write, const BurstData& data, uint64_t cycle) = 0;
};

struct AxiMemoryOptions {
    uint32_t base = 0x80000000;
    uint64_t bytes = 128u << 20;  // power of two
    unsigned latency = 10;        // cycles, at least 1
    uint64_t wait_seed = 0;       // 0: no random wait states
    unsigned wait_percent = 30;   // how often a channel is held up, with a seed
};

struct AxiCounters {
    uint64_t reads = 0, writes = 0, read_beats = 0, write_beats = 0, decode_errors = 0;
    uint64_t most_reads_outstanding = 0;
};

class AxiMemory {
public:
    AxiMemory(const AxiMemoryOptions& options, BusWatcher* watcher);

    /// One rising edge: `m` and `s` are what both sides drove before it; `s` becomes what is driven after it.
    void step(const AxiManager& m, AxiSubordinate& s, uint64_t cycle) {
        if (idle_ && !(m.arvalid | m.awvalid | m.wvalid)) return;
        busy_step(m, s, cycle);
    }
    /// Acknowledge and apply everything that has crossed the bus, and report bursts that were cut off.
    void finish(uint64_t cycle);
    /// First broken rule, empty while there is none.
    const std::string& violation() const { return violation_; }
    const AxiCounters& counters() const { return counters_; }

    LazyBytes& bytes() { return bytes_; }
    const LazyBytes& bytes() const { return bytes_; }
    uint32_t base() const { return options_.base; }
    bool inside(uint64_t addr, uint64_t size) const {
        return addr >= options_.base && addr + size <= options_.base + options_.bytes;
    }
    /// Copy into memory; marks the pages as touched. The range must be inside.
    void load(uint32_t addr, const void* data, size_t size);
    /// Mark the page of an offset as written: by whoever writes without this port.
    void touch(size_t at) { touched_[at >> 12] = true; }
    /// Pages (4 KiB, counted from the base) that were ever written.
    const std::vector<bool>& touched() const { return touched_; }

private:
    struct Read {
        BurstData burst;
        uint64_t due;
        unsigned sent;
    };
    static constexpr unsigned READS = 8, WRITES = 8;

    void busy_step(const AxiManager& m, AxiSubordinate& s, uint64_t cycle);
    void check_manager(const AxiManager& m, const AxiSubordinate& s);
    void check_burst(const char* channel, uint32_t addr, unsigned len, unsigned size, unsigned burst);
    void broken(const char* channel, const std::string& rule);
    void accept(const AxiManager& m, const AxiSubordinate& s, uint64_t cycle);
    void drive_read(const AxiManager& m, AxiSubordinate& s, uint64_t cycle);
    void drive_write(const AxiManager& m, AxiSubordinate& s, uint64_t cycle);
    void apply(const BurstData& burst);
    uint64_t word(uint32_t addr) const;
    bool late() { return options_.wait_seed && random_.chance(options_.wait_percent); }
    uint64_t delay() { return options_.latency + (options_.wait_seed ? random_.next() % 16 : 0); }

    struct Write {
        BurstData burst;
        uint64_t due;
        bool complete, answered;
    };

    AxiMemoryOptions options_;
    BusWatcher* watcher_;
    LazyBytes bytes_;
    std::vector<bool> touched_;
    Random random_;
    AxiCounters counters_;
    std::string violation_;
    std::vector<Read> reads_;    // in order of acceptance
    std::vector<Write> writes_;  // in order; addresses and data fill them from the front
    unsigned read_count_ = 0, write_count_ = 0;
    int active_read_ = -1;       // whose beat is on the bus
    bool idle_ = false;
    bool held_ar_ = false, held_aw_ = false, held_w_ = false;
    AxiManager before_{};
};

}  // namespace hakone
