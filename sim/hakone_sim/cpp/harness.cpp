// See harness.h.
#include "harness.h"

#include <algorithm>
#include <cerrno>
#include <cstring>

#include "probe_layout.h"

namespace hakone {

namespace {

constexpr unsigned TRAP_REPEATS = 3;
constexpr uint64_t POLL_CYCLES = 8192;  // how often the host's input is asked for
constexpr uint32_t INTERRUPT = 1u << 5;

std::string hex(uint32_t v) {
    char text[16];
    snprintf(text, sizeof text, "0x%08x", v);
    return text;
}

uint32_t word_at(const std::vector<uint8_t>& bytes, size_t at) {
    uint32_t v;
    memcpy(&v, &bytes[at], 4);
    return v;
}

}  // namespace

Harness::Harness(const Options& options)
    : options_(options), snooper_(options.memory.base, options.memory.bytes, options.stored_windows),
      memory_(options.memory, &snooper_), uart_(options.uart_out, options.uart_in) {
    if (!options_.sdram_part.empty())
        sdram_ = std::make_unique<SdramBus>(memory_, &snooper_, sdram_part(options_.sdram_part), options_.period_ps, options_.sdram_shift_ps);
    if (!options_.trace.empty()) trace_ = std::make_unique<TraceFile>(options_.trace);
    if (!options_.fuses.empty()) {
        const std::vector<uint8_t> bytes = read_file(options_.fuses);
        if (bytes.size() % 4 || bytes.size() > sizeof fuses_) throw BadInput(options_.fuses + ": not a fuse image");
        memcpy(fuses_.data(), bytes.data(), bytes.size());
    }
    if (!options_.card.file.empty()) card_ = std::make_unique<SdCard>(options_.card, options_.period_ps);
    load_images();
    if (!options_.plaintexts.empty()) load_plaintexts();
    update_alarm();
}

void Harness::load_images() {
    for (const auto& [path, addr] : options_.images) {
        const std::vector<uint8_t> bytes = read_file(path);
        if (!memory_.inside(addr, bytes.size())) throw BadInput(path + ": does not fit into memory at " + hex(addr));
        memory_.load(addr, bytes.data(), bytes.size());
    }
}

// Format: "HKNPLAIN", version 1, number of sections, then per section: kind (0 plain, 1 protected), address, bytes, data.
void Harness::load_plaintexts() {
    const std::vector<uint8_t> file = read_file(options_.plaintexts);
    const auto wrong = [this] { return BadInput(options_.plaintexts + ": not a list of plaintexts"); };
    if (file.size() < 16 || memcmp(file.data(), "HKNPLAIN", 8) != 0 || word_at(file, 8) != 1) throw wrong();
    snooper_.arm();
    for (uint32_t kind = 0; kind < 2; kind++) {  // plain sections first
        size_t at = 16;
        for (uint32_t i = 0; i < word_at(file, 12); i++) {
            if (at + 12 > file.size() || at + 12 + word_at(file, at + 8) > file.size()) throw wrong();
            const uint32_t addr = word_at(file, at + 4), bytes = word_at(file, at + 8);
            const uint8_t* data = file.data() + at + 12;
            if (word_at(file, at) == kind) {
                if (kind) snooper_.declare_protected(addr, data, bytes);
                else snooper_.declare_plain(data, bytes);
            }
            at += 12 + bytes;
        }
    }
}

void Harness::end(int status, const std::string& reason, const std::string& detail) {
    if (ended_) return;
    ended_ = attention_ = true;
    status_ = status, reason_ = reason, detail_ = detail;
    seconds_ = std::chrono::duration<double>(std::chrono::steady_clock::now() - begin_).count();
}

void Harness::notify(Notice::Kind kind, uint32_t addr, uint32_t data) {
    notices_.push_back({kind, addr, data, 0, cycle_});
    notices_sent_++;
    attention_ = true;
}

void Harness::update_alarm() {
    alarm_cycle_ = std::min({options_.max_cycles, wake_cycle_, poll_cycle_, progress_cycle_ + options_.hang_cycles});
}

void Harness::alarm() {
    if (cycle_ >= progress_cycle_ + options_.hang_cycles) {
        std::string detail = "no instruction retired for " + std::to_string(options_.hang_cycles) + " cycles; ";
        if (!retired_any_) detail += "none was retired since reset";
        else detail += "last retired: pc " + hex(last_pc_) + ", instruction " + hex(last_raw_);
        detail += "; either wfi without an enabled interrupt, or an answer that does not come";
        end(HANG, "hang", detail);
    } else if (cycle_ >= options_.max_cycles) {
        end(CYCLE_LIMIT, "cycle limit", "the program did not end within " + std::to_string(options_.max_cycles) + " cycles");
    }
    if (cycle_ >= wake_cycle_) attention_ = true, wake_cycle_ = UINT64_MAX;
    if (cycle_ >= poll_cycle_) uart_.poll(), uart_.flush(), poll_cycle_ = cycle_ + POLL_CYCLES;
    update_alarm();
}

void Harness::trap(const uint32_t* record) {
    const uint32_t pc = field(record, layout::RETIRE_PC), cause = field(record, layout::RETIRE_CAUSE);
    traps_++;
    if (trap_instructions_ != instructions_) {
        trap_repeats_ = 0;
        first_trap_ = (cause & INTERRUPT ? "interrupt " : "cause ") + std::to_string(cause & 31) + " at pc " + hex(pc) +
                      ", tval " + hex(field(record, layout::RETIRE_TVAL)) + ", context " +
                      std::to_string(field(record, layout::RETIRE_CONTEXT));
    }
    trap_repeats_ = trap_repeats_ && pc == trap_pc_ ? trap_repeats_ + 1 : 1;
    trap_pc_ = pc, trap_instructions_ = instructions_;
    if (trap_repeats_ == TRAP_REPEATS)
        end(UNHANDLED_TRAP, "unhandled trap", first_trap_ + "; the handler at " + hex(pc) + " traps itself");
}

void Harness::retire_or_trap(const Outputs& out) {
    const uint32_t* r = out.retire;
    const bool retired = field(r, layout::RETIRE_RETIRE);
    if (trace_) {
        const uint32_t value = field(r, retired ? layout::RETIRE_VALUE : layout::RETIRE_TVAL);
        const uint32_t info = (retired ? 1u : 2u) | field(r, layout::RETIRE_RD) << 2 | field(r, layout::RETIRE_RD_WRITE) << 7 |
                              field(r, layout::RETIRE_CAUSE) << 8 | field(r, layout::RETIRE_CONTEXT) << 14 |
                              field(r, layout::RETIRE_ENCRYPTED) << 18 | field(r, layout::RETIRE_LEVEL) << 19;
        trace_->add({cycle_, field(r, layout::RETIRE_PC), field(r, layout::RETIRE_RAW), value, info,
                     static_cast<uint32_t>(instructions_), recent_events_});
        recent_events_ = 0;
    }
    if (!retired) return trap(r);
    instructions_++;
    encrypted_instructions_ += field(r, layout::RETIRE_ENCRYPTED);
    last_pc_ = field(r, layout::RETIRE_PC), last_raw_ = field(r, layout::RETIRE_RAW);
    retired_any_ = true;
    progress_cycle_ = cycle_;
}

void Harness::store(const uint32_t* s) {
    const uint32_t addr = field(s, layout::STORE_ADDR) & ~3u, data = field(s, layout::STORE_DATA);
    const uint32_t strobe = field(s, layout::STORE_STROBE);
    const bool is_protected = field(s, layout::STORE_PROTECTED), encrypted = field(s, layout::STORE_ENCRYPTED);
    snooper_.store(addr, data, strobe, is_protected, encrypted, cycle_);
    if (trace_)
        trace_->add({cycle_, addr, data, 0, 3u | uint32_t{encrypted} << 18 | strobe << 21 | uint32_t{is_protected} << 25,
                     static_cast<uint32_t>(instructions_), 0});
    if (options_.has_tohost && addr == (options_.tohost & ~3u) && data & 1 && strobe == 15) {
        code_ = data >> 1;
        end(std::min<uint32_t>(code_, 99), code_ ? "tohost failure" : "tohost pass", code_ ? "test " + std::to_string(code_) : "");
    }
    if (!watched_.empty() && watched_.count(addr)) notify(Notice::WATCHED_STORE, addr, data);
}

void Harness::count(uint32_t events) {
    if (events >> layout::EVENT_WFI_WAIT & 1) progress_cycle_ = cycle_;
    for (; events; events &= events - 1) events_[__builtin_ctz(events)]++;
}

void Harness::step(const Outputs& out, Inputs& in) {
    if (sdram_) sdram_->step(out.sdram, in.sdram_dq);
    else memory_.step(out.axi, in.axi, cycle_);
    const bool retired = field(out.retire, layout::RETIRE_RETIRE), trapped = field(out.retire, layout::RETIRE_TRAP);
    lost_.step(retired, trapped, field(out.retire, layout::RETIRE_RAW), out.events);
    if (retired | trapped) retire_or_trap(out);
    recent_events_ |= out.events;  // an instruction retires one cycle after it has left the memory stage to the next
    if (field(out.store, layout::STORE_VALID)) store(out.store);
    if (out.events) count(out.events);
    in.fuse_data = fuses_[out.fuse_addr];
    if (card_) card_->step(out, in, cycle_);
    if (uart_.step(out, in)) notify(Notice::UART_LINE, 0, static_cast<uint32_t>(uart_.log().size()));
    if (out.finish_valid) {
        code_ = out.finish_code;
        const std::string detail = code_ ? "code " + std::to_string(code_) : "";
        if (out.finish_reset) end(PASS, "reset", "the program asked for a reset");
        else if (code_ == UNHANDLED_TRAP) end(UNHANDLED_TRAP, "unhandled trap", "told by the program's own handler");
        else end(std::min<uint32_t>(code_, 99), code_ ? "finisher failure" : "finisher pass", detail);
    }
    if (out.halted) end(UNHANDLED_TRAP, "halted", "the system failed closed; last retired: pc " + hex(last_pc_));
    cycle_++;
    if (cycle_ >= alarm_cycle_) alarm();
    if (!memory_.violation().empty()) end(BUS_RULE, "bus rule", memory_.violation());
    if (sdram_ && !sdram_->chip().violation().empty()) end(BUS_RULE, "SDRAM rule", sdram_->chip().violation());
    if (card_ && !card_->violation().empty()) end(BUS_RULE, "bus rule", card_->violation());
}

void Harness::write_files() const {
    const auto write = [](const std::string& path, auto content) {
        if (path.empty()) return;
        FILE* f = fopen(path.c_str(), "wb");
        if (!f) throw BadInput(path + ": " + strerror(errno));
        content(f);
        const bool bad = ferror(f);
        if (fclose(f) || bad) throw BadInput(path + ": could not be written");
    };
    write(options_.ram_out, [this](FILE* f) {
        size_t pages = memory_.touched().size();
        while (pages && !memory_.touched()[pages - 1]) pages--;
        fwrite(memory_.bytes().data(), 1, pages * 4096, f);
    });
    write(options_.bus_out, [this](FILE* f) {
        snooper_.seen().lines([f](uint32_t addr, const uint8_t* data) {
            fwrite(&addr, 1, 4, f);
            fwrite(data, 1, 64, f);
        });
    });
    write(options_.json, [this](FILE* f) {
        const std::string text = json();
        fwrite(text.data(), 1, text.size(), f);
    });
}

int Harness::finish() {
    if (finished_) return status_;
    finished_ = true;
    if (sdram_) sdram_->finish();
    else memory_.finish(cycle_);
    snooper_.search_memory(memory_.bytes(), memory_.touched(), cycle_);
    const SnooperCounters& c = snooper_.counters();
    if (c.bus_hits + c.ram_hits && !options_.count_only) {
        const SnooperHit& h = snooper_.hits().front();
        detail_ = "protected plaintext in the clear: " + std::to_string(c.bus_hits) + " times on the bus, " +
                  std::to_string(c.ram_hits) + " times in memory; first at " + hex(h.addr) + " (" + h.where +
                  "); the run itself: " + reason_;
        status_ = SNOOPER_HIT, reason_ = "snooper hit";
    }
    uart_.flush();
    if (trace_) trace_->flush();
    write_files();
    return status_;
}

}  // namespace hakone
