// See lost_cycles.h. Instruction formats: RISC-V unprivileged specification 20240411, chapters 2, 27 and 34.
#include "lost_cycles.h"

#include "probe_layout.h"

namespace hakone {

namespace {

constexpr uint32_t bit(unsigned event) { return 1u << event; }

enum class Kind { LOAD, STORE, ATOMIC, MULTIPLY, BRANCH, JUMP, RETURN, INDIRECT, SYSTEM, OTHER };

bool links(uint32_t reg) { return reg == 1 || reg == 5; }

Kind indirect(uint32_t rd, uint32_t rs1) { return !links(rd) && links(rs1) ? Kind::RETURN : Kind::INDIRECT; }

Kind compressed_kind(uint32_t raw) {
    const uint32_t funct3 = raw >> 13 & 7, rs1 = raw >> 7 & 31, rs2 = raw >> 2 & 31;
    switch (raw & 3) {
    case 0: return funct3 == 2 ? Kind::LOAD : funct3 == 6 ? Kind::STORE : Kind::OTHER;
    case 1: return funct3 >= 6 ? Kind::BRANCH : funct3 == 5 || funct3 == 1 ? Kind::JUMP : Kind::OTHER;
    default: break;
    }
    if (funct3 == 2) return Kind::LOAD;
    if (funct3 == 6) return Kind::STORE;
    if (funct3 == 4 && !rs2 && rs1) return indirect(raw >> 12 & 1, rs1);
    return Kind::OTHER;
}

Kind kind_of(uint32_t raw) {
    if ((raw & 3) != 3) return compressed_kind(raw);
    switch (raw & 0x7f) {
    case 0x03: return Kind::LOAD;
    case 0x23: return Kind::STORE;
    case 0x2f: return Kind::ATOMIC;
    case 0x33: return raw >> 25 == 1 && !(raw >> 14 & 1) ? Kind::MULTIPLY : Kind::OTHER;
    case 0x63: return Kind::BRANCH;
    case 0x6f: return Kind::JUMP;
    case 0x67: return indirect(raw >> 7 & 31, raw >> 15 & 31);
    case 0x0b: case 0x0f: case 0x73: return Kind::SYSTEM;  // custom-0, fences, CSRs and privileged
    default: return Kind::OTHER;
    }
}

LostCycles::Cause mispredicted(uint32_t raw) {
    switch (kind_of(raw)) {
    case Kind::BRANCH: return LostCycles::BRANCH;
    case Kind::JUMP: return LostCycles::JUMP;
    case Kind::RETURN: return LostCycles::RETURN;
    case Kind::INDIRECT: return LostCycles::INDIRECT;
    default: return LostCycles::NO_TRANSFER;
    }
}

LostCycles::Cause memory_wait(uint32_t raw, uint32_t events) {
    const Kind kind = kind_of(raw);
    if (kind != Kind::LOAD && kind != Kind::STORE && kind != Kind::ATOMIC) return LostCycles::MEMORY_BUSY;
    if (events & bit(layout::EVENT_UNCACHED)) return LostCycles::DEVICE;
    if (events & bit(layout::EVENT_DCACHE_MISS)) return kind == Kind::LOAD ? LostCycles::LOAD_MISS : LostCycles::STORE_MISS;
    if (kind == Kind::ATOMIC) return LostCycles::ATOMIC;
    if (events & bit(layout::EVENT_MISALIGNED)) return LostCycles::SPLIT;
    return kind == Kind::LOAD ? LostCycles::LOAD_WAIT : LostCycles::STORE_WAIT;
}

}  // namespace

const char* const LostCycles::NAMES[CAUSES] = {
    "start", "load_use", "multiply_use", "other_use", "divide",
    "branch", "return", "indirect", "jump", "no_transfer", "flush", "trap", "switch",
    "fetch_miss", "fetch_late", "fetch_empty",
    "load_miss", "store_miss", "load_wait", "store_wait", "split", "atomic", "device", "memory_busy", "system",
    "unknown"};

// Until the core starts there is nothing to execute.
LostCycles::LostCycles() : before_(bit(layout::EVENT_FETCH_STALL)) {}

void LostCycles::step(bool retired, bool trapped, uint32_t raw, uint32_t events) {
    const uint32_t was = before_;
    before_ = events;
    if (was & bit(layout::EVENT_ICACHE_MISS)) missed_ = true, miss_at_ = instructions_;
    if (!retired) account(retired, trapped, was);
    constexpr uint32_t stalls = bit(layout::EVENT_MEMORY_STALL) | bit(layout::EVENT_DIVIDE_STALL);
    const bool leaves = retired || trapped || (memory_.full && was & bit(layout::EVENT_MODE_SWITCH));
    if (retired && !memory_.full) times_[UNKNOWN]++;  // the shadow was wrong: told in the report, though no cycle is lost
    if (leaves || (!(was & stalls) && !memory_.full)) move(retired, trapped, raw, was);
    if (retired) instructions_++, last_raw_ = raw;
}

void LostCycles::account(bool retired, bool trapped, uint32_t was) {
    if (was & bit(layout::EVENT_DIVIDE_STALL)) {
        divided_++;
    } else if (was & bit(layout::EVENT_MEMORY_STALL)) {
        waited_++, wait_events_ |= was;
    } else if (!memory_.full) {
        lose_place(memory_.cause);
    } else if (trapped) {
        lose(TRAP);
    } else if (was & bit(layout::EVENT_MODE_SWITCH)) {
        lose(SWITCH);
    } else {
        held_++;
    }
}

void LostCycles::lose_place(uint8_t cause) {
    if (cause >= RUN) {
        Run& run = runs_[cause - RUN];
        if (run.open) {
            run.lost++;
            return;
        }
        if (!run.counted) times_[run.cause]++, run.counted = true;
        cause = run.cause;
    } else if (cause == OPERAND) {
        const Kind kind = kind_of(last_raw_);
        cause = kind == Kind::LOAD || kind == Kind::ATOMIC ? LOAD_USE : kind == Kind::MULTIPLY ? MULTIPLY_USE : OTHER_USE;
        times_[cause]++;
    }
    lose(cause);
}

/// Account for a wait that has ended.
void LostCycles::wait(Cause cause, uint64_t& waited) {
    if (waited) lose(cause, waited), times_[cause]++;
    waited = 0;
}

/// The instruction in the memory stage, or nothing, goes on: what was waited for is now known.
void LostCycles::end_wait(bool known, bool trapped, uint32_t raw) {
    wait(DIVIDE, divided_);
    wait(trapped ? TRAP : !known ? MEMORY_BUSY : memory_wait(raw, wait_events_), waited_);
    wait(trapped ? TRAP : known && kind_of(raw) == Kind::SYSTEM ? SYSTEM : UNKNOWN, held_);
    wait_events_ = 0;
}

/// Why the register-read stage has no instruction, for one more cycle.
uint8_t LostCycles::fetch_stalls() {
    if (refetch_) {
        refetch_--;
        return redirect_;
    }
    Run& run = runs_[run_];
    if (!run.open) run = {0, UNKNOWN, true, false};
    return static_cast<uint8_t>(RUN + run_);
}

/// The register-read stage has an instruction again.
void LostCycles::end_run() {
    Run& run = runs_[run_];
    if (run.open) {
        const bool own = redirect_ == TRAP || redirect_ == SWITCH || redirect_ == FLUSH || redirect_ == START;
        const bool miss = missed_ && instructions_ - miss_at_ <= MISS_REACH;
        run.cause = miss ? FETCH_MISS : !after_redirect_ ? FETCH_EMPTY : own ? redirect_ : FETCH_LATE;
        if (miss) missed_ = false;
        run.open = false, run.counted = run.lost;
        lose(run.cause, run.lost), times_[run.cause] += run.counted;
        run_ = (run_ + 1) % RUNS;
    }
    after_redirect_ = false, refetch_ = 0;
}

void LostCycles::move(bool retired, bool trapped, uint32_t raw, uint32_t was) {
    end_wait(retired, trapped, raw);
    memory_ = execute_;
    if (was & bit(layout::EVENT_FETCH_STALL)) {
        execute_ = {false, fetch_stalls()};
    } else {
        end_run();
        execute_ = was & bit(layout::EVENT_LOAD_USE_STALL) ? Place{false, OPERAND} : Place{true, UNKNOWN};
    }
    constexpr uint32_t switches = bit(layout::EVENT_CONTEXT_SWITCH) | bit(layout::EVENT_MODE_SWITCH);
    constexpr uint32_t redirects = bit(layout::EVENT_MISPREDICT) | bit(layout::EVENT_FLUSH) | switches;
    if (!trapped && !(was & redirects)) return;
    if (trapped) redirect_ = TRAP;
    else if (was & switches) redirect_ = SWITCH;
    else if (was & bit(layout::EVENT_FLUSH)) redirect_ = FLUSH;
    else redirect_ = mispredicted(raw);
    times_[redirect_]++;
    // A run that the redirect cut short has ended: what it lost so far was lost to it.
    end_run();
    refetch_ = REFETCH, after_redirect_ = true;
    memory_ = execute_ = {false, redirect_};
}

std::string LostCycles::json() const {
    LostCycles ended = *this;
    ended.end_wait(false, false, 0);
    ended.end_run();
    std::string cycles, times;
    for (unsigned i = 0; i < CAUSES; i++) {
        const std::string head = (i ? ", \"" : "\"") + std::string(NAMES[i]) + "\": ";
        cycles += head + std::to_string(ended.cycles_[i]);
        times += head + std::to_string(ended.times_[i]);
    }
    return "{\"cycles\": {" + cycles + "}, \"times\": {" + times + "}}";
}

}  // namespace hakone
