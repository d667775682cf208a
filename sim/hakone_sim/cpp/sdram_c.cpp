// The chip alone behind C functions, a clock edge at a time, so that tests can be its controller, or stand between it and
// a simulated one (hakone_sim.sdram_library).
#include <cstring>
#include <map>
#include <string>

#include "sdram_bus.h"

using namespace hakone;

namespace {

struct Words : SdramWatcher {
    uint64_t written = 0, read = 0;
    void word(bool write, size_t, uint16_t, unsigned) override { (write ? written : read)++; }
};

struct Bench {
    SdramPart part;
    LazyBytes cells;
    Words words;
    SdramChip chip;
    Bench(const SdramPart& p, uint64_t period, uint64_t shift)
        : part(p), cells(size_t{p.columns} * p.rows * 8), chip(p, period, shift, cells.data(), SdramBus::place, &words) {}
};

}  // namespace

extern "C" {

/// A chip as the data sheet of `part` says, but for `count` values of its own: their names and what they are instead
/// (times in picoseconds). Null for an unknown part or name.
Bench* sdram_new(const char* part, uint64_t period_ps, uint64_t shift_ps, uint32_t count, const char* const* names, const uint64_t* values) {
    try {
        SdramPart p = sdram_part(part);
        const std::map<std::string, uint64_t*> times = {
            {"tck2", &p.tck2}, {"tck3", &p.tck3}, {"trcd", &p.trcd}, {"trp", &p.trp}, {"tras", &p.tras}, {"tras_max", &p.tras_max},
            {"trc", &p.trc}, {"trfc", &p.trfc}, {"trrd", &p.trrd}, {"twr", &p.twr}, {"tmrd", &p.tmrd}, {"tac2", &p.tac2},
            {"tac3", &p.tac3}, {"toh", &p.toh}, {"thz2", &p.thz2}, {"tis", &p.tis}, {"power_up", &p.power_up},
            {"refresh_period", &p.refresh_period},
        };
        const std::map<std::string, unsigned*> counts = {
            {"rows", &p.rows}, {"tmrd_clocks", &p.tmrd_clocks}, {"twr_clocks", &p.twr_clocks}, {"power_up_refreshes", &p.power_up_refreshes}};
        for (uint32_t i = 0; i < count; i++) {
            if (times.count(names[i])) *times.at(names[i]) = values[i];
            else if (counts.count(names[i])) *counts.at(names[i]) = static_cast<unsigned>(values[i]);
            else return nullptr;
        }
        return new Bench(p, period_ps, shift_ps);
    } catch (const BadInput&) {
        return nullptr;
    }
}
void sdram_free(Bench* b) { delete b; }

/// An edge of the chip's clock. From bit 0: cke, cs_n, ras_n, cas_n, we_n, ba (2), a (13), dqm (2), dq_oe, dq (16).
void sdram_edge(Bench* b, uint64_t pads) {
    SdramInputs in;
    in.cke = pads & 1, in.cs_n = pads >> 1 & 1, in.ras_n = pads >> 2 & 1, in.cas_n = pads >> 3 & 1, in.we_n = pads >> 4 & 1;
    in.ba = pads >> 5 & 3, in.a = pads >> 7 & 0x1FFF, in.dqm = pads >> 20 & 3, in.dq_oe = pads >> 22 & 1;
    in.dq = static_cast<uint16_t>(pads >> 23);
    b->chip.edge(in);
}
/// Data pads at the edge of the controller's clock that is `ahead` edges after the last one of the chip's.
uint32_t sdram_seen(const Bench* b, uint32_t ahead) { return b->chip.seen_at(b->chip.edges() - 1 + ahead); }
void sdram_finish(Bench* b) { b->chip.finish(); }
const char* sdram_violation(const Bench* b) { return b->chip.violation().c_str(); }
/// In the order of SdramCounters.
void sdram_counters(const Bench* b, uint64_t* to) { memcpy(to, &b->chip.counters(), sizeof(SdramCounters)); }
void sdram_load(Bench* b, uint64_t at, const uint8_t* data, uint64_t n) { memcpy(b->cells.data() + at, data, n); }
void sdram_read(const Bench* b, uint64_t at, uint8_t* to, uint64_t n) { memcpy(to, b->cells.data() + at, n); }
}
