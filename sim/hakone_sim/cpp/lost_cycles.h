// Where the cycles go in which no instruction retires: each of them gets exactly one cause, so that the causes and the
// instructions add up to all cycles. Fed with what the probe shows in every cycle; nothing of the model is looked into.
//
// A shadow of the execute and memory stages remembers why a place in them is empty. It moves as the pipeline does: the
// stall events tell when it does not. A cycle that the shadow cannot explain is counted as unknown.
#pragma once

#include <array>
#include <cstdint>
#include <string>

namespace hakone {

class LostCycles {
public:
    /// The causes; their names, in this order, are NAMES. Explained in docs/guide/measuring.md.
    enum Cause : uint8_t {
        START, LOAD_USE, MULTIPLY_USE, OTHER_USE, DIVIDE,
        BRANCH, RETURN, INDIRECT, JUMP, NO_TRANSFER, FLUSH, TRAP, SWITCH,
        FETCH_MISS, FETCH_LATE, FETCH_EMPTY,
        LOAD_MISS, STORE_MISS, LOAD_WAIT, STORE_WAIT, SPLIT, ATOMIC, DEVICE, MEMORY_BUSY, SYSTEM,
        UNKNOWN, CAUSES,
        OPERAND,  // inside only: an operand was waited for; whose it was is known when the empty place leaves
        RUN       // inside only, plus a number: one of the runs of fetch stalls
    };
    static const char* const NAMES[CAUSES];

    LostCycles();
    /// One cycle: was there a record of a retired instruction or of a trap, its instruction word, and the events.
    void step(bool retired, bool trapped, uint32_t raw, uint32_t events);
    /// Cycles and occurrences of every cause as the two members of a JSON object; what still waits is decided as if the
    /// wait ended now.
    std::string json() const;

private:
    struct Place {
        bool full;
        uint8_t cause;  // of its being empty
    };
    /// A time without instructions in the register-read stage. Its cause is known at its end, when some of its cycles
    /// may have been lost already.
    struct Run {
        uint32_t lost;
        uint8_t cause;
        bool open, counted;
    };
    static constexpr unsigned RUNS = 4;        // more than can be on their way at once
    static constexpr unsigned REFETCH = 2;     // cycles without an instruction that every redirect costs
    static constexpr unsigned MISS_REACH = 12; // instructions that may retire between a miss and the empty queue

    void lose(uint8_t cause, uint64_t cycles = 1) { cycles_[cause] += cycles; }
    void wait(Cause cause, uint64_t& waited);
    void lose_place(uint8_t cause);
    void account(bool retired, bool trapped, uint32_t was);
    void move(bool retired, bool trapped, uint32_t raw, uint32_t was);
    void end_wait(bool known, bool trapped, uint32_t raw);
    uint8_t fetch_stalls();
    void end_run();

    std::array<uint64_t, CAUSES> cycles_{}, times_{};
    Place execute_{false, START}, memory_{false, START};
    std::array<Run, RUNS> runs_{};
    unsigned run_ = 0;
    uint8_t redirect_ = START;  // why instructions are fetched anew
    unsigned refetch_ = 0;      // cycles that this still explains
    bool after_redirect_ = true;
    uint64_t instructions_ = 0, miss_at_ = 0;
    bool missed_ = false;
    uint64_t waited_ = 0, divided_ = 0, held_ = 0;  // cycles of the instruction in the memory stage so far
    uint32_t wait_events_ = 0;
    uint32_t before_;        // events of the cycle before
    uint32_t last_raw_ = 0;  // last retired instruction
};

}  // namespace hakone
