// Everything around the simulated system, one call per clock cycle: memory, snooper, fuses, UART, finisher, `tohost`,
// detection of hangs and unhandled traps, trace, counters. The model itself is behind ports.h.
#pragma once

#include <array>
#include <chrono>
#include <deque>
#include <memory>
#include <string>
#include <unordered_set>

#include "axi_memory.h"
#include "lost_cycles.h"
#include "options.h"
#include "ports.h"
#include "sdram_bus.h"
#include "snooper.h"
#include "trace_file.h"
#include "uart.h"

namespace hakone {

/// Why a run ended, with the exit status that stands for it (0 to 99: the program's own).
enum Status : int { PASS = 0, HANG = 101, UNHANDLED_TRAP = 102, SNOOPER_HIT = 103, CYCLE_LIMIT = 104, BUS_RULE = 105 };

/// What a waiting test is told.
struct Notice {
    enum Kind : uint32_t { UART_LINE = 1, FINISHED = 2, WATCHED_STORE = 3 };
    uint32_t kind;
    uint32_t addr;  // WATCHED_STORE: word address
    uint32_t data;  // WATCHED_STORE: data; FINISHED: status; UART_LINE: bytes sent so far
    uint32_t unused;
    uint64_t cycle;
};

class Harness {
public:
    static constexpr unsigned RESET_CYCLES = 8;

    explicit Harness(const Options& options);

    /// One rising edge outside of reset: `out` as sampled before it, `in` becomes what is driven after it.
    void step(const Outputs& out, Inputs& in);
    /// Step a cycle counter without looking at anything: the system is in reset.
    const Inputs& reset_inputs() const { return reset_inputs_; }

    uint64_t cycle() const { return cycle_; }
    /// True when the caller's loop must look: the run has ended, a notice waits, or `wake_cycle` is reached.
    bool attention() const { return attention_; }
    void clear_attention() { attention_ = ended_; }
    void wake_at(uint64_t cycle) { wake_cycle_ = cycle, update_alarm(); }
    bool ended() const { return ended_; }
    void end(int status, const std::string& reason, const std::string& detail);
    /// Search memory, write files, return the exit status. Once, after the end.
    int finish();
    bool finished() const { return finished_; }
    int status() const { return status_; }
    std::string json() const;

    std::deque<Notice>& notices() { return notices_; }
    void notify(Notice::Kind kind, uint32_t addr, uint32_t data);
    uint64_t notices_sent() const { return notices_sent_; }
    void watch(uint32_t addr) { watched_.insert(addr & ~3u); }
    AxiMemory& memory() { return memory_; }
    Uart& uart() { return uart_; }
    Snooper& snooper() { return snooper_; }
    const Options& options() const { return options_; }

private:
    void retire_or_trap(const Outputs& out);
    void trap(const uint32_t* record);
    void store(const uint32_t* record);
    void count(uint32_t events);
    void alarm();
    void update_alarm();
    void load_images();
    void load_plaintexts();
    void write_files() const;

    Options options_;
    Inputs reset_inputs_;
    Snooper snooper_;
    AxiMemory memory_;                 // also holds the bytes of the other kinds of memory
    std::unique_ptr<SdramBus> sdram_;  // at the pads, where the system has such
    Uart uart_;
    std::unique_ptr<SdCard> card_;
    std::unique_ptr<TraceFile> trace_;
    LostCycles lost_;
    std::array<uint32_t, 256> fuses_{};
    std::array<uint64_t, 32> events_{};
    std::unordered_set<uint32_t> watched_;
    std::deque<Notice> notices_;
    uint64_t notices_sent_ = 0;

    uint64_t cycle_ = 0, alarm_cycle_ = 0, wake_cycle_ = UINT64_MAX, poll_cycle_ = 0;
    uint64_t instructions_ = 0, encrypted_instructions_ = 0, traps_ = 0;
    uint64_t progress_cycle_ = 0;  // last retirement, or last cycle of a wait that can end
    uint32_t last_pc_ = 0, last_raw_ = 0;
    bool retired_any_ = false;
    uint32_t recent_events_ = 0;  // since the last trace record of an instruction or trap
    uint32_t trap_pc_ = 0;
    unsigned trap_repeats_ = 0;
    uint64_t trap_instructions_ = UINT64_MAX;
    std::string first_trap_;
    bool attention_ = false, ended_ = false, finished_ = false;
    int status_ = 0;
    uint32_t code_ = 0;
    std::string reason_, detail_;
    std::chrono::steady_clock::time_point begin_ = std::chrono::steady_clock::now();
    double seconds_ = 0;
};

}  // namespace hakone
