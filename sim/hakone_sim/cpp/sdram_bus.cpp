// See sdram_bus.h.
#include "sdram_bus.h"

namespace hakone {

SdramBus::SdramBus(AxiMemory& memory, BusWatcher* watcher, const SdramPart& part, uint64_t period_ps, uint64_t shift_ps)
    : memory_(memory), watcher_(watcher), chip_(part, period_ps, shift_ps, memory.bytes().data(), place, this) {
    const uint64_t bytes = uint64_t{part.columns} * part.rows * 8;
    if (memory.bytes().size() != bytes)
        throw BadInput("--ram-bytes: " + std::to_string(memory.bytes().size()) + ": the " + part.name + " has " + std::to_string(bytes));
}

void SdramBus::word(bool write, size_t place, uint16_t data, unsigned mask) {
    const size_t beat = place & ~size_t{7};
    const unsigned lane = place >> 1 & 3;
    const bool same = open_ && write == write_ && beat == beat_ && lane > lane_;
    const bool next = open_ && write == write_ && beat == beat_ + 8 && burst_.beats < MOST_BEATS;
    if (!same && !next) {
        close();
        open_ = true, write_ = write;
        burst_.addr = memory_.base() + static_cast<uint32_t>(beat);
        burst_.size = 3, burst_.burst = INCR, burst_.decoded = true, burst_.beats = 0;
        (write ? counters_.writes : counters_.reads)++;
    }
    if (!same) {
        burst_.data[burst_.beats] = 0, burst_.strobe[burst_.beats] = 0;
        burst_.beats++;
        (write ? counters_.write_beats : counters_.read_beats)++;
    }
    burst_.data[burst_.beats - 1] |= static_cast<uint64_t>(data) << (16 * lane);
    burst_.strobe[burst_.beats - 1] |= static_cast<uint8_t>((~mask & 3) << (2 * lane));
    beat_ = beat, lane_ = lane;
    last_word_ = chip_.edges();
    if (write) memory_.touch(place);
    if (lane == 3 && (beat & 63) == 56) close();  // whole lines are told at once
}

void SdramBus::close() {
    if (!open_) return;
    open_ = false;
    burst_.len = static_cast<uint8_t>(burst_.beats - 1);
    if (watcher_) watcher_->burst(write_, burst_, chip_.edges());
}

}  // namespace hakone
