// See axi_memory.h.
#include "axi_memory.h"

#include <algorithm>
#include <cstring>

namespace hakone {

uint32_t BurstData::word_addr(unsigned n) const {
    const uint32_t step = 1u << size;
    uint32_t a = addr;
    if (burst == WRAP) {
        const uint32_t span = step * (len + 1u);
        const uint32_t low = addr & ~(span - 1);
        a = low + ((addr - low + n * step) & (span - 1));
    } else if (burst == INCR && n) {
        a = (addr & ~(step - 1)) + n * step;
    }
    return a & ~7u;
}

AxiMemory::AxiMemory(const AxiMemoryOptions& options, BusWatcher* watcher)
    : options_(options), watcher_(watcher), bytes_(options.bytes), touched_(options.bytes >> 12), random_(options.wait_seed),
      reads_(READS), writes_(WRITES) {}

void AxiMemory::load(uint32_t addr, const void* data, size_t size) {
    if (!size) return;
    const size_t at = addr - options_.base;
    memcpy(bytes_.data() + at, data, size);
    for (size_t page = at >> 12; page <= (at + size - 1) >> 12; page++) touched_[page] = true;
}

uint64_t AxiMemory::word(uint32_t addr) const {
    uint64_t v;
    memcpy(&v, bytes_.data() + ((addr - options_.base) & ~7u), 8);
    return v;
}

void AxiMemory::broken(const char* channel, const std::string& rule) {
    if (violation_.empty()) violation_ = std::string(channel) + ": " + rule;
}

void AxiMemory::check_burst(const char* channel, uint32_t addr, unsigned len, unsigned size, unsigned burst) {
    const uint32_t bytes = (len + 1) << size;
    if (size > 3) return broken(channel, "size " + std::to_string(1 << size) + " bytes is wider than the bus (A3.4.1)");
    if (burst != INCR && burst != WRAP) return broken(channel, "burst type " + std::to_string(burst) + " is not served here");
    if (burst == WRAP) {
        if (len != 1 && len != 3 && len != 7 && len != 15) return broken(channel, "a wrapping burst has 2, 4, 8 or 16 beats (A3.4.1)");
        if (addr & ((1u << size) - 1)) return broken(channel, "a wrapping burst starts at a multiple of its size (A3.4.1)");
        return;
    }
    const uint32_t first = addr & ~((1u << size) - 1);
    if ((first & 0xFFF) + bytes > 0x1000) broken(channel, "the burst crosses a 4 KiB boundary (A3.4.1)");
}

void AxiMemory::check_manager(const AxiManager& m, const AxiSubordinate& s) {
    const AxiManager& b = before_;
    if (held_ar_ && !(m.arvalid && m.araddr == b.araddr && m.arid == b.arid && m.arlen == b.arlen && m.arsize == b.arsize &&
                      m.arburst == b.arburst))
        broken("AR", "changed or dropped before it was accepted (A3.2.1)");
    if (held_aw_ && !(m.awvalid && m.awaddr == b.awaddr && m.awid == b.awid && m.awlen == b.awlen && m.awsize == b.awsize &&
                      m.awburst == b.awburst))
        broken("AW", "changed or dropped before it was accepted (A3.2.1)");
    if (held_w_ && !(m.wvalid && m.wdata == b.wdata && m.wstrb == b.wstrb && m.wlast == b.wlast))
        broken("W", "changed or dropped before it was accepted (A3.2.1)");
    held_ar_ = m.arvalid && !s.arready;
    held_aw_ = m.awvalid && !s.awready;
    held_w_ = m.wvalid && !s.wready;
    if (held_ar_ | held_aw_ | held_w_) before_ = m;
    if (m.arvalid && !held_ar_) check_burst("AR", m.araddr, m.arlen, m.arsize, m.arburst);
    if (m.awvalid && !held_aw_) check_burst("AW", m.awaddr, m.awlen, m.awsize, m.awburst);
}

void AxiMemory::accept(const AxiManager& m, const AxiSubordinate& s, uint64_t cycle) {
    const auto fill = [this](BurstData& b, uint32_t addr, uint8_t len, uint8_t size, uint8_t burst, uint8_t id) {
        b.addr = addr, b.len = len, b.size = size, b.burst = burst, b.id = id, b.decoded = true;
        const uint32_t bytes = (len + 1u) << size;
        const uint32_t low = burst == WRAP ? addr & ~(bytes - 1) : addr & ~((1u << size) - 1);
        b.response = inside(low, bytes) ? OKAY : DECERR;
        counters_.decode_errors += b.response == DECERR;
    };
    if (m.arvalid && s.arready) {
        Read& r = reads_[read_count_++];
        r.burst.beats = 0, r.sent = 0;
        fill(r.burst, m.araddr, m.arlen, m.arsize, m.arburst, m.arid);
        r.due = cycle + delay();
        counters_.reads++;
        counters_.most_reads_outstanding = std::max<uint64_t>(counters_.most_reads_outstanding, read_count_);
    }
    // Addresses and data each fill the oldest write that still lacks them; either may come first.
    if (m.awvalid && s.awready) {
        unsigned i = 0;
        while (i < write_count_ && writes_[i].burst.decoded) i++;
        if (i == write_count_) writes_[write_count_++] = Write{};
        fill(writes_[i].burst, m.awaddr, m.awlen, m.awsize, m.awburst, m.awid);
        counters_.writes++;
    }
    if (m.wvalid && s.wready) {
        unsigned i = 0;
        while (i < write_count_ && writes_[i].complete) i++;
        if (i == write_count_) writes_[write_count_++] = Write{};
        Write& w = writes_[i];
        if (w.burst.beats == 256) return broken("W", "more than 256 beats without WLAST (A3.4.1)");
        w.burst.data[w.burst.beats] = m.wdata;
        w.burst.strobe[w.burst.beats++] = m.wstrb;
        w.complete = m.wlast;
        counters_.write_beats++;
    }
    for (unsigned i = 0; i < write_count_; i++) {
        Write& w = writes_[i];
        if (!w.burst.decoded || w.answered) continue;
        const bool full = w.burst.beats == w.burst.len + 1u;
        if (w.complete != full && (w.complete || w.burst.beats > w.burst.len))
            return broken("W", "WLAST does not stand with beat " + std::to_string(w.burst.len + 1) + " (A3.4.1)");
        if (w.complete) {
            w.answered = true;
            w.due = cycle + delay();
            if (watcher_) watcher_->burst(true, w.burst, cycle);
        }
    }
}

void AxiMemory::drive_read(const AxiManager& m, AxiSubordinate& s, uint64_t cycle) {
    if (s.rvalid && m.rready) {
        Read& r = reads_[active_read_];
        r.burst.data[r.sent] = s.rdata;
        r.burst.strobe[r.sent++] = 0xFF;
        r.burst.beats = r.sent;
        counters_.read_beats++;
        s.rvalid = 0;
        if (s.rlast) {
            if (watcher_) watcher_->burst(false, r.burst, cycle);
            std::rotate(reads_.begin() + active_read_, reads_.begin() + active_read_ + 1, reads_.begin() + read_count_);
            read_count_--;
            active_read_ = -1;
        }
    }
    if (s.rvalid) return;
    if (active_read_ < 0 && read_count_) {
        unsigned pick = 0;
        if (options_.wait_seed && read_count_ > 1) {
            const unsigned other = random_.next() % read_count_;
            bool allowed = true;  // reads of one id are answered in order (A5.3.1)
            for (unsigned i = 0; i < other; i++) allowed &= reads_[i].burst.id != reads_[other].burst.id;
            if (allowed) pick = other;
        }
        if (reads_[pick].due <= cycle + 1) active_read_ = static_cast<int>(pick);
    }
    if (active_read_ < 0 || late()) return;
    const Read& r = reads_[active_read_];
    s.rvalid = 1;
    s.rid = r.burst.id;
    s.rresp = r.burst.response;
    s.rdata = r.burst.response == OKAY ? word(r.burst.word_addr(r.sent)) : 0;
    s.rlast = r.sent == r.burst.len;
}

void AxiMemory::apply(const BurstData& burst) {
    if (burst.response != OKAY) return;
    for (unsigned n = 0; n < burst.beats; n++) {
        const size_t at = burst.word_addr(n) - options_.base;
        touched_[at >> 12] = true;
        if (burst.strobe[n] == 0xFF) {
            memcpy(bytes_.data() + at, &burst.data[n], 8);
            continue;
        }
        for (unsigned i = 0; i < 8; i++)
            if (burst.strobe[n] >> i & 1) bytes_[at + i] = static_cast<uint8_t>(burst.data[n] >> (8 * i));
    }
}

void AxiMemory::drive_write(const AxiManager& m, AxiSubordinate& s, uint64_t cycle) {
    if (s.bvalid && m.bready) {
        s.bvalid = 0;
        std::rotate(writes_.begin(), writes_.begin() + 1, writes_.begin() + write_count_);
        write_count_--;
    }
    if (s.bvalid || !write_count_) return;
    const Write& w = writes_[0];
    if (!w.answered || w.due > cycle + 1 || late()) return;
    apply(w.burst);
    s.bvalid = 1;
    s.bid = w.burst.id;
    s.bresp = w.burst.response;
}

void AxiMemory::busy_step(const AxiManager& m, AxiSubordinate& s, uint64_t cycle) {
    check_manager(m, s);
    accept(m, s, cycle);
    drive_read(m, s, cycle);
    drive_write(m, s, cycle);
    s.arready = read_count_ < READS && !late();
    // A slot is kept free on each side: addresses and data may both open a new write in one cycle.
    s.awready = write_count_ + 1 < WRITES && !late();
    s.wready = write_count_ + 1 < WRITES && !late();
    idle_ = !read_count_ && !write_count_ && !held_ar_ && !held_aw_ && !held_w_;
}

void AxiMemory::finish(uint64_t cycle) {
    for (unsigned i = 0; i < read_count_; i++)
        if (watcher_ && reads_[i].burst.beats) watcher_->burst(false, reads_[i].burst, cycle);
    for (unsigned i = 0; i < write_count_; i++) {
        const Write& w = writes_[i];
        if (w.answered) apply(w.burst);
        else if (watcher_ && w.burst.beats) watcher_->burst(true, w.burst, cycle);
    }
    read_count_ = write_count_ = 0;
}

}  // namespace hakone
