// The result of a run as JSON.
#include <cinttypes>

#include "harness.h"
#include "probe_layout.h"

namespace hakone {

namespace {

/// Writes one JSON object; nothing here needs escapes but text, which is escaped.
class Object {
public:
    void text(const char* name, const std::string& value) {
        std::string safe;
        for (const char c : value) {
            char code[8];
            if (c == '"' || c == '\\') safe += '\\', safe += c;
            else if (static_cast<unsigned char>(c) < 32) snprintf(code, sizeof code, "\\u%04x", c), safe += code;
            else safe += c;
        }
        raw(name, "\"" + safe + "\"");
    }
    void number(const char* name, uint64_t value) { raw(name, std::to_string(value)); }
    void raw(const char* name, const std::string& value) {
        body_ += (body_.empty() ? "\"" : ", \"") + std::string(name) + "\": " + value;
    }
    std::string str() const { return "{" + body_ + "}"; }

private:
    std::string body_;
};

std::string bus_object(const AxiCounters& a, const AxiMemoryOptions& o) {
    Object bus;
    bus.number("reads", a.reads);
    bus.number("writes", a.writes);
    bus.number("read_beats", a.read_beats);
    bus.number("write_beats", a.write_beats);
    bus.number("decode_errors", a.decode_errors);
    bus.number("most_reads_outstanding", a.most_reads_outstanding);
    bus.number("latency", o.latency);
    bus.number("wait_seed", o.wait_seed);
    return bus.str();
}

std::string sdram_object(const SdramChip& chip) {
    const SdramCounters& c = chip.counters();
    Object sdram;
    sdram.text("part", chip.part().name);
    sdram.number("activates", c.activates);
    sdram.number("precharges", c.precharges);
    sdram.number("refreshes", c.refreshes);
    sdram.number("reads", c.reads);
    sdram.number("writes", c.writes);
    sdram.number("row_hits", c.row_hits);
    sdram.number("data_cycles", c.data_clocks);
    return sdram.str();
}

std::string snooper_object(const Snooper& s) {
    const SnooperCounters& c = s.counters();
    Object snooper;
    snooper.raw("armed", s.armed() ? "true" : "false");
    snooper.number("bus_bytes", c.bus_bytes);
    snooper.number("windows_searched", c.windows_searched);
    snooper.number("bus_plaintext_hits", c.bus_hits);
    snooper.number("ram_plaintext_hits", c.ram_hits);
    snooper.number("output_hits", c.output_hits);
    snooper.number("input_hits", c.input_hits);
    snooper.number("declared_windows", c.declared_windows);
    snooper.number("stored_windows", c.stored_windows);
    snooper.number("stored_windows_dropped", c.stored_windows_dropped);
    snooper.number("output_windows", c.output_windows);
    snooper.number("ram_windows_searched", c.ram_windows_searched);
    std::string hits;
    for (const SnooperHit& h : s.hits()) {
        char bytes[20];
        snprintf(bytes, sizeof bytes, "%016" PRIx64, __builtin_bswap64(h.window));
        Object hit;
        hit.number("cycle", h.cycle);
        hit.number("address", h.addr);
        hit.text("bytes", bytes);
        hit.text("where", h.where);
        hit.text("order", h.order);
        hits += (hits.empty() ? "" : ", ") + hit.str();
    }
    snooper.raw("hits", "[" + hits + "]");
    return snooper.str();
}

}  // namespace

std::string Harness::json() const {
    Object events;
    for (unsigned i = 0; i < layout::EVENTS; i++) events.number(layout::EVENT_NAMES[i], events_[i]);
    Object uart;
    uart.number("sent", uart_.log().size());
    uart.number("received", uart_.received());
    Object all;
    all.number("status", static_cast<uint64_t>(status_));
    all.text("reason", reason_);
    all.text("detail", detail_);
    all.number("code", code_);
    all.number("cycles", cycle_);
    all.number("instructions", instructions_);
    all.number("encrypted_instructions", encrypted_instructions_);
    all.number("traps", traps_);
    char number[40];
    snprintf(number, sizeof number, "%.6f", seconds_);
    all.raw("sim_seconds", number);
    snprintf(number, sizeof number, "%.0f", seconds_ > 0 ? static_cast<double>(cycle_) / seconds_ : 0.0);
    all.raw("sim_cycles_per_second", number);
    all.raw("events", events.str());
    all.raw("lost", lost_.json());
    all.raw("bus", bus_object(sdram_ ? sdram_->counters() : memory_.counters(), options_.memory));
    if (sdram_) all.raw("sdram", sdram_object(sdram_->chip()));
    all.raw("snooper", snooper_object(snooper_));
    all.raw("uart", uart.str());
    return all.str() + "\n";
}

}  // namespace hakone
